"""The study of what tuning is worth, and the page that is made of it."""

import json
from dataclasses import replace

import pytest
from tuning_worlds import material

from benchmarks.__main__ import DOCS, IMAGES, RESULTS
from benchmarks.pages import results
from benchmarks.pages import tuning as pages_tuning
from benchmarks.studies import tuning
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.calibrate import Calibration
from seldfuse.tune.explain import explain_ensemble
from seldfuse.tune.fit import Objective
from seldfuse.tune.fusion import tune_fusion


def test_tuned_fusion_is_judged_beside_the_presets_on_other_scenes() -> None:
    tuned = tune_fusion(material(seed=0), FusionSettings(), folds=3)
    other = material(seed=5)
    found = tuning.judged(other, tuned, dict.fromkeys(other.members, Calibration(0.4)))
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


def test_the_page_says_what_was_measured(tmp_path) -> None:
    given = material(60)
    tuned = tune_fusion(given, FusionSettings(), folds=3)
    worth = explain_ensemble(tuned, Objective(), 3, lambda _: None)
    judged = tuning.judged(given, tuned, dict.fromkeys(given.members, Calibration()))
    found = tuning.document(tuned, worth, {"other rooms": judged}) | {"ahead": tuning.ahead(given)}
    document = json.loads(json.dumps(found))
    text = pages_tuning.tables(document)
    scores = judged["scores"]["tuned"]["f20_1"]
    assert f"| other rooms | tuned | {scores['value']:.3f} (" in text
    chosen = ", ".join(tuned.winner.candidate.parts)
    assert f"| **{chosen}** |" in text
    pages_tuning.draw(worth, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tuning-members.svg", "tuning-reliability.svg"]
    alone = replace(worth, loss={})
    assert tuning.document(tuned, alone, {})["loss"] == {}


def test_the_committed_page_is_that_of_the_committed_numbers() -> None:
    result = json.loads((RESULTS / "tuning.json").read_text(encoding="utf-8"))
    page = (DOCS / "tuning.md").read_text(encoding="utf-8")
    assert results.renewed(page, pages_tuning.tables(result)) == page
    assert all((IMAGES / f"tuning-{name}").is_file() for name in pages_tuning.PICTURES)
