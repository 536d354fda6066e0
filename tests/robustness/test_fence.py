"""Whatever a plugin does, the run ends with a sentence that names it, and everything else is as it was."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import misbehaving
import pytest
import torch
from worlds import call, noise

from seldfuse.catalogue.host import load_registry
from seldfuse.media.encode import write_wav

ENDING = ("exit", "base", "generator", "interrupt", "recursion", "memory", "mute", "escape")
CHANGING = ("folder", "mask", "dtype", "threads", "stdout", "close", "print", "limit")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with a recording, where the plugin is installed."""
    place = tmp_path / "site"
    info = place / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seldfuse]\nacme = misbehaving\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "a.wav", noise(1.0))
    load_registry.cache_clear()
    yield tmp_path
    load_registry.cache_clear()


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run with the plugin, which does something; return what stderr says."""

    def run(does: str, code: int, *more: str) -> str:
        monkeypatch.setattr(misbehaving, "DOES", does)
        options = ("--backends", "acme", "--device", "cpu", "--formats", "json,acme-writer", "-o", "o")
        assert call("run", "a.wav", *options, *more) == code
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert not [one for one in said if one != "\n" and not one.isprintable()]
        return said

    return run


@pytest.mark.parametrize("what", ENDING)
@pytest.mark.parametrize("stage", ["load", "feature", "infer", "write"])
def test_whatever_a_plugin_raises_names_it(run, stage: str, what: str) -> None:
    if stage != "infer" and what not in ("exit", "interrupt"):
        pytest.skip("the same fence")
    said = run(f"{stage}:{what}", 3)
    assert "acme" in said
    assert not Path("o/a.acme").exists()
    assert not Path("o/a.json").exists()


@pytest.mark.parametrize("what", CHANGING)
@pytest.mark.parametrize("stage", ["load", "infer", "write"])
def test_what_a_plugin_changes_of_the_process_is_put_back(run, stage: str, what: str) -> None:
    if stage == "write" and what != "folder":
        pytest.skip("the same fence")
    before = (os.getcwd(), torch.get_num_threads(), torch.get_default_dtype(), sys.getrecursionlimit(), sys.stdout)
    run(f"{stage}:{what}", 0)
    mask = os.umask(0o022)
    os.umask(mask)
    assert mask != 0o777
    after = (os.getcwd(), torch.get_num_threads(), torch.get_default_dtype(), sys.getrecursionlimit(), sys.stdout)
    assert before == after
    assert Path("o/a.json").stat().st_size
    assert Path("o/a.acme").read_text() == "well\n"


@pytest.mark.parametrize("given", misbehaving.GIVES)
def test_what_cannot_be_is_refused(run, given: str) -> None:
    assert "acme" in run(f"give:{given}", 3, "--save-posteriors")
    assert not Path("o/a.json").exists()


@pytest.mark.parametrize("does", ["encoders:number", "feature:none", "feature:in-place", "give:in-place"])
def test_what_others_share_and_ask_is_checked(run, does: str) -> None:
    assert "acme" in run(does, 3)


def test_a_writer_that_writes_nothing_or_half_leaves_an_earlier_file_as_it_was(run) -> None:
    run(":", 0)
    for does in ("write:nothing", "write:half"):
        assert "acme-writer" in run(does, 3, "--overwrite")
        assert Path("o/a.acme").read_text() == "well\n"
        assert sorted(path.name for path in Path("o").iterdir()) == ["a.acme", "a.json", "manifest.jsonl"]


def test_a_writer_gets_a_copy(run) -> None:
    run("write:in-place", 0, "--formats", "acme-writer,json")
    (event,) = json.loads(Path("o/a.json").read_text())["events"]
    assert event["distance_m"] == 2.0


def test_what_a_plugin_prints_does_not_spoil_json(run, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(misbehaving, "DOES", "infer:print")
    assert call("run", "a.wav", "--backends", "acme", "--device", "cpu", "--formats", "json", "-o", "o", "--json") == 0
    assert json.loads(capsys.readouterr().out)["results"]


@pytest.mark.parametrize(
    ("metadata", "points"),
    [
        ("Metadata-Version: 2.1\n", "[seldfuse]\nodd = nowhere_at_all\n"),
        (None, "[seldfuse]\nodd = nowhere_at_all\n"),
        ("Metadata-Version: 2.1\nName: odd\n", "[seldfuse]\nthis is = no entry [ point\n"),
        ("Metadata-Version: 2.1\nName: odd\n", "seldfuse = without a section\n"),
        ("\x00\xff", "\xff[seldfuse]\n"),
    ],
)
def test_a_broken_installation_stops_nothing(folder: Path, metadata: str | None, points: str, capsys) -> None:
    info = folder / "site" / "odd-1.0.dist-info"
    info.mkdir()
    if metadata is not None:
        (info / "METADATA").write_bytes(metadata.encode("latin-1"))
    (info / "entry_points.txt").write_bytes(points.encode("latin-1"))
    load_registry.cache_clear()
    assert call("plugins") == 0
    assert "doa" in capsys.readouterr().out
    assert "acme" in load_registry().backends


@pytest.mark.parametrize("what", ["base", "generator", "exit"])
def test_a_plugin_that_fails_in_a_hook_is_listed_as_failed(folder, what: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(misbehaving, "DOES", f"hook:{what}")
    load_registry.cache_clear()
    assert call("plugins") == 0
    assert "failed" in capsys.readouterr().out
