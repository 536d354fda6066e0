"""What README and docs say can be typed, can be typed, and what they name is there."""

import importlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

import seldfuse
from benchmarks.pages import eyes, looking, papers, post, results, tuning
from seldfuse.cli import main
from seldfuse.cli.app import app
from seldfuse.core.labels import DCASE2025
from seldfuse.core.rules import Rules
from seldfuse.settings.aliases import RECIPE

ROOT = Path(__file__).parents[1]
DEMO = Path(seldfuse.__file__).parent / "_demo" / "demo.mp4"
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
WRITTEN = ("benchmarks/results/latest.json",)
"""Files that commands write."""
GENERATED = ("docs/reference/commands.md", "docs/reference/settings.md", "docs/reference/sdk.md")
"""Pages that are made with the site (`tests/test_site.py`)."""
FOLDERS = ("benchmarks", "checkpoints", "docs", "plugins", "seldfuse", "tests")


def _read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _find_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _read(page), re.DOTALL)


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("talk.mp4", "takes/one.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(DEMO, tmp_path / name)
    with pytest.raises(SystemExit) as ended:
        main(["run", "talk.mp4", "--backends", "doa,sce", "--save-posteriors"])
    assert ended.value.code == 0
    for folder in ("merged", "reference"):
        (tmp_path / folder).mkdir()
        shutil.copy(tmp_path / "out/talk.csv", tmp_path / folder)
    capsys.readouterr()
    names: dict[str, Any] = {}
    for code in _find_blocks("README.md", "python"):
        exec(compile(code, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "start_s" in printed
    assert "Result('one', 10.0 s" in printed
    assert float(printed.splitlines()[-1]) > 0


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_docs_exist(page: str) -> None:
    root: Any = typer.main.get_command(app)
    fenced = "\n".join(re.findall(r"```\w*\n(.*?)```", _read(page), re.DOTALL))
    lines = re.findall(r"^    seldfuse (.*)$", _read(page), re.MULTILINE)
    for line in [*lines, *re.findall(r"^(?:\$ )?seldfuse (.*)$", fenced, re.MULTILINE)]:
        command, words = root, line.split()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command is not root, line
        known = {option for parameter in command.params for option in parameter.opts}
        used = {word.partition("=")[0] for word in line.partition("#")[0].split() if word.startswith("-")}
        assert used <= known, line


@pytest.mark.parametrize("page", PAGES)
def test_links_in_the_docs_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", _read(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if target.relative_to(ROOT).as_posix() in GENERATED:
            continue
        assert target.exists(), link
        assert not anchor or anchor in _find_anchors(target), link


def test_the_scores_of_the_readme_are_those_of_the_results() -> None:
    rows = re.findall(r"\| (F\w+(?:/\w+)?) \| (0\.\d{3} \(.*?\)) \| (0\.\d\d) \|$", _read("README.md"), re.MULTILINE)
    assert len(rows) == 5
    results_page = _read("docs/results.md")
    for score, measured, paper in rows:
        assert re.search(rf"\| {score} \| {re.escape(measured)} \|.*\| {paper} / ", results_page), measured


def test_every_page_has_a_place_in_the_navigation_of_the_site() -> None:
    navigation = _read("mkdocs.yml").partition("\nnav:\n")[2]
    named = re.findall(r"([\w/-]+\.md)$", navigation, re.MULTILINE)
    assert sorted(named) == sorted(set(named))
    assert {page.removeprefix("docs/") for page in PAGES if page != "README.md"} <= set(named)


def _find_anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_files_and_modules_named_in_the_docs_exist(page: str) -> None:
    for name in re.findall(r"`([\w./-]+)`", _read(page)):
        if name.split("/")[0] in FOLDERS and "/" in name:
            assert (ROOT / name).exists() or "NAME" in name or name in WRITTEN, name
        elif re.fullmatch(r"seldfuse(\.\w+)+", name) and not name.endswith(".py"):
            _import(name)


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(_import(module), attribute)


@pytest.mark.parametrize("page", PAGES)
def test_recipe_keys_in_the_docs_have_their_names_of_today(page: str) -> None:
    sections = "|".join({key.partition(".")[0] for key in RECIPE if "." in key})
    assert [key for key in re.findall(rf"\b(?:{sections})\.\w+", _read(page)) if key in RECIPE] == []


def test_the_tutorial_on_scoring_can_be_typed_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here_and_now: None
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in re.findall(r"^    seldfuse (.*)$", _read("docs/score-fuse-submit.md"), re.MULTILINE):
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(line.partition("#")[0]))
        assert ended.value.code == 0, (line, capsys.readouterr().err)
    assert len(list((tmp_path / "package").rglob("*.output/*.csv"))) == 4
    assert "TODO" in next((tmp_path / "package").rglob("*.meta.yaml")).read_text(encoding="utf-8")


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", _read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"^    make (\w+)", _read("README.md"), re.MULTILINE)) <= targets


def test_every_room_stands_in_the_table_of_the_architecture() -> None:
    found = [path for path in (ROOT / "seldfuse").iterdir() if not path.name.startswith(("_", "."))]
    rooms = [f"`{path.name}/`" if path.is_dir() else f"`{path.name}`" for path in found if path.name != "py.typed"]
    text = _read("docs/architecture.md")
    assert [room for room in rooms if room not in text] == []


@pytest.mark.parametrize("page", ["docs/keypoint.md", "docs/gdino.md"])
def test_the_rules_in_the_docs_are_read(page: str, tmp_path: Path) -> None:
    (text,) = _find_blocks(page, "toml")
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    assert Rules.read(tmp_path / "rules.toml", DCASE2025).by_class


def _load(name: str) -> Mapping[str, Any]:
    return json.loads((ROOT / "benchmarks" / "results" / name).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


TABLES: dict[str, Callable[[], str]] = {
    f"results.md {results.BEGIN}": lambda: results.tables(_load("results.json")),
    f"results.md {papers.BEGIN}": lambda: papers.tables(_load("results.json"), _load("post.json")),
    f"results.md {eyes.BEGIN}": lambda: eyes.tables(_load("eyes.json")),
    f"results.md {looking.BEGIN}": lambda: looking.tables(_load("looking.json")),
    f"results.md {post.BEGIN}": lambda: post.tables(_load("post.json")),
    f"tuning.md {results.BEGIN}": lambda: tuning.tables(_load("tuning.json")),
}


@pytest.mark.parametrize("where", TABLES)
def test_tables_in_the_docs_are_those_of_the_stored_results(where: str) -> None:
    page, _, mark = where.partition(" ")
    text = _read(f"docs/{page}")
    assert results.renew(text, TABLES[where](), mark) == text
