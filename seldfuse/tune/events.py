"""What people are shown as an event, fitted to the events of the truth: few numbers, the same for all classes.

Whole events are few beside frames, a handful for a class in an hour, so that numbers by class would follow chance: on
scenes not fitted to they were no better. Thresholds that differ by class are those of frames, which were fitted to far
more (`seldfuse.tune.decoding`), scaled by one number for all, where that is better than one threshold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from seldfuse.core.class_values import ClassValues
from seldfuse.core.events import cut_segments
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, EventSettings, FusionSettings
from seldfuse.fusion.decode import to_columns
from seldfuse.fusion.events import to_event_columns
from seldfuse.metrics.event_matches import EventMatches, EventSpans, match_events
from seldfuse.metrics.event_scores import (
    EVENT_F,
    EventScores,
    compute_event_scores,
    count_events,
)
from seldfuse.metrics.scores import compute_scores
from seldfuse.tune.fit import CHUNK, pool_all
from seldfuse.tune.fusion import assign_folds
from seldfuse.tune.tuning_data import TuningData

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SHARES_OF_FRAMES = (0.7, 0.85, 1.0, 1.15, 1.3)
"""What the thresholds of frames are multiplied by."""
FINER = (-0.05, 0.05)
TRIED: Mapping[str, Sequence[float]] = {
    "offset_share": (0.4, 0.5, 0.6, 0.75, 0.9, 1.0),
    "split_log_odds": (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 20.0),
    "max_gap_s": (0.0, 0.1, 0.2, 0.3, 0.5),
    # What lasts one frame is as good as never an event.
    "min_duration_s": (0.2, 0.3, 0.4, 0.5),
    "jump_deg": (20.0, 30.0, 45.0, 60.0),
}
ROUNDS = 2

COUNT_WEIGHT = 0.1
"""What the F score is lowered by for each factor of e by which the number of events is off: of settings by which events
are found about equally well those are taken that give about as many as there are."""


@dataclass(frozen=True)
class EventFit:
    """Event settings and how good events are: as stretches of frames, by the defaults, and fitted.

    `cross_validated` is of settings that were not fitted to the recording, `resubstituted` of those that were.
    """

    settings: EventSettings
    frames: EventScores
    default: EventScores
    cross_validated: EventScores
    resubstituted: EventScores


def with_fitted_events(data: TuningData, settings: FusionSettings) -> FusionSettings:
    """Return settings of fusion with event settings fitted to all clips; nothing else changes."""
    trials = _Trials.from_data(data, settings)
    everything = np.ones(len(data), dtype=bool)
    return replace(settings, events=_descend(trials, everything))


def fit_events(
    data: TuningData, settings: FusionSettings, folds: int = 5, note: Callable[[str], None] = lambda _: None
) -> EventFit:
    """Fit event settings to the event-based F score, and cross-validate them by recording.

    `note` is called with what is being fitted.
    """
    trials = _Trials.from_data(data, settings)
    note("events")
    fitted = _descend(trials, np.ones(len(data), dtype=bool))
    fold = assign_folds(data.recording, folds).numpy()
    held_out = []
    for number in range(folds):
        note(f"events without fold {number + 1} of {folds}")
        held_out.append(trials.match(_descend(trials, fold != number)).take(fold == number))
    return EventFit(
        fitted,
        compute_event_scores(trials.match_frames()),
        compute_event_scores(trials.match(EventSettings())),
        compute_event_scores(EventMatches.concat(held_out)),
        compute_event_scores(trials.match(fitted)),
    )


@dataclass(frozen=True)
class _Trials:
    """The fused posterior of all clips, and what was found of each choice of settings so far."""

    posterior: Posterior
    frames: DecodeSettings
    truth: EventSpans
    found: dict[str, EventMatches] = field(default_factory=dict)

    @classmethod
    def from_data(cls, data: TuningData, settings: FusionSettings) -> "_Trials":
        posterior = settings.uncertainty.apply(*pool_all(data, settings))
        return cls(posterior, settings.decode, EventSpans.from_scenes(data.references, posterior.hop_s))

    def match(self, settings: EventSettings) -> EventMatches:
        """Match the events of all clips by some settings; nothing is found twice."""
        if (key := repr(settings)) not in self.found:
            self.found[key] = self._match(lambda part: to_event_columns(part, settings, self.frames))
        return self.found[key]

    def match_frames(self) -> EventMatches:
        """Match the uninterrupted stretches of active frames."""

        def list_frames(part: Posterior) -> tuple[dict[str, np.ndarray], np.ndarray]:
            columns, rows = to_columns(part, self.frames)
            return columns, np.repeat(np.arange(len(rows)), rows)

        return self._match(list_frames)

    def _match(self, decode: Callable[[Posterior], tuple[dict[str, np.ndarray], np.ndarray]]) -> EventMatches:
        clips, columns = len(self.posterior.activity), []
        for first in range(0, clips, CHUNK):
            part = self.posterior.map(lambda value, first=first: value[first : first + CHUNK])
            columns.append((*decode(part), first))
        joined = {name: np.concatenate([one[name] for one, _, _ in columns]) for name in columns[0][0]}
        clip = np.concatenate([clip + first for _, clip, first in columns])
        found = EventSpans.from_segments(cut_segments(joined, clip), self.posterior.hop_s)
        return match_events(self.truth, found, clips, len(self.posterior.labels))


def _descend(trials: _Trials, clips: Bool[np.ndarray, "clip"]) -> EventSettings:
    """Choose one number after the other, each the best beside the others as they are, to some of the clips."""
    best, settings = -np.inf, EventSettings()
    for _ in range(ROUNDS):
        before = settings
        for name in ("threshold", *TRIED):
            for value in _list_values(name, settings, trials):
                changed: dict[str, Any] = {name: value}
                tried = replace(settings, **changed)
                score = _rate(trials.match(tried).take(clips))
                if score > best:
                    best, settings = score, tried
        if settings == before:
            break
    return settings


def _list_values(name: str, settings: EventSettings, trials: _Trials) -> Sequence[ClassValues | None]:
    if name != "threshold":
        return TRIED[name]
    by_class = trials.frames.resolve_thresholds(trials.posterior.labels)[0]
    names = trials.posterior.labels.names
    scaled = [
        dict(zip(names, (round(value, 4) for value in (share * by_class).tolist()), strict=True))
        for share in SHARES_OF_FRAMES
    ]
    finer = [round(settings.threshold + step, 4) for step in FINER] if isinstance(settings.threshold, float) else []
    return [*THRESHOLDS, *finer, *(scaled if isinstance(trials.frames.threshold, Mapping) else [])]


def _rate(matches: EventMatches) -> float:
    """Rate by the F score, and by how many times too many or too few events there are in all."""
    f_score = compute_scores(count_events(matches), "macro")[EVENT_F.name]
    surplus = np.log((1.0 + matches.predicted.sum()) / (1.0 + matches.true.sum()))
    return float(f_score - COUNT_WEIGHT * abs(surplus))
