"""The scores of matched sources, and what else is known of them: skill, scores of events, intervals, where they err."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from seldfuse.catalogue.values import Score
from seldfuse.core.by_name import import_by_name
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.metrics.counts import count_pairs
from seldfuse.metrics.event_matches import EventMatches
from seldfuse.metrics.event_scores import EventScores, compute_event_scores
from seldfuse.metrics.jackknife import Interval, compute_intervals, estimate_interval
from seldfuse.metrics.matches import Matches
from seldfuse.metrics.reliability import ReliabilityBins
from seldfuse.metrics.scores import Average, Scores, compute_scores, score_classes
from seldfuse.metrics.skill import Skill, compute_skill

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ALL = "all"
"""Stands for all classes together in a table of scores."""


def _unknown() -> None:
    return None


class EvaluatedScores(Scores):
    """Scores of matched sources; what else can be said of them is computed when it is first read.

    `skill` is of the same pairs, and `events` of the same average. `reliability` is of the stated probabilities, and
    `rt60_s` has the reverberation time of each clip; both are None where they are unknown. `notes` say what was assumed
    of what was read.
    """

    def __init__(
        self,
        matches: Matches,
        events: EventMatches,
        average: Average = "macro",
        scores: Sequence[Score] | None = None,
        labels: LabelSet = DCASE2025,
        read_reliability: Callable[[], ReliabilityBins | None] = _unknown,
        read_rt60_s: Callable[[], Float64[np.ndarray, "clip"] | None] = _unknown,
        notes: Sequence[str] = (),
    ) -> None:
        """Compute the `scores`, or else all of the catalogue. Raises PluginError where one fails."""
        self.counts = count_pairs(matches, scores)
        found = compute_scores(self.counts, average)
        super().__init__(found, found.classes, found.higher_is_better, found.coverage)
        self.notes = tuple(notes)
        self.matches, self.labels, self.average, self.scores = matches, labels, average, self.counts.scores
        self.event_matches = events
        self._read_reliability, self._read_rt60_s = read_reliability, read_rt60_s

    @cached_property
    def skill(self) -> Skill:
        return compute_skill(self.matches, self.average)

    @cached_property
    def events(self) -> EventScores:
        return compute_event_scores(self.event_matches, self.average)

    @cached_property
    def reliability(self) -> ReliabilityBins | None:
        return self._read_reliability()

    @cached_property
    def rt60_s(self) -> Float64[np.ndarray, "clip"] | None:
        return self._read_rt60_s()

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The interval of each score at a level of 95 %, by leaving out each clip in turn."""
        return compute_intervals(self.counts, self.average)

    @cached_property
    def class_intervals(self) -> dict[str, list[Interval]]:
        """The interval of each score for every class, likewise."""
        partial = score_classes(self.counts.leave_one_out())
        return {
            name: [estimate_interval(float(value), partial[name][:, cls]) for cls, value in enumerate(values)]
            for name, values in self.classes.items()
        }

    def to_dataframe(self) -> "pd.DataFrame":
        """Build a table with a row for each number: `kind` (frames, skill, events), `score`, `class` ("all" for their
        average), `value`, and `low` and `high`, its interval at a level of 95 %.

        >>> import numpy as np
        >>> from seldfuse.metrics.event_matches import EventMatches
        >>> from seldfuse.metrics.matches import find_matches
        >>> rows = [np.array([[0.0, 7, 0, 30, 2, 1]]), np.array([[0.0, 7, 0, -20, 1, 0]])]
        >>> matches, none = find_matches(rows, rows, mode="strict"), np.zeros((2, 13))
        >>> table = EvaluatedScores(matches, EventMatches(none, none, none)).to_dataframe()
        >>> table.set_index(["score", "class"]).loc[("f20_1", "door"), "value"]
        np.float64(1.0)
        """
        import pandas as pd

        rows = [self._row("frames", name, ALL, interval) for name, interval in self.intervals.items()]
        for name, intervals in self.class_intervals.items():
            pairs = zip(self.labels.names, intervals, strict=True)
            rows += [self._row("frames", name, label, interval) for label, interval in pairs]
        rows += [self._row("skill", name, ALL, interval) for name, interval in self.skill.values.items()]
        rows += [self._row("events", name, ALL, interval) for name, interval in self.events.values.items()]
        return pd.DataFrame(rows)

    def plot(self, score: str = "f20_1") -> "Figure":
        """Draw a score by class with intervals, the reliability of probabilities where known, and the errors over
        azimuth, distance and, where known, reverberation time. Raises UsageError without matplotlib, or for a score
        that there is not.
        """
        figure: Figure = import_by_name("seldfuse.plots.scores:plot_scores")(self, score)
        return figure

    @staticmethod
    def _row(kind: str, name: str, label: str, interval: Interval) -> dict[str, Any]:
        bounds = {"value": interval.value, "low": interval.low, "high": interval.high}
        return {"kind": kind, "score": name, "class": label, **bounds}
