"""Fusion and decoding fitted to a score, and what the fit is worth on recordings that it has not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from seldfuse.errors import UsageError
from seldfuse.events import Events
from seldfuse.fusion import FusionSettings, decode, fuse
from seldfuse.metrics.counts import Counts, Mode, count
from seldfuse.metrics.jackknife import Interval, differences, intervals
from seldfuse.tune.decoding import fit_decoding
from seldfuse.tune.material import Material
from seldfuse.tune.outcomes import Criterion, outcomes
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.weights import fit_weights

CANDIDATES: Sequence[tuple[str, ...]] = (
    ("decoding",),
    ("calibration", "decoding"),
    ("weights", "decoding"),
    ("calibration", "weights", "decoding"),
)
"""What is fitted together; the best of them in cross-validation is taken."""

FEWEST_RECORDINGS = 20
SEED = 7


@dataclass(frozen=True)
class Candidate:
    """What was fitted, and its score: on recordings that the fit had not seen, on those it had, and how much more the
    first is than the preset's."""

    parts: tuple[str, ...]
    cross_validated: Interval
    resubstituted: float
    gain: Interval


@dataclass(frozen=True)
class Tuned:
    """The settings to use; those of the preset where no candidate was better in cross-validation."""

    settings: FusionSettings
    chosen: tuple[str, ...]
    preset: Interval
    candidates: Sequence[Candidate]


def tune(
    material: Material,
    base: FusionSettings,
    criterion: Criterion = "f20_1",
    mode: Mode = "strict",
    folds: int = 5,
    watch: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Fits each candidate, cross-validated by recording, and takes the best. `watch` hears what is being fitted.

    Raises UsageError where there are too few recordings to tell.
    """
    recordings = int(material.recording.max()) + 1
    if recordings < max(FEWEST_RECORDINGS, folds):
        raise UsageError(
            f"expected at least {max(FEWEST_RECORDINGS, folds)} recordings to fit on and to cross-validate by, "
            f"got {recordings}; fewer would fit their own chances"
        )
    fold = _folds(material.recording, folds)
    before = _counts(material, base, mode)
    found: list[tuple[Candidate, FusionSettings]] = []
    for parts in CANDIDATES:
        watch(" and ".join(parts))
        counts = _cross_validated(material, base, parts, criterion, mode, fold)
        fitted = fit(material, base, parts, criterion, mode)
        again = intervals(_counts(material, fitted, mode))[criterion].value
        gain = differences(counts, before)[criterion]
        found.append((Candidate(parts, intervals(counts)[criterion], again, gain), fitted))
    best, settings = max(found, key=lambda one: one[0].cross_validated.value)
    better = best.gain.value > 0
    return Tuned(
        settings if better else base,
        best.parts if better else (),
        intervals(before)[criterion],
        [candidate for candidate, _ in found],
    )


def fit(
    material: Material, base: FusionSettings, parts: Sequence[str], criterion: Criterion, mode: Mode
) -> FusionSettings:
    """Settings fitted to all of the material; what is not among `parts` stays that of `base`."""
    settings = base
    if "calibration" in parts:
        fitted = {name: Reliability.of(said, material.truth).fit() for name, said in material.members.items()}
        settings = replace(settings, calibration=fitted)
    if "weights" in parts:
        settings = replace(settings, weights=fit_weights(material.members, material.truth))
    said = fuse(material.members, settings)
    scored = material.scored(mode == "official")
    found = outcomes(said, material.truth, criterion, settings.decode.unify_angle_deg, scored)
    return replace(settings, decode=fit_decoding(said, found, settings.decode))


def _cross_validated(
    material: Material,
    base: FusionSettings,
    parts: Sequence[str],
    criterion: Criterion,
    mode: Mode,
    fold: Int[Tensor, "clip"],
) -> Counts:
    """Counts of every clip by the fit that has not seen its recording, in the order of the material."""
    found, places = [], []
    for number in range(int(fold.max()) + 1):
        seen = material.take(fold != number)
        found.append(_counts(material.take(fold == number), fit(seen, base, parts, criterion, mode), mode))
        places.append((fold == number).nonzero().squeeze(1))
    order = torch.cat(places).argsort().numpy()
    joined = {
        entry.name: np.concatenate([getattr(counts, entry.name) for counts in found])[order] for entry in fields(Counts)
    }
    return Counts(**joined)


def _counts(material: Material, settings: FusionSettings, mode: Mode) -> Counts:
    predictions: list[Events | None] = [*decode(fuse(material.members, settings), settings.decode)]
    return count(material.references, predictions, material.truth.labels, mode)


def _folds(recording: Int[Tensor, "clip"], folds: int) -> Int[Tensor, "clip"]:
    """A fold for each clip, the same for all clips of a recording, and nearly as many recordings in each."""
    recordings = int(recording.max()) + 1
    order = np.random.default_rng(SEED).permutation(recordings)
    return torch.from_numpy(order % folds)[recording]
