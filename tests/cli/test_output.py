"""What is refused before anything is written, and what is printed."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import typer

from seldfuse import Events, Posterior, Result
from seldfuse.cli.output import OutputWriter
from seldfuse.core.azimuth_text import format_azimuth
from seldfuse.errors import MediaError, UsageError
from seldfuse.sdk import Writer
from seldfuse.testing import registry_with


def test_two_formats_that_would_write_one_file_are_refused(tmp_path: Path) -> None:
    twin = Writer(name="twin", api_version=2, summary="a twin", write="acme:write", suffix=".json")
    with pytest.raises(UsageError, match=r"the formats json and twin would write the same file, NAME\.json"):
        OutputWriter(tmp_path, "json,twin", {"activity"}, registry_with(twin), as_json=False)


def make_result(name: str = "talk", events: int = 50) -> Result:
    """A result with an event of one frame in every second one."""
    table = pd.DataFrame({"frame": np.arange(events) * 2, "cls": 3, "azimuth_deg": 30.0, "distance_m": 1.0})
    posterior = Posterior(torch.zeros(1, 2 * events, 13, 1))
    # By name: what else a result holds is nothing that is printed.
    table_events = Events(table)
    given = {"name": name, "events": table_events, "frames": table_events, "posterior": posterior}
    given |= {
        "uncorrected": posterior,
        "members": {"sce": posterior},
        "duration_s": 0.2 * events,
        "fusion": "mean",
        "device": "cpu",
    }
    return Result(**given)


def make_output(folder: Path, as_json: bool = False, **options: Any) -> OutputWriter:
    return OutputWriter(folder, "json", {"activity"}, registry_with(), as_json, **options)


def test_a_long_table_ends_and_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = make_output(tmp_path)
    output.write_result(make_result())
    shown = capsys.readouterr().out
    assert shown.count("30° left") == 40
    assert shown.endswith(f"\n… and 10 more in {tmp_path / 'talk.json'}\n")
    output.write_result(make_result("short", 40))
    assert "more in" not in capsys.readouterr().out


def test_what_is_there_is_shown_like_what_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = make_output(tmp_path)
    output.write_result(make_result(events=3))
    new = capsys.readouterr().out
    again = make_output(tmp_path)
    again.add_skipped("talk", [tmp_path / "talk.csv", tmp_path / "talk.json"])
    again.finish()
    shown = capsys.readouterr()
    assert shown.out == new
    assert shown.err == "note: 1 clip was there already; --overwrite redoes it\n"


def test_quiet_prints_errors_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = make_output(tmp_path, quiet=True)
    output.write_result(make_result())
    output.add_failure("other", MediaError("cut short"))
    with pytest.raises(typer.Exit):
        output.finish("10 s of sound in 1 s")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: other: cut short\nerror: 1 clip failed:\n  other: cut short\n"


def test_a_single_failure_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = make_output(tmp_path)
    output.add_failure("talk", MediaError("cut short"))
    with pytest.raises(typer.Exit):
        output.finish()
    assert capsys.readouterr().err.count("cut short") == 1


def test_frames_are_printed_where_they_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for frames in (False, True):
        output = make_output(tmp_path, as_json=True, frames=frames)
        output.write_result(make_result())
        output.finish()
        (document,) = json.loads(capsys.readouterr().out)["results"]
        assert ("frames" in document) == frames
        assert len(document["events"]) == 50
    assert "frames" in json.loads((tmp_path / "talk.json").read_text())
    with pytest.raises(UsageError, match="--frames is about what --json prints"):
        make_output(tmp_path, frames=True)


@pytest.mark.parametrize(
    ("azimuth_deg", "text"), [(30.4, "30° left"), (-12.0, "12° right"), (0.3, "front"), (math.nan, "–")]
)
def test_tables_have_sides_and_no_signs(azimuth_deg: float, text: str) -> None:
    assert format_azimuth(azimuth_deg) == text
