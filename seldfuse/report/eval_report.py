"""What the page of an evaluation shows: one system or two, and the clips it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from seldfuse.metrics.counts import Counts
from seldfuse.metrics.event_matches import EventMatches
from seldfuse.metrics.event_scores import EventScores
from seldfuse.metrics.jackknife import Interval
from seldfuse.metrics.matches import Matches
from seldfuse.metrics.scores import Average
from seldfuse.metrics.skill import Skill


@dataclass(frozen=True)
class EvaluatedSystem:
    """Everything that was counted and scored of one folder of predictions.

    `confusions` has a row for each true class and a column for each predicted one, and one more for nothing. `files`
    are the label files by name of clip.
    """

    folder: Path
    files: Mapping[str, Path]
    counts: Counts
    matches: Matches
    intervals: Mapping[str, Interval]
    skill: Skill
    events: EventScores
    event_matches: EventMatches
    confusions: Float64[np.ndarray, "true predicted"]

    @property
    def name(self) -> str:
        return self.folder.resolve().name


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation, with the differences to the second system where there are two.

    `clips` names the clips that `event_matches` counts, in its order; `differences` are by the names of scores, skill
    and scores of events.
    """

    mode: str
    average: Average
    labels: tuple[str, ...]
    clips: tuple[str, ...]
    reference: Path
    systems: tuple[EvaluatedSystem, ...]
    differences: Mapping[str, Interval]
