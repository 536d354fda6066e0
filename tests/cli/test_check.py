"""`seldfuse check` on folders: what it prints, and when it ends with 1."""

import json
from pathlib import Path

import numpy as np
import pytest
from worlds import call

from benchmarks.studies.faults import RawClip, draw_panned_set
from seldfuse.formats.label_layouts import ROW
from seldfuse.media.encode import write_wav

AZIMUTH = ROW.index("azimuth")


def write_labels(folder: Path, clips: list[RawClip], sign: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    for clip in clips:
        rows = clip.rows * [1, 1, 1, sign, 100, 1]
        lines = [",".join(ROW), *(",".join(f"{value:.0f}" for value in row) for row in rows)]
        (folder / f"{clip.name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_set(folder: Path, sign: int = 1) -> Path:
    clips = draw_panned_set(np.random.default_rng(3), 8)
    write_labels(folder, clips, sign)
    for clip in clips:
        write_wav(folder / f"{clip.name}.wav", clip.samples)
    return folder


def check(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict]:
    code = call("check", str(folder), "--json", *options)
    return code, json.loads(capsys.readouterr().out)


def test_a_clean_set_passes_and_a_mirrored_one_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = check(write_set(tmp_path / "right"), capsys)
    assert (code, report["clips"], report["clips_heard"], report["not_made"]) == (0, 8, 8, [])
    mirrored = write_set(tmp_path / "mirrored", -1)
    code, report = check(mirrored, capsys)
    errors = [one["reason"] for one in report["findings"] if one["severity"] == "error"]
    assert (code, errors) == (1, ["mirrored azimuth"])
    assert call("check", str(mirrored)) == 1
    printed = capsys.readouterr()
    assert "mirrored azimuth" in printed.out
    assert "8 clips: 1 error, " in printed.err
    assert call("train", "sce", "--data", str(mirrored), "-o", str(tmp_path / "run")) == 2
    assert "\n  mirrored azimuth: " in capsys.readouterr().err


def test_of_labels_alone_it_says_what_was_not_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = check(write_labels(tmp_path / "labels", draw_panned_set(np.random.default_rng(3), 8)), capsys)
    assert (code, report["clips"], report["clips_heard"]) == (0, 8, 0)
    assert report["not_made"][0].endswith("there is no sound beside the labels")


def test_a_label_file_that_cannot_be_read_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_set(tmp_path / "set")
    (folder / "clip0.csv").write_text(f"{','.join(ROW)}\n0,1,0,540,100,1\n")
    code, report = check(folder, capsys)
    assert (code, [one["reason"] for one in report["findings"]]) == (1, ["label file"])
    assert "for azimuth, got 540 in line 2" in report["findings"][0]["message"]


def test_a_folder_or_an_option_says_whose_ids_labels_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_labels(tmp_path / "labels", draw_panned_set(np.random.default_rng(3), 8))
    (tmp_path / "two.toml").write_text('classes = ["tone", "hiss"]\n')
    code, report = check(folder, capsys, "--labels", str(tmp_path / "two.toml"))
    assert (code, [one["reason"] for one in report["findings"]]) == (1, ["label file"])
    assert "0 to 1 (two)" in report["findings"][0]["message"]
    (folder / "labels.toml").write_text(f"classes = {[f'class {n}' for n in range(13)]}\n")
    (tmp_path / "two.toml").write_text('classes = ["class 3", "class 12", "hum"]\n')
    code, report = check(folder, capsys, "--labels", str(tmp_path / "two.toml"))
    absent = [one for one in report["findings"] if one["reason"] == "absent class"]
    assert (code, len(absent)) == (0, 0)
