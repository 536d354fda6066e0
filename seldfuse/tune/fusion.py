"""Cross-validation of what to fit: which settings of fusion score higher on recordings that were not fitted to."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from seldfuse.catalogue.values import Score
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.settings import PRESETS
from seldfuse.metrics.counts import Counts
from seldfuse.metrics.jackknife import Interval, compare_systems, compute_intervals
from seldfuse.metrics.registered import orient
from seldfuse.tune.counting import count_posteriors
from seldfuse.tune.fit import Objective, PooledMembers, fit_all, fit_members, fit_pooled, pool_all, pool_if_changed
from seldfuse.tune.tuning_data import TuningData

CANDIDATES: Sequence[tuple[str, ...]] = (
    (),
    ("decoding",),
    ("weights", "decoding"),
    ("calibration", "decoding"),
    ("calibration", "weights", "decoding"),
    ("smoothing", "decoding"),
)
"""What is fitted together beside uncertainty; the best of them in cross-validation is taken."""

FEWEST_RECORDINGS = 20
COMPARED_CLIPS = 1000
"""Candidates are compared on so many clips; of more, whole recordings are drawn. What is best is fitted to all."""
SEED = 7


@dataclass(frozen=True)
class FitCandidate:
    """What was fitted, and its score: on recordings not fitted to, on those fitted to, and the first less the
    preset's, below 0 where lower is better and it is better."""

    parts: tuple[str, ...]
    cross_validated: Interval
    resubstituted: float
    gain: Interval


@dataclass(frozen=True)
class CandidateTrial:
    """A candidate, and the posterior and counts of each clip by settings not fitted to its recording."""

    candidate: FitCandidate
    settings: FusionSettings
    posterior: Posterior
    counts: Counts


@dataclass(frozen=True)
class TuneResult:
    """The settings to use, fitted to all clips; those of the preset with fitted uncertainty where nothing was better.

    `starts` holds the score of each preset and way to combine, of which nothing is fitted. Candidates begin with the
    best of them, `start`. All were compared on the clips of `compared`; `winner` is the best.
    """

    settings: FusionSettings
    preset: Interval
    starts: Sequence[tuple[str, str, float]]
    start: FusionSettings
    compared: TuningData
    candidates: Sequence[FitCandidate]
    winner: CandidateTrial


def tune_fusion(
    data: TuningData,
    base: FusionSettings,
    objective: Objective = Objective(),  # noqa: B008 - it is frozen
    folds: int = 5,
    note: Callable[[str], None] = lambda _: None,
) -> TuneResult:
    """Fit each candidate, cross-validated by recording, and take the best. `note` is called with what is being fitted.

    Raises UsageError where there are too few recordings, or no member has what the score needs.
    """
    recordings = int(data.recording.max()) + 1
    if recordings < max(FEWEST_RECORDINGS, folds):
        raise UsageError(
            f"expected at least {max(FEWEST_RECORDINGS, folds)} recordings to fit on and to cross-validate by, "
            f"got {recordings}; fewer would fit their own chances"
        )
    some = data.sample_clips(COMPARED_CLIPS, SEED)
    note("nothing: which preset, and how to combine")
    plain = _plain(some, base, objective)
    name = objective.score.name
    starts = [(*kind, compute_intervals(counts)[name].value) for kind, counts in plain.items()]
    preset, combine, value = max(starts, key=lambda start: orient(objective.score, start[2]))
    if math.isnan(value):
        raise UsageError(_describe_unknown(objective.score))
    start, before = replace(base, preset=preset, combine=combine), plain[base.preset, base.combine]
    pooled, trials = PooledMembers.from_members(some, start, objective), []
    for parts in CANDIDATES:
        note(" and ".join(parts) or "uncertainty alone")
        trials.append(_trial(pooled, before, parts, folds))
    candidates = [trial.candidate for trial in trials]
    winner = max(trials, key=lambda trial: orient(objective.score, trial.candidate.cross_validated.value))
    if orient(objective.score, winner.candidate.gain.value) <= 0:
        start, winner = base, _trial(PooledMembers.from_members(some, base, objective), before, (), folds)
    settings = winner.settings
    if len(some) < len(data):
        note("the best of these to all clips")
        settings, _ = fit_all(data, start, winner.candidate.parts, objective)
    return TuneResult(settings, compute_intervals(before)[name], starts, start, some, candidates, winner)


NEEDED = {"azimuth": "direction", "distance": "distance", "onscreen": "on-screen"}
"""What users call the fields that a score needs."""


def _describe_unknown(score: Score) -> str:
    *others, last = [NEEDED[field] for field in score.needs] or ["events"]
    fields = f"{', '.join(others)} or {last}" if others else last
    return f"{score.name} needs what no member, or no label, has: {fields}; add a member that has it"


def _plain(data: TuningData, base: FusionSettings, objective: Objective) -> dict[tuple[str, str], Counts]:
    """Counts by each preset and each way to combine as they are, no frame of which was fitted to."""
    found = {}
    for preset, combine in product(PRESETS, COMBINERS):
        settings = replace(base, preset=preset, combine=combine)
        pooled = pool_all(data, settings)[0]
        found[preset, combine] = count_posteriors(data.references, pooled, settings.decode, objective.mode)
    return found


def _trial(start: PooledMembers, before: Counts, parts: tuple[str, ...], folds: int) -> CandidateTrial:
    """Fit `parts` to what was pooled as it is, fold by fold and to all; the gain is that over `before`."""
    data, objective = start.data, start.objective
    posterior, counts = cross_validate(start, parts, folds)
    settings, resubstituted = fit_all(data, start.settings, parts, objective, start)
    again = count_posteriors(data.references, resubstituted, settings.decode, objective.mode)
    name = objective.score.name
    score, gain = compute_intervals(counts)[name], compare_systems(counts, before)[name]
    return CandidateTrial(
        FitCandidate(parts, score, compute_intervals(again)[name].value, gain), settings, posterior, counts
    )


def cross_validate(start: PooledMembers, parts: tuple[str, ...], folds: int) -> tuple[Posterior, Counts]:
    """Compute posterior and counts of each clip once `parts` are fitted to the folds without its recording."""
    data, objective = start.data, start.objective
    fold = assign_folds(data.recording, folds)
    counts, held_out, held_out_clips = [], [], []
    for number in range(folds):
        train = fold != number
        pooled = pool_if_changed(start, fit_members(data, start.settings, parts, train))
        settings, posterior = fit_pooled(data, pooled, parts, objective, train)
        held_out.append(posterior.map(lambda value, train=train: value[~train]))
        held_out_clips.append((~train).nonzero().squeeze(1))
        references = [data.references[clip] for clip in held_out_clips[-1].tolist()]
        counts.append(count_posteriors(references, held_out[-1], settings.decode, objective.mode))
    order = torch.cat(held_out_clips).argsort()
    joined = Counts.concat(counts).map(lambda count: count[order.numpy()])
    return Posterior.concat(held_out).map(lambda value: value[order]), joined


def assign_folds(recording: Int[Tensor, "clip"], folds: int) -> Int[Tensor, "clip"]:
    """Assign a fold to each clip, the same to all clips of a recording, with nearly as many recordings in each."""
    recordings = int(recording.max()) + 1
    order = np.random.default_rng(SEED).permutation(recordings)
    return torch.from_numpy(order % folds)[recording]
