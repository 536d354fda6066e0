"""The report on an ensemble's members: what was put in is found."""

import json
from dataclasses import replace
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch
from tuning_worlds import draw_estimate, draw_target
from tuning_worlds import folders as folders
from worlds import call

from seldfuse.core.labels import DCASE2025
from seldfuse.fusion import FusionSettings, decode_frames
from seldfuse.tune.explain import EnsembleReport, explain_ensemble
from seldfuse.tune.fit import Objective
from seldfuse.tune.fusion import TuneResult, tune_fusion
from seldfuse.tune.tuning_data import TuningData


@pytest.fixture(scope="module")
def report() -> EnsembleReport:
    """Of three members: two that err alike, and one that errs by itself and knows class 0 best."""
    target = draw_target(90, 0)
    one = draw_estimate(target, 1, 12.0)
    like_one = replace(one, activity=(one.activity.logit(1e-4) + 0.3).sigmoid())
    other = draw_estimate(target, 2, 12.0)
    other.activity[:, :, 0] = 0.05 + 0.9 * target.activity[:, :, 0, :1]
    one.activity[:, :, 0] = torch.rand(one.activity[:, :, 0].shape, generator=torch.Generator().manual_seed(3))
    members = {"one": one, "like one": like_one, "other": other}
    data = TuningData(members, target, decode_frames(target), torch.arange(90))
    result: TuneResult = tune_fusion(data, FusionSettings(), folds=3)
    return explain_ensemble(result, Objective(), 3, lambda _: None)


def test_errors_of_like_members_correlate(report: EnsembleReport) -> None:
    assert report.members == ("one", "like one", "other")
    for field in ("activity", "direction"):
        matrix = np.array(report.correlation[field])
        assert np.diag(matrix) == pytest.approx(1.0)
        assert matrix == pytest.approx(matrix.T)
        assert matrix[0, 1] > matrix[0, 2] + 0.2


def test_a_member_that_others_repeat_is_missed_least(report: EnsembleReport) -> None:
    assert report.loss["other"].value > max(report.loss["one"].value, report.loss["like one"].value) + 0.02
    assert report.whole - report.without["other"] == pytest.approx(report.loss["other"].value)


def test_members_are_added_by_what_they_add(report: EnsembleReport) -> None:
    names, scores = zip(*report.growth, strict=True)
    assert sorted(names) == sorted(report.members)
    assert scores[0] == max(report.alone[name]["f20_1"] for name in report.members)
    assert scores[-1] == report.whole
    assert "other" in names[:2]


def test_the_best_member_of_a_class_is_found(report: EnsembleReport) -> None:
    first = report.by_class["f_class"][DCASE2025.names[0]]
    assert first["other"] > first["one"] + 0.2
    assert set(report.by_class) == {"f20_1", "f20", "f1", "f20_03", "f03", "f_class"}


def test_diagrams_show_before_and_after(report: EnsembleReport) -> None:
    assert list(report.diagrams) == ["one", "like one", "other", "fused"]
    before, after = report.diagrams["like one"]
    assert after.expected_error < before.expected_error
    assert sum(before.share) == pytest.approx(1.0, abs=1e-5)
    assert set(report.coverage["direction"]) == {"50", "80", "90", "95"}
    assert report.coverage["direction"]["80"] == pytest.approx(80, abs=5)


def test_what_a_member_does_not_predict_has_no_correlation() -> None:
    target = draw_target(45, 0)
    members = {
        "no distance": replace(draw_estimate(target, 1, 5.0), distance=None),
        "distance too": draw_estimate(target, 2, 5.0),
    }
    data = TuningData(members, target, decode_frames(target), torch.arange(45))
    found = explain_ensemble(tune_fusion(data, FusionSettings(), folds=3), Objective(), 3, lambda _: None)
    assert np.isnan(found.correlation["distance"][0][1])
    assert np.isnan(found.alone["no distance"]["f20_1"])
    assert [name for name, _ in found.growth] == ["distance too", "no distance"]


def test_the_command_writes_json_and_pictures(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folders / "why"
    members = [str(folders / "sharp"), str(folders / "blunt")]
    options = ["--reference", str(folders / "reference"), "-o", str(folders / "f.toml"), "--folds", "3"]
    assert call("tune", "fusion", *members, *options, "--explain", str(out)) == 0
    written = json.loads((out / "explain.json").read_text())
    assert written["members"] == ["blunt", "sharp"] or written["members"] == ["sharp", "blunt"]
    assert written["alone"]["sharp"]["f20_1"] > written["alone"]["blunt"]["f20_1"]
    for name in ("members.svg", "reliability.svg"):
        assert (out / name).read_text().startswith("<?xml")
    assert "cross-validated" in capsys.readouterr().out


def test_the_error_without_matplotlib_names_what_to_install(
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from seldfuse.tune import report

    real = util.find_spec
    monkeypatch.setattr(report, "find_spec", lambda name: None if name == "matplotlib" else real(name))
    options = ["--reference", str(folders / "reference"), "-o", str(folders / "f.toml")]
    assert call("tune", "fusion", str(folders / "sharp"), *options, "--explain", str(folders / "why")) == 2
    assert 'pip install "seldfuse[plots]"' in " ".join(capsys.readouterr().err.split())
    assert not (folders / "why").exists()
    assert not (folders / "f.toml").exists()


def test_a_member_alone_is_explained() -> None:
    target = draw_target(45, 0)
    data = TuningData({"one": draw_estimate(target, 1, 5.0)}, target, decode_frames(target), torch.arange(45))
    found = explain_ensemble(tune_fusion(data, FusionSettings(), folds=3), Objective(), 3, lambda _: None)
    assert found.without == {}
    assert [name for name, _ in found.growth] == ["one"]
