"""Event settings are fitted to whole events."""

import json
import tomllib
from pathlib import Path
from typing import Any

from tuning_worlds import draw_data
from tuning_worlds import folders as folders
from worlds import call

from seldfuse.fusion import EventSettings, FusionSettings
from seldfuse.tune.events import fit_events, with_fitted_events


def test_fitted_events_are_better_than_stretches_of_frames() -> None:
    data = draw_data(60)
    fit = fit_events(data, FusionSettings(), folds=2)
    frames, fitted = (scores.values for scores in (fit.frames, fit.cross_validated))
    assert fitted["event_f"].value > frames["event_f"].value + 0.1
    assert fitted["event_count_error"].value < frames["event_count_error"].value / 2
    assert fit.resubstituted.values["event_f"].value >= fit.default.values["event_f"].value
    assert fit.cross_validated.true.sum() == fit.frames.true.sum()
    assert with_fitted_events(data, FusionSettings()) == FusionSettings(events=fit.settings)


def test_the_command_writes_settings_that_fuse_takes(folders: Path, capsys: Any) -> None:
    members = [str(folders / name) for name in ("sharp", "blunt")]
    reference, out = str(folders / "reference"), folders / "fusion.toml"
    options = ("--reference", reference, "-o", str(out), "--folds", "2", "--json")
    assert call("tune", "events", *members, *options) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["events"] == tomllib.loads(out.read_text())["events"]
    assert FusionSettings.read(out).events != EventSettings()
    frames, fitted = (document["scores"][name] for name in ("stretches of active frames", "fitted, cross-validated"))
    assert fitted["event_f"]["value"] > frames["event_f"]["value"]
