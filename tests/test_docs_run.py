"""Every code block of README and docs is run, here or by a test of its own, or says on the line before why it is not.

Such a line is `<!-- not run: why -->`. Commands of a page are typed from top to bottom, in a folder that holds the
files of which pages speak: `talk.mp4`, `takes/`, labels, and the outputs of a run.
"""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from worlds import call

import seldfuse
from seldfuse.synth.dataset import workers

ROOT = Path(__file__).parents[1]
DEMO = Path(seldfuse.__file__).parent / "_demo" / "demo.mp4"
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

FROM_NOTHING = ("docs/real-data.md", "docs/score-fuse-submit.md", "docs/scale.md")
"""Tutorials, which make all that they need: they begin in an empty folder."""

PYTHON_HERE = ("docs/api.md", "docs/formats.md")
"""Pages whose Python is run after their commands."""

TESTED = {
    "README.md": "tests/test_docs.py",
    "docs/encoders.md": "tests/encoders/test_pretrained.py",
    "docs/plugins.md": "tests/cli/test_plugins_new.py",
    "docs/posterior-format.md": "tests/core/test_posterior_format.py",
}
"""Pages whose Python other tests run."""

NOT_RUN = {
    "docs/encoders.md": "downloads weights, and trains for hours",
    "docs/results.md": "trains for hours",
}
"""Pages none of whose commands are run."""

ELSEWHERE = ("pip install ", "make ", "python -m benchmarks")
"""How commands begin that install or measure: CI and `make` run them."""
SHELL = ("seldfuse ", "python ", "torchrun ", "ray ", "for ", "mkdir ", "rm ", *ELSEWHERE)
"""How the commands of a shell begin; other blocks without a language are what a command prints."""

BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+) -->\n\n?)?"
    r"(?:^```(?P<language>\w*)\n(?P<fenced>.*?)^```$|(?<=\n\n)(?P<indented>(?:    [^\n]*\n)+))",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A code block of a page; `reason` says why it is not run, if so."""

    language: str
    text: str
    reason: str | None

    @property
    def is_shell(self) -> bool:
        """Whether somebody types it."""
        return self.language in ("bash", "console") or (
            not self.language and any(line.startswith(SHELL) for line in self.lines)
        )

    @property
    def lines(self) -> list[str]:
        """The commands, a line each."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line.removeprefix("$ ").strip() for line in joined.splitlines() if line.strip()]


def find_blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        code = found["fenced"] if found["fenced"] is not None else re.sub("^    ", "", found["indented"], flags=re.M)
        yield Block(found["language"] or "", code, found["reason"])


def list_shell(page: str) -> list[Block]:
    blocks = [block for block in find_blocks(page) if block.is_shell and block.reason is None]
    return [] if page in NOT_RUN else [block for block in blocks if not block_is_elsewhere(block)]


def block_is_elsewhere(block: Block) -> bool:
    return all(line.startswith(ELSEWHERE) for line in block.lines)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which pages are followed: two seconds of the bundled clip, and what a run gave."""
    folder = tmp_path_factory.mktemp("world")
    cut_clip(folder / "talk.mp4", 2.0)
    for name in ("takes/one.mp4", "takes/two.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "talk.mp4", folder / name)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert (
            call("run", "talk.mp4", "takes", "--backends", "doa,sce", "--post", "", "--save-posteriors", "-o", "out")
            == 0
        )
    finally:
        os.chdir(before)
    for name in ("labels", "reference", "merged"):
        (folder / name).mkdir()
        for path in (folder / "out").rglob("*.csv"):
            shutil.copy(path, folder / name)
    shutil.copytree(folder / "out", folder / "other-run")
    return folder


def cut_clip(path: Path, seconds: float) -> None:
    """The beginning of the bundled clip, its packets as they are."""
    with av.open(str(DEMO)) as source, av.open(str(path), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in FROM_NOTHING and (list_shell(page) or page in PYTHON_HERE)]
)
def test_the_commands_of_a_page_can_be_typed(
    page: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for block in list_shell(page):
        for line in block.lines:
            if not line.startswith(ELSEWHERE):
                assert line.startswith("seldfuse "), line
                assert type_command(line) == 0, (line, capsys.readouterr().err)
    for block in find_blocks(page):
        if block.language == "python" and page in PYTHON_HERE:
            exec(compile(block.text, page, "exec"), {})


def type_command(line: str) -> int:
    """Run a command of seldfuse in this process, with the patterns of paths that a shell replaces."""
    words = shlex.split(os.path.expandvars(line), comments=True)[1:]
    return call(*(path for word in words for path in (sorted(glob.glob(word)) or [word])))


def test_the_way_from_recordings_to_a_checkpoint_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here_and_now: None
) -> None:
    monkeypatch.setattr(workers, "run_workers", lambda orders, maker, _: (maker.make(order) for order in orders))
    monkeypatch.chdir(tmp_path)
    (code,) = [block.text for block in find_blocks("docs/real-data.md") if block.language == "python"]
    exec(compile(code, "make_miniature.py", "exec"), {})
    for line in [line for block in list_shell("docs/real-data.md") for line in block.lines]:
        assert type_command(line) == 0, (line, capsys.readouterr().err)
    assert "difference" in capsys.readouterr().out


def test_clips_can_be_shared_out_as_the_page_on_clusters_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here_and_now: None
) -> None:
    monkeypatch.chdir(tmp_path)
    make, loop, join, array = [block.text for block in list_shell("docs/scale.md")]
    assert type_command(make.strip()) == 0
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "seldfuse"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seldfuse "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    subprocess.run(["bash", "-c", loop], check=True)
    assert len(list(tmp_path.glob("out/**/*.json"))) == 4
    assert len(list(tmp_path.glob("out/manifest-?-of-2.jsonl"))) == 2
    assert type_command(join.strip()) == 0, capsys.readouterr().err
    (manifest,) = tmp_path.glob("out/*.jsonl")
    assert manifest.name == "manifest.jsonl"
    assert sum("clip" in json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()) == 4
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    assert type_command(array.splitlines()[-1]) == 0


@pytest.mark.parametrize("page", PAGES)
def test_python_is_run_or_says_why_not(page: str) -> None:
    waiting = [block for block in find_blocks(page) if block.language == "python" and block.reason is None]
    if waiting and page not in (*FROM_NOTHING, *PYTHON_HERE):
        assert page in TESTED
        assert Path(page).name in (ROOT / TESTED[page]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_toml_can_be_read(page: str) -> None:
    for block in find_blocks(page):
        if block.language == "toml":
            assert tomllib.loads(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_is_known_here(page: str) -> None:
    assert {block.language for block in find_blocks(page)} <= {"", "bash", "console", "python", "toml"}
    assert all(block.reason is None or len(block.reason) > 10 for block in find_blocks(page))
