"""Packages that `seldfuse plugins new` writes: they install, keep the contract of their kind, are clean, and run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from worlds import call

import seldfuse.testing
from seldfuse.catalogue.hooks import HOOKS
from seldfuse.catalogue.host import load_registry
from seldfuse.cli.commands.plugins_new import Kind, render_plugin
from seldfuse.testing import install_distribution

KINDS = get_args(Kind)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new package of each kind, called try-KIND."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        assert call("plugins", "new", f"try-{kind}", "--kind", kind, "-o", str(folder / f"try-{kind}")) == 0
    return folder


@pytest.fixture(scope="module")
def installed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which all of them are installed."""
    target = tmp_path_factory.mktemp("installed")
    install_distribution(target, *sorted(packages.iterdir()))
    return target


@pytest.fixture
def _plugged_in(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(installed)
    load_registry.cache_clear()
    yield
    load_registry.cache_clear()
    for name in [name for name in sys.modules if name.startswith("seldfuse_try_")]:
        del sys.modules[name]


def test_there_is_a_template_for_every_kind_of_value() -> None:
    assert {f"seldfuse_register_{kind}s" for kind in KINDS} == set(HOOKS)


def test_new_packages_keep_the_contracts_of_their_kinds(installed: Path, packages: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        *sorted(packages.iterdir()),
    ]
    done = _run(command, installed, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout


def test_new_packages_are_clean(packages: Path, installed: Path, tmp_path: Path) -> None:
    for arguments in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = _run([sys.executable, "-m", "ruff", *arguments, packages], installed, tmp_path)
        assert done.returncode == 0, done.stdout


def test_new_packages_have_whole_types(packages: Path, installed: Path) -> None:
    if not (ROOT / ".mypy_cache").is_dir():
        pytest.skip("without the cache of `make check` it takes a minute")
    files = sorted(packages.rglob("*.py"))
    done = _run([sys.executable, "-m", "mypy", "--strict", *files], installed, ROOT)
    assert done.returncode == 0, done.stdout


def test_new_packages_import_the_sdk_and_the_contracts_alone(packages: Path) -> None:
    lines = {line.strip() for path in packages.rglob("*.py") for line in path.read_text().splitlines()}
    modules = {line.split()[1] for line in lines if line.startswith(("from seldfuse", "import seldfuse"))}
    assert modules == {"seldfuse.sdk", "seldfuse.testing"}


@pytest.mark.usefixtures("_plugged_in")
def test_new_packages_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    chosen = ("--backends", "try-backend", "--post", "try-detector,try-postprocessor", "--formats", "dcase,try-writer")
    assert call("run", "@demo", *chosen, "-o", str(out)) == 0
    assert (out / "demo.events.txt").read_text().count("music") > 0
    capsys.readouterr()
    (out / "demo.events.txt").unlink()
    assert call("eval", str(out), str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["try-score"] == 0.0


@pytest.mark.usefixtures("_plugged_in")
def test_new_features_augmentations_and_encoders_are_trained_with(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ('features=["logmel", "try-feature"]', "augment.try-augmentation=0.5", "augment.overlay=0.2")
    assert call("train", "doa", *(part for text in settings for part in ("--set", text)), "--dry-run") == 0
    assert '"try-feature"' in capsys.readouterr().out
    assert call("train", "mvanet", "--set", 'encoders=["try-encoder"]', "--dry-run") == 0


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Panning", "backend", "expected a name of small letters, digits, - and _ that begins with a letter, such as "
         "my-backend, got 'Panning'"),
        ("../panning", "writer", "such as my-writer, got '../panning'"),
        ("2nd", "score", "such as my-score, got '2nd'"),
        ("sce", "backend", "the name 'sce' is taken by the backend 'sce' of seldfuse 0.1.0; choose another, "
         "`seldfuse plugins` lists them all"),
        ("sed-sce", "backend", "the name 'sed-sce' is taken by the backend 'sce' of seldfuse 0.1.0"),
        ("keypoint", "postprocessor", "the name 'keypoint' is taken by the detector 'keypoint' of seldfuse 0.1.0"),
        ("log-mel", "feature", None),
        ("sed-doa", "writer", "a module seldfuse_sed_doa is installed already; choose another name than 'sed-doa'"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_used_are_refused(
    name: str, kind: str, message: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = call("plugins", "new", name, "--kind", kind, "-o", str(tmp_path / "new"))
    assert code == (2 if message else 0)
    assert (message or "") in capsys.readouterr().err
    assert (tmp_path / "new").exists() == (message is None)


def test_a_kind_that_there_is_not_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("plugins", "new", "panning", "--kind", "robot", "-o", str(tmp_path / "new")) == 2
    assert "'robot' is not one of" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("stands", ["file", "full folder", "this folder"])
def test_what_stands_in_the_way_stays(
    stands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    if stands == "file":
        folder.write_text("mine")
    else:
        folder.mkdir()
    if stands == "full folder":
        (folder / "mine").touch()
    if stands == "this folder":
        monkeypatch.chdir(folder)
    before = sorted(tmp_path.rglob("*"))
    assert call("plugins", "new", "panning", "--kind", "backend", "-o", str(folder)) == 2
    assert (
        capsys.readouterr().err == f"error: expected a folder that is new, or empty; choose another with -o: {folder}\n"
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_no_file_can_have_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("plugins", "new", "panning", "--kind", "backend", "-o", str(tmp_path / ("a" * 300))) == 2
    assert "cannot write here (File name too long); choose another folder with -o: " in capsys.readouterr().err


def test_a_package_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text = Path.write_text

    def fail_late(path: Path, text: str, **options: str) -> int:
        if path.name == "backend.py":
            raise OSError(28, "No space left on device")
        return write_text(path, text, **options)

    monkeypatch.setattr(Path, "write_text", fail_late)
    assert call("plugins", "new", "panning", "--kind", "backend", "-o", str(tmp_path / "new")) == 2
    assert capsys.readouterr().err.startswith("error: writing failed (No space left on device): ")
    assert list(tmp_path.iterdir()) == []


PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
SHOWN = {
    "detector": "lamp",
    "postprocessor": "no-blips",
    "feature": "balance",
    "encoder": "columns",
    "augmentation": "hiss",
    "score": "far",
    "writer": "sed-eval",
}
"""The packages that the page for authors shows."""


@pytest.mark.parametrize("kind", SHOWN)
def test_the_page_for_authors_shows_what_is_written(kind: str) -> None:
    files = render_plugin(SHOWN[kind], kind)
    shown = dict(re.findall(r"^`([^`\n]+)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
    expected = {path: text for path, text in files.items() if path.startswith("seldfuse_")}
    assert {path: shown.get(path) for path in expected} == expected


def test_the_page_for_authors_names_every_kind_and_contract() -> None:
    assert [name for name in seldfuse.testing.__all__ if name not in PAGE and name != "install_distribution"] == []
    assert all(f"seldfuse_register_{kind}s" in PAGE for kind in KINDS)
    assert render_plugin("lamp", "detector")["tests/test_seldfuse_lamp.py"] in PAGE


def test_it_says_what_to_type_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("plugins", "new", "panning", "--kind", "backend") == 0
    assert capsys.readouterr().out == (
        "wrote panning; next:\n\n    pip install -e 'panning' && pytest 'panning'\n    seldfuse plugins\n"
        "    seldfuse run @demo --backends panning -o out\n"
    )
    assert sorted(str(path.relative_to("panning")) for path in Path("panning").rglob("*") if path.is_file()) == [
        "LICENSE", "README.md", "pyproject.toml", "seldfuse_panning/__init__.py", "seldfuse_panning/backend.py",
        "tests/test_seldfuse_panning.py",
    ]  # fmt: skip


def test_no_placeholder_is_left(packages: Path) -> None:
    assert not [path for path in packages.rglob("*") if path.is_file() and "$" in path.read_text()]
    assert "An encoder for [seldfuse]" in render_plugin("x", "encoder")["README.md"]


def _run(command: list[object], installed: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join([str(installed), str(ROOT), str(ROOT / "plugins"), *sys.path])
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
