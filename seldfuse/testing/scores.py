"""The contract of scores: perfect predictions are best, worse ones are not better, and clips add up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Score
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.registered import orient
from seldfuse.metrics.scores import compute_scores, score_classes
from seldfuse.testing.samples import tiny_result
from seldfuse.testing.values import find_value

MISTAKES = ("off", "wrong on-screen", "too few", "too many")
ROUNDING = 1e-9
"""F scores stay a little below 1, as they avoid a division by zero."""


class ScoreContract:
    """Tests of one score; a subclass sets `score` to its name, or to the value where it is not installed.

    Predictions get worse in four ways: azimuths and distances are off, the on-screen flag is wrong, events are missing,
    events are too many. At least one of them must make the score worse, and none may make it better.
    """

    score: ClassVar[str | Score]

    @property
    def value(self) -> Score:
        """Find the value under test."""
        return find_value(Score, self.score)

    def count(self, references: Sequence[Events], predictions: Sequence[Events]) -> Counts:
        """Count every row of every clip for this score alone."""
        return count_matches(references, predictions, mode="strict", scores=(self.value,))

    def compute(self, reference: Events, prediction: Events) -> float:
        """Compute the score of one clip, the mean over classes."""
        return compute_scores(self.count([reference], [prediction]))[self.value.name]

    def test_it_states_how_it_is_computed(self) -> None:
        value = self.value
        assert (value.limits is None) != (value.compute is None), "state either limits, for an F score, or compute"
        for reference in filter(None, (value.compute, value.count)):
            assert callable(load_reference(reference))

    def test_it_can_be_read_in_tables(self) -> None:
        assert self.value.title, "title is the heading of its column"
        assert self.value.meaning, "meaning explains it in one line"
        assert "\n" not in self.value.title + self.value.meaning
        assert self.value.digits >= 0

    def test_there_is_a_number_for_every_clip_and_class(self) -> None:
        truth = _make_events()
        found = score_classes(self.count([truth, truth, truth], [truth, truth, Events.empty()]))[self.value.name]
        expected = (3, len(DCASE2025))
        assert found.shape == expected, f"expected (clip, cls) = {expected}, got {found.shape}"
        assert score_classes(self.count([truth], [truth]).sum_clips())[self.value.name].shape == expected[1:]

    def test_perfect_predictions_are_a_number(self) -> None:
        value = self.compute(_make_events(), _make_events())
        assert np.isfinite(value), f"the score of perfect predictions is {value}"

    @pytest.mark.parametrize("worse", MISTAKES)
    def test_worse_predictions_are_not_better(self, worse: str) -> None:
        truth = _make_events()
        best, found = self.compute(truth, truth), self.compute(truth, _make_worse(truth, worse))
        assert np.isnan(found) or orient(self.value, found) <= orient(self.value, best) + ROUNDING, (
            f"predictions that are {worse} get {found:.4g}, perfect ones {best:.4g}; "
            f"is higher_is_better really {self.value.higher_is_better}?"
        )

    def test_some_mistake_makes_it_worse(self) -> None:
        truth = _make_events()
        best = self.compute(truth, truth)
        found = [self.compute(truth, _make_worse(truth, worse)) for worse in MISTAKES]
        assert any(orient(self.value, value) < orient(self.value, best) - ROUNDING for value in found), (
            f"perfect predictions get {best:.4g}, and so does whatever is wrong: {found}"
        )

    def test_clips_add_up(self) -> None:
        truth = _make_events()
        pairs = [(truth, truth), (truth, _make_worse(truth, "off")), (truth, _make_worse(truth, "too few"))]
        together = self.count(*zip(*pairs, strict=True)).sum_clips()
        parts = Counts.concat([self.count([one], [other]) for one, other in pairs]).sum_clips()
        np.testing.assert_allclose(
            score_classes(together)[self.value.name], score_classes(parts)[self.value.name], rtol=1e-9
        )

    def test_where_what_it_needs_is_never_stated_it_is_not_a_number(self) -> None:
        columns = {"azimuth": "azimuth_deg", "distance": "distance_m", "onscreen": "onscreen"}
        truth = _make_events()
        for needed in self.value.needs:
            silent = replace(truth, table=truth.table.assign(**{columns[needed]: np.nan}))
            found = self.compute(truth, silent)
            assert np.isnan(found), f"no prediction states the {needed}, which it needs, and the score is {found}"

    def test_clips_without_events_are_no_trouble(self) -> None:
        empty = Events.empty()
        found = score_classes(self.count([empty, _make_events()], [_make_events(), empty]))[self.value.name]
        assert not np.isinf(found).any(), "the score is infinite where reference or prediction is empty"


def _make_events() -> Events:
    return tiny_result().events


def _make_worse(truth: Events, worse: str) -> Events:
    table = truth.table
    if worse == "off":
        table = table.assign(azimuth_deg=table["azimuth_deg"] - 90.0, distance_m=4.0 * table["distance_m"])
    elif worse == "wrong on-screen":
        table = table.assign(onscreen=1.0 - table["onscreen"])
    elif worse == "too few":
        table = table.iloc[::2].reset_index(drop=True)
    else:
        table = pd.concat([table, table.assign(source=7 + table["source"])], ignore_index=True)
    return replace(truth, table=table)
