"""The scores of matched sources, and their skill and the scores of events when they are asked for."""

from collections.abc import Sequence
from functools import cached_property

from seldfuse.catalogue.values import Score
from seldfuse.metrics.counts import count_pairs
from seldfuse.metrics.event_matches import EventMatches
from seldfuse.metrics.event_scores import EventScores, compute_event_scores
from seldfuse.metrics.matches import Matches
from seldfuse.metrics.scores import Average, Scores, compute_scores
from seldfuse.metrics.skill import Skill, compute_skill


class EvaluatedScores(Scores):
    """Scores of matched sources; `skill` of the same pairs and `events`, of the same average, are computed when they
    are first read."""

    def __init__(
        self,
        matches: Matches,
        events: EventMatches,
        average: Average = "macro",
        scores: Sequence[Score] | None = None,
    ) -> None:
        """Compute the `scores`, or else all of the catalogue. Raises PluginError where one fails."""
        found = compute_scores(count_pairs(matches, scores), average)
        super().__init__(found, found.classes, found.higher_is_better)
        self._matches, self._events, self._average = matches, events, average

    @cached_property
    def skill(self) -> Skill:
        return compute_skill(self._matches, self._average)

    @cached_property
    def events(self) -> EventScores:
        return compute_event_scores(self._events, self._average)
