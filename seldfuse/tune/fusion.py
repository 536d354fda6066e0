"""Which ways of fitting pay on recordings that they have not seen."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.settings import PRESETS
from seldfuse.metrics.counts import Counts
from seldfuse.metrics.jackknife import Interval, compare_systems, compute_intervals
from seldfuse.tune.counting import count_posteriors
from seldfuse.tune.fit import Objective, PooledMembers, fit, fit_all, fit_members, pool_all, pool_if_changed
from seldfuse.tune.tuning_data import TuningData

CANDIDATES: Sequence[tuple[str, ...]] = (
    (),
    ("decoding",),
    ("weights", "decoding"),
    ("calibration", "decoding"),
    ("calibration", "weights", "decoding"),
    ("smoothing", "decoding"),
)
"""What is fitted together beside the doubts; the best of them in cross-validation is taken."""

FEWEST_RECORDINGS = 20
COMPARED_CLIPS = 1000
"""Candidates are compared on so many clips; of more, whole recordings are drawn. What is best is fitted to all."""
SEED = 7


@dataclass(frozen=True)
class FitCandidate:
    """What was fitted, and its score: on recordings that the fit had not seen, on those it had, and how much more the
    first is than the preset's."""

    parts: tuple[str, ...]
    cross_validated: Interval
    resubstituted: float
    gain: Interval


@dataclass(frozen=True)
class CandidateTrial:
    """A candidate, and what each clip says, and counts, by the settings that have not seen its recording."""

    candidate: FitCandidate
    settings: FusionSettings
    said: Posterior
    counts: Counts


@dataclass(frozen=True)
class TuneResult:
    """The settings to use, fitted to all clips; those of the preset with fitted doubts where nothing was better.

    `starts` tells the score of each preset and way to combine, of which nothing is fitted. Candidates begin with the
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
    material: TuningData,
    base: FusionSettings,
    objective: Objective = Objective(),  # noqa: B008 - it is frozen
    folds: int = 5,
    watch: Callable[[str], None] = lambda _: None,
) -> TuneResult:
    """Fits each candidate, cross-validated by recording, and takes the best. `watch` hears what is being fitted.

    Raises UsageError where there are too few recordings to tell.
    """
    recordings = int(material.recording.max()) + 1
    if recordings < max(FEWEST_RECORDINGS, folds):
        raise UsageError(
            f"expected at least {max(FEWEST_RECORDINGS, folds)} recordings to fit on and to cross-validate by, "
            f"got {recordings}; fewer would fit their own chances"
        )
    some = material.sample_clips(COMPARED_CLIPS, SEED)
    watch("nothing: which preset, and how to combine")
    plain = _plain(some, base, objective)
    starts = [(*kind, compute_intervals(counts)[objective.criterion].value) for kind, counts in plain.items()]
    preset, combine, score = max(starts, key=lambda one: one[2])
    if math.isnan(score):
        raise UsageError(
            f"{objective.criterion} asks for what no member, or no label, tells: direction, distance"
            f"{' or on-screen' if objective.criterion == 'f20_1_on' else ''}; add a member that does"
        )
    start, before = replace(base, preset=preset, combine=combine), plain[base.preset, base.combine]
    pooled, trials = PooledMembers.from_members(some, start, objective), []
    for parts in CANDIDATES:
        watch(" and ".join(parts) or "doubts alone")
        trials.append(_trial(pooled, before, parts, folds))
    candidates = [trial.candidate for trial in trials]
    winner = max(trials, key=lambda trial: trial.candidate.cross_validated.value)
    if winner.candidate.gain.value <= 0:
        start, winner = base, _trial(PooledMembers.from_members(some, base, objective), before, (), folds)
    settings = winner.settings
    if len(some) < len(material):
        watch("the best of these to all clips")
        settings, _ = fit_all(material, start, winner.candidate.parts, objective)
    preset_score = compute_intervals(before)[objective.criterion]
    return TuneResult(settings, preset_score, starts, start, some, candidates, winner)


def _plain(material: TuningData, base: FusionSettings, objective: Objective) -> dict[tuple[str, str], Counts]:
    """Counts by each preset and each way to combine as they are, no frame of which was fitted to."""
    found = {}
    for preset, combine in product(PRESETS, COMBINERS):
        settings = replace(base, preset=preset, combine=combine)
        said = pool_all(material, settings)[0]
        found[preset, combine] = count_posteriors(material.references, said, settings.decode, objective.mode)
    return found


def _trial(start: PooledMembers, before: Counts, parts: tuple[str, ...], folds: int) -> CandidateTrial:
    """Fits `parts` to what was pooled as it is, fold by fold and to all; the gain is that over `before`."""
    material, objective = start.material, start.objective
    said, unseen = cross_validate(start, parts, folds)
    settings, seen = fit_all(material, start.settings, parts, objective, start)
    again = count_posteriors(material.references, seen, settings.decode, objective.mode)
    name = objective.criterion
    score, gain = compute_intervals(unseen)[name], compare_systems(unseen, before)[name]
    return CandidateTrial(
        FitCandidate(parts, score, compute_intervals(again)[name].value, gain), settings, said, unseen
    )


def cross_validate(start: PooledMembers, parts: tuple[str, ...], folds: int) -> tuple[Posterior, Counts]:
    """What each clip says, and counts, once `parts` are fitted to the folds without its recording."""
    material, objective = start.material, start.objective
    fold = assign_folds(material.recording, folds)
    counts, blind, places = [], [], []
    for number in range(folds):
        seen = fold != number
        pooled = pool_if_changed(start, fit_members(material, start.settings, parts, seen))
        settings, said = fit(material, pooled, parts, objective, seen)
        blind.append(said.map(lambda value, seen=seen: value[~seen]))
        places.append((~seen).nonzero().squeeze(1))
        references = [material.references[clip] for clip in places[-1].tolist()]
        counts.append(count_posteriors(references, blind[-1], settings.decode, objective.mode))
    order = torch.cat(places).argsort()
    return Posterior.concat(blind).map(lambda value: value[order]), _concat(counts, order)


def _concat(found: Sequence[Counts], order: Int[Tensor, "clip"]) -> Counts:
    whole = {entry.name: np.concatenate([getattr(counts, entry.name) for counts in found]) for entry in fields(Counts)}
    return Counts(**whole).map(lambda count: count[order.numpy()])


def assign_folds(recording: Int[Tensor, "clip"], folds: int) -> Int[Tensor, "clip"]:
    """A fold for each clip, the same for all clips of a recording, and nearly as many recordings in each."""
    recordings = int(recording.max()) + 1
    order = np.random.default_rng(SEED).permutation(recordings)
    return torch.from_numpy(order % folds)[recording]
