"""Options that act on events alone or on frames, too, and scores of whole events."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from worlds import call

from seldfuse.core.azimuth_text import format_azimuth_range
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.posterior import Posterior

SPEECH, BELL = 0, 11


@pytest.fixture
def members(tmp_path: Path) -> Path:
    """A voice that pauses for three frames, and a bell of two frames."""
    activity = torch.zeros(1, 50, 13, 1)
    activity[0, 5:15, SPEECH] = activity[0, 18:30, SPEECH] = 0.9
    activity[0, 40:42, BELL] = 0.6
    place = direction_from_azimuth(torch.full_like(activity, 20.0))
    Posterior(activity, place, torch.ones_like(activity)).save(tmp_path / "sce" / "talk.safetensors")
    return tmp_path / "sce"


def fuse(members: Path, out: Path, *options: str) -> tuple[list[list[Any]], str]:
    """Class, begin and end of the events, and the CSV file."""
    assert call("fuse", str(members), "-o", str(out), *options) == 0
    events = json.loads((out / "talk.json").read_text())["events"]
    return [[event["class"], event["start_s"], event["end_s"]] for event in events], (out / "talk.csv").read_text()


def test_durations_and_gaps_act_on_events_and_a_threshold_on_frames_too(members: Path, tmp_path: Path) -> None:
    plain, frames = fuse(members, tmp_path / "plain")
    assert plain == [["female_speech", 0.5, 1.5], ["female_speech", 1.8, 3.0], ["bell", 4.0, 4.2]]
    limited, same = fuse(members, tmp_path / "limited", "--max-gap", "0.3", "--min-duration", "0.5")
    assert limited == [["female_speech", 0.5, 3.0]]
    assert same == frames
    louder, fewer = fuse(members, tmp_path / "louder", "--threshold", "0.7")
    assert louder == plain[:2]
    assert len(fewer.splitlines()) == len(frames.splitlines()) - 2


def test_a_fusion_file_has_the_same_settings(members: Path, tmp_path: Path) -> None:
    (tmp_path / "fusion.toml").write_text("[events]\nmax_gap_s = 0.3\nmin_duration_s = { bell = 0.1, default = 0.5 }\n")
    events, _ = fuse(members, tmp_path / "out", "--fusion", str(tmp_path / "fusion.toml"))
    assert events == [["female_speech", 0.5, 3.0], ["bell", 4.0, 4.2]]


def test_eval_scores_the_events_of_json_files_and_else_stretches_of_frames(
    members: Path, tmp_path: Path, capsys: Any
) -> None:
    fuse(members, tmp_path / "frames", "--max-gap", "0.3")
    fuse(members, tmp_path / "truth")
    capsys.readouterr()
    options = ("--mode", "strict", "--average", "micro", "--json")
    assert call("eval", str(tmp_path / "frames"), str(tmp_path / "truth"), *options) == 0
    printed = capsys.readouterr()
    assert "events are those of the JSON files" in printed.err
    events = json.loads(printed.out)["events"]
    assert (events["true"], events["predicted"]) == (3, 2)
    assert events["event_f"]["value"] == pytest.approx(2 / 5)
    assert events["event_count_error"]["value"] == 1.0
    assert events["classes"]["bell"] == {"event_f": pytest.approx(1.0), "true": 1, "predicted": 1}
    (tmp_path / "frames" / "talk.json").unlink()
    assert call("eval", str(tmp_path / "frames"), str(tmp_path / "truth"), *options) == 0
    assert json.loads(capsys.readouterr().out)["events"]["event_f"]["value"] == pytest.approx(1.0)
    (tmp_path / "frames" / "talk.json").write_text("{}")
    assert call("eval", str(tmp_path / "frames"), str(tmp_path / "truth"), "--against", str(tmp_path / "truth")) == 0
    printed = capsys.readouterr()
    assert "events are the uninterrupted stretches of the CSV files" in printed.err
    assert "event_count_error" in printed.out


@pytest.mark.parametrize(
    ("mean_deg", "low_deg", "high_deg", "shown"),
    [
        (20.0, 12.0, 31.0, "20° left"),
        (15.0, -10.0, 40.0, "40° left – 10° right"),
        (float("nan"), float("nan"), float("nan"), "–"),
    ],
)
def test_a_range_is_shown_where_an_event_moves(mean_deg: float, low_deg: float, high_deg: float, shown: str) -> None:
    assert format_azimuth_range(mean_deg, low_deg, high_deg) == shown
