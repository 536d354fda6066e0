"""An output folder of version 0.1.0 with detections: what was seen in a clip is not looked at again."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from format1 import FOLDER, assert_same_rows, bring_manifest_up, copied, one_thread
from worlds import call

pytest.importorskip("onnxruntime", reason="movenet needs onnxruntime")

SEEN = FOLDER / "seen"
COMMAND = (
    *("run", "clip.mp4", "--backends", "sce@sce", "--post", "keypoint@movenet", "--fusion", "eager.toml"),
    *("--vision", "vision.toml", "--explain", "--save-posteriors", "--device", "cpu", "-o", "heard"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the command was typed."""
    found = copied("seen", tmp_path)
    monkeypatch.chdir(found)
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SELDFUSE_MOVENET", "movenet.onnx")
    with one_thread():
        yield found


def test_a_finished_clip_is_passed_over(folder: Path, capsys: Any) -> None:
    bring_manifest_up(folder / "heard" / "manifest.jsonl")
    before = {path: path.stat().st_mtime_ns for path in (folder / "heard").rglob("*")}
    assert call(*COMMAND) == 0
    assert "of sound in" not in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (folder / "heard").rglob("*")} == before


def test_what_was_seen_is_read_and_not_looked_at_again(folder: Path, capsys: Any) -> None:
    before = {path: path.read_bytes() for path in (folder / "heard" / "detections").rglob("*.*") if path.is_file()}
    assert len(before) == 2
    assert call(*COMMAND, "--overwrite") == 0
    said = capsys.readouterr().err
    assert "of sound in" in said
    assert "movenet got" not in said
    assert {path: path.read_bytes() for path in before} == before
    assert_same_rows(folder / "heard" / "clip.csv", SEEN / "heard" / "clip.csv", "frame", "class", "source")
    changes = "clip.changes.csv"
    assert_same_rows(folder / "heard" / changes, SEEN / "heard" / changes, "frame", "class", "track")


def test_without_what_was_seen_the_same_is_found(folder: Path, capsys: Any) -> None:
    shutil.rmtree(folder / "heard" / "detections")
    assert call(*COMMAND, "--overwrite") == 0
    assert "keypoint@movenet got 6 pictures" in capsys.readouterr().err
    changes = "clip.changes.csv"
    assert_same_rows(folder / "heard" / changes, SEEN / "heard" / changes, "frame", "class", "track")
