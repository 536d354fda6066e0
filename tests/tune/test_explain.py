"""What members are worth: what was put in is found."""

import json
from dataclasses import replace
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch
from tuning_worlds import folders as folders
from tuning_worlds import said_of, truth_of
from worlds import call

from seldfuse.core.labels import DCASE2025
from seldfuse.fusion import FusionSettings, decode_events
from seldfuse.tune.explain import EnsembleReport, explain_ensemble
from seldfuse.tune.fit import Objective
from seldfuse.tune.fusion import TuneResult, tune_fusion
from seldfuse.tune.tuning_data import TuningData


@pytest.fixture(scope="module")
def worth() -> EnsembleReport:
    """Of three members: two that err alike, and one that errs by itself and knows class 0 best."""
    truth = truth_of(90, 0)
    one = said_of(truth, 1, 12.0)
    like_one = replace(one, activity=(one.activity.logit(1e-4) + 0.3).sigmoid())
    other = said_of(truth, 2, 12.0)
    other.activity[:, :, 0] = 0.05 + 0.9 * truth.activity[:, :, 0, :1]
    one.activity[:, :, 0] = torch.rand(one.activity[:, :, 0].shape, generator=torch.Generator().manual_seed(3))
    members = {"one": one, "like one": like_one, "other": other}
    given = TuningData(members, truth, decode_events(truth), torch.arange(90))
    result: TuneResult = tune_fusion(given, FusionSettings(), folds=3)
    return explain_ensemble(result, Objective(), 3, lambda _: None)


def test_who_errs_alike_is_seen(worth: EnsembleReport) -> None:
    assert worth.members == ("one", "like one", "other")
    for field in ("activity", "direction"):
        matrix = np.array(worth.correlation[field])
        assert np.diag(matrix) == pytest.approx(1.0)
        assert matrix == pytest.approx(matrix.T)
        assert matrix[0, 1] > matrix[0, 2] + 0.2


def test_a_member_that_others_repeat_is_missed_least(worth: EnsembleReport) -> None:
    assert worth.loss["other"].value > max(worth.loss["one"].value, worth.loss["like one"].value) + 0.02
    assert worth.whole - worth.without["other"] == pytest.approx(worth.loss["other"].value)


def test_members_are_added_by_what_they_add(worth: EnsembleReport) -> None:
    names, scores = zip(*worth.growth, strict=True)
    assert sorted(names) == sorted(worth.members)
    assert scores[0] == max(worth.alone[name]["f20_1"] for name in worth.members)
    assert scores[-1] == worth.whole
    assert "other" in names[:2]


def test_the_winner_of_a_class_is_seen(worth: EnsembleReport) -> None:
    first = worth.by_class["f_class"][DCASE2025.names[0]]
    assert first["other"] > first["one"] + 0.2
    assert set(worth.by_class) == {"f20_1", "f20", "f1", "f_class"}


def test_diagrams_tell_before_and_after(worth: EnsembleReport) -> None:
    assert list(worth.diagrams) == ["one", "like one", "other", "fused"]
    before, after = worth.diagrams["like one"]
    assert after.expected_error < before.expected_error
    assert sum(before.share) == pytest.approx(1.0, abs=1e-5)
    assert set(worth.coverage["direction"]) == {"50", "80", "90", "95"}
    assert worth.coverage["direction"]["80"] == pytest.approx(80, abs=5)


def test_what_a_member_does_not_tell_is_no_correlation() -> None:
    truth = truth_of(45, 0)
    members = {"hears": replace(said_of(truth, 1, 5.0), distance=None), "tells": said_of(truth, 2, 5.0)}
    given = TuningData(members, truth, decode_events(truth), torch.arange(45))
    found = explain_ensemble(tune_fusion(given, FusionSettings(), folds=3), Objective(), 3, lambda _: None)
    assert np.isnan(found.correlation["distance"][0][1])
    assert np.isnan(found.alone["hears"]["f20_1"])
    assert [name for name, _ in found.growth] == ["tells", "hears"]


def test_the_command_writes_json_and_pictures(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folders / "why"
    members = [str(folders / "sharp"), str(folders / "blunt")]
    given = ["--reference", str(folders / "reference"), "-o", str(folders / "f.toml"), "--folds", "3"]
    assert call("tune", "fusion", *members, *given, "--explain", str(out)) == 0
    told = json.loads((out / "explain.json").read_text())
    assert told["members"] == ["blunt", "sharp"] or told["members"] == ["sharp", "blunt"]
    assert told["alone"]["sharp"]["f20_1"] > told["alone"]["blunt"]["f20_1"]
    for name in ("members.svg", "reliability.svg"):
        assert (out / name).read_text().startswith("<?xml")
    assert "cross-validated" in capsys.readouterr().out


def test_pictures_without_matplotlib_say_what_to_install(
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from seldfuse.tune import report

    real = util.find_spec
    monkeypatch.setattr(report, "find_spec", lambda name: None if name == "matplotlib" else real(name))
    given = ["--reference", str(folders / "reference"), "-o", str(folders / "f.toml")]
    assert call("tune", "fusion", str(folders / "sharp"), *given, "--explain", str(folders / "why")) == 2
    assert 'pip install "seldfuse[plots]"' in " ".join(capsys.readouterr().err.split())
    assert not (folders / "why").exists()
    assert not (folders / "f.toml").exists()


def test_a_member_alone_is_explained() -> None:
    truth = truth_of(45, 0)
    given = TuningData({"one": said_of(truth, 1, 5.0)}, truth, decode_events(truth), torch.arange(45))
    found = explain_ensemble(tune_fusion(given, FusionSettings(), folds=3), Objective(), 3, lambda _: None)
    assert found.without == {}
    assert [name for name, _ in found.growth] == ["one"]
