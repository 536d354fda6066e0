"""The scores of matched sources, and their skill when it is asked for."""

from collections.abc import Sequence
from functools import cached_property

from seldfuse.catalogue.values import Score
from seldfuse.metrics.counts import count_pairs
from seldfuse.metrics.matches import Matches
from seldfuse.metrics.scores import Average, Scores, compute_scores
from seldfuse.metrics.skill import Skill, compute_skill


class EvaluatedScores(Scores):
    """Scores of matched sources, with the `skill` of the same pairs and average, computed when it is first read."""

    def __init__(self, matches: Matches, average: Average = "macro", scores: Sequence[Score] | None = None) -> None:
        """Compute the `scores`, or else all of the catalogue. Raises PluginError where one fails."""
        found = compute_scores(count_pairs(matches, scores), average)
        super().__init__(found, found.classes, found.higher_is_better)
        self._matches, self._average = matches, average

    @cached_property
    def skill(self) -> Skill:
        return compute_skill(self._matches, self._average)
