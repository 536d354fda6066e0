"""The study of tuning, and the page that is made of it."""

import json
from dataclasses import replace

import pytest
from tuning_worlds import draw_data

from benchmarks.__main__ import DOCS, IMAGES, RESULTS
from benchmarks.pages import results
from benchmarks.pages import tuning as pages_tuning
from benchmarks.studies import tuning
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.calibrate import Calibration
from seldfuse.tune.explain import explain_ensemble
from seldfuse.tune.fit import Objective
from seldfuse.tune.fusion import tune_fusion


def test_tuned_fusion_is_scored_beside_the_presets_on_other_scenes() -> None:
    tuned = tune_fusion(draw_data(seed=0), FusionSettings(), folds=3)
    other = draw_data(seed=5)
    found = tuning.score_tuned(other, tuned, dict.fromkeys(other.members, Calibration(0.4)))
    assert set(found["scores"]) == {"mean", "nercslip", "tuned"}
    gain = found["gain"]["mean"]["f20_1"]
    assert gain["value"] == pytest.approx(
        found["scores"]["tuned"]["f20_1"]["value"] - found["scores"]["mean"]["f20_1"]["value"], abs=1e-4
    )
    assert gain["low"] > 0
    assert list(found["coverage"]["direction"]) == ["50", "80", "90", "95"]
    before, after = found["expected_error"]["fused"]
    assert after < before
    assert list(found["expected_error"]) == ["sharp", "blunt", "fused"]


def test_the_page_has_what_was_measured(tmp_path) -> None:
    data = draw_data(60)
    tuned = tune_fusion(data, FusionSettings(), folds=3)
    report = explain_ensemble(tuned, Objective(), 3, lambda _: None)
    scored = tuning.score_tuned(data, tuned, dict.fromkeys(data.members, Calibration()))
    found = tuning.to_document(tuned, report, {"other rooms": scored}) | {"ahead": tuning.ahead(data)}
    document = json.loads(json.dumps(found))
    text = pages_tuning.tables(document)
    scores = scored["scores"]["tuned"]["f20_1"]
    assert f"| other rooms | tuned | {scores['value']:.3f} (" in text
    chosen = ", ".join(tuned.winner.candidate.parts)
    assert f"| **{chosen}** |" in text
    pages_tuning.write_pictures(report, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tuning-members.svg", "tuning-reliability.svg"]
    alone = replace(report, loss={})
    assert tuning.to_document(tuned, alone, {})["loss"] == {}


def test_the_committed_page_is_that_of_the_committed_numbers() -> None:
    result = json.loads((RESULTS / "tuning.json").read_text(encoding="utf-8"))
    page = (DOCS / "tuning.md").read_text(encoding="utf-8")
    assert results.renew(page, pages_tuning.tables(result)) == page
    assert all((IMAGES / f"tuning-{name}").is_file() for name in pages_tuning.PICTURES)
