"""What the scores are made of, counted per clip and class.

In every frame and class, reference and predicted sources are paired by azimuth; pairs have errors, the rest are misses
and false alarms (DCASE 2025 Challenge, Task 3, the metric F20°/1 and its kin).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.catalogue.values import Score
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import PluginError
from seldfuse.metrics.f_scores import find_hits
from seldfuse.metrics.matches import Matches, Mode, find_matches
from seldfuse.metrics.pairs import PairErrors
from seldfuse.metrics.registered import call_score, check_shape, list_scores
from seldfuse.metrics.rows import EventRows, Scene


@dataclass(frozen=True)
class Counts:
    """Counts and sums over frames. They add up over clips, so a set without one clip is a subtraction.

    `hits` maps the name of each F score to its number of pairs within limits. `sums` maps `known_azimuth`,
    `known_distance` and `known_onscreen` to the number of pairs of which both sides state the quantity, and whatever
    the other scores count to its sum over pairs. `scores` are those that were counted for, `mode` is how.
    """

    pairs: Float64[np.ndarray, "*set cls"]
    false_alarms: Float64[np.ndarray, "*set cls"]
    misses: Float64[np.ndarray, "*set cls"]
    hits: Mapping[str, Float64[np.ndarray, "*set cls"]]
    sums: Mapping[str, Float64[np.ndarray, "*set cls"]]
    scores: tuple[Score, ...] = ()
    mode: Mode = "official"

    @property
    def present(self) -> Bool[np.ndarray, "*set cls"]:
        """Mark the classes that the reference has or the system says."""
        return np.asarray(self.pairs + self.false_alarms + self.misses > 0)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Counts":
        """Apply a function to every array."""
        return replace(
            self,
            pairs=function(self.pairs),
            false_alarms=function(self.false_alarms),
            misses=function(self.misses),
            hits={name: function(count) for name, count in self.hits.items()},
            sums={name: function(count) for name, count in self.sums.items()},
        )

    def sum_clips(self) -> "Counts":
        """Sum over all clips: arrays of shape `cls`."""
        return self.map(lambda count: count.sum(axis=0))

    def leave_one_out(self) -> "Counts":
        """Sum over all clips but one, for every clip: arrays of shape `clip cls`."""
        return self.map(lambda count: count.sum(axis=0) - count)

    def leave_group_out(self, group: Int64[np.ndarray, "clip cls"]) -> "Counts":
        """Sum over all clips without the cells of one group, for every group: arrays of shape `group cls`.

        `group` numbers the groups from 0.
        """
        classes = group.shape[1]
        slot, shape = group * classes + np.arange(classes), (int(group.max(initial=-1)) + 1, classes)

        def without(count: np.ndarray) -> np.ndarray:
            own = np.bincount(slot.ravel(), count.ravel(), minlength=shape[0] * classes).reshape(shape)
            return np.asarray(count.sum(axis=0) - own)

        return self.map(without)

    @classmethod
    def concat(cls, parts: Sequence["Counts"]) -> "Counts":
        """Join counts of shape `clip cls` of different clips, counted for the same scores."""
        first = parts[0]
        return cls(
            pairs=np.concatenate([part.pairs for part in parts]),
            false_alarms=np.concatenate([part.false_alarms for part in parts]),
            misses=np.concatenate([part.misses for part in parts]),
            hits={name: np.concatenate([part.hits[name] for part in parts]) for name in first.hits},
            sums={name: np.concatenate([part.sums[name] for part in parts]) for name in first.sums},
            scores=first.scores,
            mode=first.mode,
        )


def count_matches(
    references: Sequence[Scene],
    predictions: Sequence[Scene | None],
    labels: LabelSet = DCASE2025,
    mode: Mode = "official",
    scores: Sequence[Score] | None = None,
) -> Counts:
    """Count every clip and class, arrays of shape `clip cls`; `predictions[i]` belongs to `references[i]`.

    Sources are paired as `find_matches` does, in one of its modes; what is unknown passes no limit.

    What is counted is what the `scores` ask for, or else all of the catalogue. Raises ValueError where the two
    sequences differ in length, and PluginError where a score fails or gives a wrong shape.
    """
    return count_pairs(find_matches(references, predictions, labels, mode), scores)


def count_pairs(matches: Matches, scores: Sequence[Score] | None = None) -> Counts:
    """Count what the `scores` ask for, or else all of the catalogue, in sources that are paired already.

    Raises PluginError where a score fails or gives a wrong shape.
    """
    scores = list_scores() if scores is None else tuple(scores)
    truth, guess = matches.truth, matches.prediction
    errors = PairErrors.from_rows(truth, guess)
    return Counts(
        pairs=matches.sum_pairs(np.ones(len(truth.clip))),
        false_alarms=matches.false_alarms,
        misses=matches.misses,
        hits={
            score.name: matches.sum_pairs(find_hits(score.limits, errors))
            for score in scores
            if score.limits is not None
        },
        sums={name: matches.sum_pairs(weight) for name, weight in _summands(truth, guess, errors, scores).items()},
        scores=scores,
        mode=matches.mode,
    )


def _summands(
    truth: EventRows, guess: EventRows, errors: PairErrors, scores: Sequence[Score]
) -> dict[str, Float64[np.ndarray, "row"]]:
    """What every pair adds to each sum. Scores that share a function to count share its sums, too."""
    summands = {
        "known_azimuth": (~np.isnan(errors.azimuth_deg)).astype(np.float64),
        "known_distance": (~np.isnan(errors.distance_m)).astype(np.float64),
        "known_onscreen": (~np.isnan(truth.onscreen + guess.onscreen)).astype(np.float64),
    }
    for reference, score in {score.count: score for score in reversed(scores) if score.count is not None}.items():
        for name, values in _count_pairs(score, reference, truth, guess).items():
            if name in summands:
                raise PluginError(
                    f"the score {score.name!r} counts {name!r}, as another does; it must name its sums after itself"
                )
            summands[name] = values
    return summands


def _count_pairs(
    score: Score, reference: str, truth: EventRows, guess: EventRows
) -> dict[str, Float64[np.ndarray, "row"]]:
    counted = call_score(score, reference, truth, guess)
    if not isinstance(counted, Mapping):
        raise PluginError(
            f"the score {score.name!r} must count a mapping of names to arrays, got {type(counted).__name__}"
        )
    return {name: check_shape(score, f"{name!r}", values, truth.clip.shape) for name, values in counted.items()}
