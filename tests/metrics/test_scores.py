"""Scores of the catalogue: what each states of itself is what is computed, and what breaks is named."""

import math
import pickle
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from third_party_scores import third_party_scores as third_party_scores

from seldfuse.catalogue.values import PairLimits, Score
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import PluginError
from seldfuse.metrics.counts import count_matches
from seldfuse.metrics.jackknife import compare_systems, compute_intervals
from seldfuse.metrics.registered import find_score, format_score, is_better, list_scores, make_heading
from seldfuse.metrics.scores import Scores, compute_scores, score_classes

BUNDLED = ["f20_1", "f20_1_on", "f20", "f1", "f20_03", "f03", "f_class", "doae_deg", "rde", "distance_error_m", "osa"]
TRUTH = np.array([[0, 0, 0, 10, 2, 1], [1, 0, 0, 10, 2, 1], [2, 3, 0, -40, 1, 0], [3, 3, 0, -40, 1, 0]], float)
PREDICTION = np.array([[0, 0, 0, 13, 2, 1], [1, 0, 0, 6, 2, 1], [2, 3, 0, -70, 3, 1]], float)


def score_of(**stated: Any) -> Score:
    given = {"name": "mine", "summary": "", "api_version": 2, "title": "Mine", "meaning": "", "higher_is_better": True}
    return Score(**{**given, **stated})


def measure(*scores: Score, average: str = "micro", mode: str = "strict") -> Scores:
    return compute_scores(count_matches([TRUTH], [PREDICTION], mode=mode, scores=scores), average)


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts functions where `acme:name` finds them."""

    def put(**given: Callable[..., Any]) -> None:
        module = ModuleType("acme")
        vars(module).update(given)
        monkeypatch.setitem(sys.modules, "acme", module)

    return put


def test_the_bundled_scores_come_from_the_catalogue_in_their_order() -> None:
    assert [score.name for score in list_scores()][: len(BUNDLED)] == BUNDLED
    lower = {score.name for score in list_scores() if not score.higher_is_better}
    assert lower >= {"doae_deg", "rde", "distance_error_m"}
    assert not lower & {"f20_1", "f20_1_on", "f20", "f1", "f20_03", "f03", "f_class", "osa"}
    assert (make_heading(find_score("doae_deg")), make_heading(find_score("F20-1"))) == ("DOAE (°)", "F20/1")


def test_scores_are_a_mapping_whose_names_are_attributes_too() -> None:
    found = compute_scores(count_matches([TRUTH], [PREDICTION], mode="strict"), "micro")
    assert list(found)[: len(BUNDLED)] == BUNDLED
    assert found["f20"] == found.f20 == pytest.approx(2 / 3.5)
    assert dict(found)["doae_deg"] == found.doae_deg == pytest.approx(37 / 3)
    assert found.higher_is_better["f20"]
    assert not found.higher_is_better["doae_deg"]
    assert found.classes["doae_deg"][3] == pytest.approx(30)
    with pytest.raises(AttributeError, match=r"there is no score 'f21'; there are f20_1, f20_1_on"):
        _ = found.f21
    again = pickle.loads(pickle.dumps(found))
    assert (again.f20, again.higher_is_better) == (found.f20, found.higher_is_better)


@pytest.mark.parametrize(
    ("limits", "hits"),
    [
        (PairLimits(), 3),
        (PairLimits(azimuth_deg=3.0), 1),
        (PairLimits(azimuth_deg=30.0), 3),
        (PairLimits(relative_distance=0.5), 2),
        (PairLimits(relative_distance=2.0), 3),
        (PairLimits(onscreen=True), 2),
    ],
)
def test_an_f_score_is_what_its_limits_say(limits: PairLimits, hits: int) -> None:
    assert measure(score_of(limits=limits)).mine == pytest.approx(hits / 3.5)


@pytest.mark.usefixtures("third_party_scores")
def test_a_plugins_score_is_computed_with_intervals_by_class_and_compared() -> None:
    counts = count_matches([TRUTH] * 3, [PREDICTION, PREDICTION[:2], TRUTH], mode="strict")
    found, bounds = compute_scores(counts, "micro"), compute_intervals(counts, "micro")
    assert list(found)[-2:] == ["acme_rms_deg", "acme_missed"]
    squares = np.array([9, 16, 900, 9, 16, 0, 0, 0, 0])
    assert found.acme_rms_deg == pytest.approx(math.sqrt(squares.mean()))
    assert found.acme_missed == pytest.approx(3 / 12)
    assert bounds["acme_missed"].low < found.acme_missed < bounds["acme_missed"].high
    assert found.classes["acme_missed"][[0, 3]].tolist() == [0, 0.5]
    assert not found.higher_is_better["acme_rms_deg"]
    assert compare_systems(counts, counts)["acme_rms_deg"].value == 0
    # Its classes that are nowhere are left out of the mean, as `absent_class` says.
    assert compute_scores(counts, "macro").acme_missed == pytest.approx(0.25)


@pytest.mark.usefixtures("third_party_scores")
def test_a_plugins_score_is_unknown_where_a_side_never_states_what_it_needs() -> None:
    deaf = PREDICTION.copy()
    deaf[:, 3] = np.nan
    found = compute_scores(count_matches([TRUTH], [deaf], mode="strict"))
    assert math.isnan(found.acme_rms_deg)
    assert not math.isnan(found.acme_missed)
    assert "acme_rms_deg" not in found.to_dict()


@pytest.mark.parametrize(
    ("mode", "absent", "expected"),
    [
        ("official", "zero", 2.0 / len(DCASE2025)),
        ("official", "skip", 1.0),
        ("strict", "zero", 1.0),
        ("strict", "skip", 1.0),
    ],
)
def test_a_class_that_is_nowhere_counts_as_counting_and_score_say(
    functions: Any, mode: str, absent: str, expected: float
) -> None:
    functions(one=lambda counts: np.where(counts.pairs > 0, 1.0, 0.0))
    found = measure(score_of(compute="acme:one", absent_class=absent), average="macro", mode=mode)
    assert found.mine == pytest.approx(expected)


def test_scores_that_count_by_one_function_share_its_sums(functions: Any) -> None:
    calls: list[int] = []

    def count(truth: Any, prediction: Any) -> Mapping[str, np.ndarray]:
        calls.append(len(truth.clip))
        return {"ones": np.ones(len(truth.clip))}

    functions(count=count, total=lambda counts: counts.sums["ones"])
    scores = [score_of(name=name, count="acme:count", compute="acme:total") for name in ("one", "other")]
    assert dict(measure(*scores)) == {"one": 3.0, "other": 3.0}
    assert calls == [3]


def _raise(*_: Any) -> None:
    raise KeyError("clip")


@pytest.mark.parametrize(
    ("count", "compute", "message"),
    [
        (_raise, None, r"the score 'mine' failed in acme:count \(KeyError: 'clip'\); update or uninstall the plugin"),
        (lambda truth, _: truth.clip, None, r"the score 'mine' must count a mapping of names to arrays, got ndarray"),
        (lambda *_: {"one": np.ones(7)}, None, r"the score 'mine' must give 'one' of shape \(3,\), got \(7,\)"),
        (lambda *_: {"one": "text"}, None, r"the score 'mine' must give numbers for 'one', got 'text'"),
        (lambda *_: {"known_azimuth": np.ones(3)}, None, r"the score 'mine' counts 'known_azimuth', as another does"),
        (None, _raise, r"the score 'mine' failed in acme:compute \(KeyError: 'clip'\)"),
        (None, lambda counts: counts.pairs.sum(), r"the score 'mine' must give its values of shape \(13,\), got \(\)"),
        (None, None, r"the score 'mine' must state `limits` or `compute`, and has neither"),
    ],
)
def test_a_score_that_breaks_its_promise_is_named(functions: Any, count: Any, compute: Any, message: str) -> None:
    functions(count=count, compute=compute)
    references = {"count": count and "acme:count", "compute": compute and "acme:compute"}
    counting = score_of(**references)
    with pytest.raises(PluginError, match=message):
        score_classes(count_matches([TRUTH], [PREDICTION], mode="strict", scores=[counting]).sum_clips())


def test_which_of_two_values_is_better_depends_on_the_score() -> None:
    high, low = score_of(), score_of(higher_is_better=False)
    assert is_better(high, 0.5, 0.4)
    assert not is_better(low, 0.5, 0.4)
    assert is_better(low, 0.3, 0.4)
    for score in (high, low):
        assert not is_better(score, 0.4, 0.4)
        assert is_better(score, 0.4, math.nan)
        assert not is_better(score, math.nan, 0.4)
        assert not is_better(score, math.nan, math.nan)


def test_numbers_have_the_digits_of_the_score() -> None:
    assert format_score(score_of(digits=1), 12.34) == "12.3"
    assert format_score(score_of(digits=2), 0.5, "+") == "+0.50"
    assert format_score(score_of(), math.nan) == "–"
