"""What `make fit` writes is what a run takes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tuning_worlds import draw_data

from benchmarks.pages import fit as pages_fit
from benchmarks.studies import fit
from seldfuse.fusion import DecodeSettings, FusionSettings
from seldfuse.fusion.fitted import choose_fusion, list_fitted
from seldfuse.inference.ensembles import BestEnsembles, EnsembleNames
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.tune.counting import count_posteriors


def test_all_fits_and_the_table_are_written_and_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backends = {
        name: SimpleNamespace(value=SimpleNamespace(needs_video=name == "blunt")) for name in ("sharp", "blunt")
    }
    registry = SimpleNamespace(backends=backends, find_backends=lambda text: text.split(","))

    def infer(_: DatasetSplit, names: list[str]) -> Any:
        data = draw_data(60)
        return type(data)({name: data.members[name] for name in names}, data.target, data.references, data.recording)

    monkeypatch.setattr(fit, "CALIBRATED", ("sharp", "blunt"))
    monkeypatch.setattr(fit, "SETS", (("sharp",), ("sharp", "blunt")))
    monkeypatch.setattr(fit, "FOLDS", 3)
    monkeypatch.setattr(fit, "load_registry", lambda: registry)
    monkeypatch.setattr(fit, "infer_tuning_data", infer)
    monkeypatch.setattr(fit, "find_clips", lambda _: [])
    monkeypatch.setattr(fit, "CRITERION_WITH_PICTURE", "f20_1")
    data = draw_data(60)
    both, detected = EnsembleNames("sharp,blunt"), EnsembleNames("sharp,blunt", "keypoint,gdino")
    seen = {
        names: count_posteriors(data.references, data.members[member], DecodeSettings())
        for names, member in ((both, "blunt"), (detected, "sharp"))
    }
    monkeypatch.setattr(fit, "count_with_pictures", lambda *_: seen)
    split, folder, best = DatasetSplit(tmp_path, "any"), tmp_path / "tuned", tmp_path / "best.toml"
    fit.write_ensembles(both, EnsembleNames("sharp"), best)
    found = fit.measure(split, split, tmp_path, lambda _: None, folder, best)

    assert list_fitted(folder) == [("blunt", "sharp"), ("sharp",)]
    assert choose_fusion("auto", {"a": "blunt", "b": "sharp"}, folder).fitted_for == ("blunt", "sharp")
    assert choose_fusion("auto", {"a": "blunt"}, folder).settings.calibration.keys() == {"a"}
    assert FusionSettings.read(folder / "sharp.toml").events != FusionSettings().events
    assert BestEnsembles.read(best) == BestEnsembles(picture=detected, sound=EnsembleNames("sharp"))
    assert [one["post"] for one in found["picture"]] == [detected.post, ""]
    assert [one["members"] for one in found["sets"]] == [["sharp"], ["sharp", "blunt"]]
    assert fit.table(found).row_count == 2
    assert [one["pictures"] for one in found["sets"]] == [False, True]
    assert "| sharp, blunt | 60, with pictures |" in pages_fit.tables(found)
    assert "| sharp,blunt | keypoint,gdino |" in pages_fit.tables(found)


def test_the_best_so_far_stays_unless_another_is_better_beyond_doubt() -> None:
    data = draw_data(60)
    names = {member: EnsembleNames(member) for member in ("sharp", "blunt")}
    counts = {names[one]: count_posteriors(data.references, data.members[one], DecodeSettings()) for one in names}
    for now in names.values():
        assert fit.choose_best(fit.rank_ensembles(counts, now, "f20_1"), now) == names["sharp"]
    alike = {EnsembleNames("copy"): counts[names["sharp"]], names["sharp"]: counts[names["sharp"]]}
    assert fit.choose_best(fit.rank_ensembles(alike, names["sharp"], "f20_1"), names["sharp"]) == names["sharp"]


def test_sets_are_scored_on_clips_that_they_were_not_fitted_to() -> None:
    data = draw_data(60)
    (one,) = fit.fit_sets(data, True, [("sharp", "blunt")], lambda _: None)
    seen, folds = torch.zeros(len(data)), list(fit.fit_without(data, one))
    for chosen, settings in folds:
        seen += chosen
        assert settings.uncertainty != one.settings.uncertainty
    assert len(folds) == fit.FOLDS
    assert (seen == 1).all()
