"""Settings of fusion fitted to some of the clips, and what all clips then say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool
from torch import Tensor

from seldfuse.fusion import DecodeSettings, FusionSettings, pool
from seldfuse.fusion.doubt import Evidence
from seldfuse.fusion.smooth import SmoothSettings, smoothed
from seldfuse.metrics.counts import Mode
from seldfuse.posterior import Posterior
from seldfuse.tune.decoding import counts_of, fit_decoding, sounding_rows
from seldfuse.tune.doubt import fit_doubt
from seldfuse.tune.hits import Criterion
from seldfuse.tune.material import Material
from seldfuse.tune.outcomes import Rows, f_of, outcomes
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.smoothing import fit_smooth
from seldfuse.tune.weights import fit_weights

CHUNK = 250
"""Clips that are pooled at a time: few enough for the processor's cache, enough to keep it busy."""
ANGLES_DEG = (7.5, 30.0)
"""What is tried beside the angle as it is."""


@dataclass(frozen=True)
class Objective:
    """The score that is fitted to, and whether frames count that the challenge's scorer leaves out."""

    criterion: Criterion = "f20_1"
    mode: Mode = "strict"


@dataclass(frozen=True)
class Pooled:
    """What members say of all clips together, before the doubt is fitted."""

    settings: FusionSettings
    posterior: Posterior
    evidence: Evidence
    material: Material
    objective: Objective

    @classmethod
    def of(cls, material: Material, settings: FusionSettings, objective: Objective) -> "Pooled":
        """By settings of which doubt and decoding, but for the angle, do not matter."""
        return cls(settings, *pool_all(material, settings), material, objective)

    @cached_property
    def rows(self) -> Rows:
        """What each choice of tracks scores: found once, however many folds ask, and only where one asks."""
        return _outcomes(self.posterior, self.material, self.objective, self.settings.decode)

    def smoothed_by(self, smooth: SmoothSettings) -> "Pooled":
        """The same smoothed, as by pooling with these settings, where nothing was smoothed before."""
        parts = [
            smoothed(self.posterior.map(lambda value, clips=clips: value[clips]), smooth)
            for clips in _chunks(len(self.material))
        ]
        posterior = Posterior.join(parts)
        settings = replace(self.settings, smooth=smooth)
        return replace(
            self, settings=settings, posterior=posterior, evidence=Evidence.of(posterior, self.evidence.members)
        )


def pool_all(material: Material, settings: FusionSettings) -> tuple[Posterior, Evidence]:
    """As `seldfuse.fusion.pool`, of all clips."""
    parts = [pool(material.members_of(clips), settings) for clips in _chunks(len(material))]
    return Posterior.join([posterior for posterior, _ in parts]), Evidence.join([evidence for _, evidence in parts])


def _chunks(clips: int) -> list[slice]:
    return [slice(first, first + CHUNK) for first in range(0, clips, CHUNK)]


def pooled_anew(last: Pooled, settings: FusionSettings) -> Pooled:
    """As `Pooled.of`, but what was pooled last where the settings are the same."""
    return last if last.settings == settings else Pooled.of(last.material, settings, last.objective)


def fitted(
    material: Material,
    start: FusionSettings,
    parts: Sequence[str],
    objective: Objective,
    last: Pooled | None = None,
) -> tuple[FusionSettings, Posterior]:
    """Everything fitted to all clips, and what they then say; `last` is what was pooled before."""
    everything = torch.ones(len(material), dtype=torch.bool)
    settings = members_fitted(material, start, parts, everything)
    pooled = Pooled.of(material, settings, objective) if last is None else pooled_anew(last, settings)
    return fit(material, pooled, parts, objective, everything)


def members_fitted(
    material: Material, start: FusionSettings, parts: Sequence[str], seen: Bool[Tensor, "clip"]
) -> FusionSettings:
    """What is fitted before members are pooled: their calibration and weights, as `parts` says."""
    # What smoothing is fitted to is not smoothed.
    settings = replace(start, smooth=SmoothSettings()) if "smoothing" in parts else start
    if not {"calibration", "weights"} & set(parts):
        return settings
    part = material.take(seen)
    if "calibration" in parts:
        fitted = {name: Reliability.of(said, part.truth).fit() for name, said in part.members.items()}
        settings = replace(settings, calibration=fitted)
    if "weights" in parts:
        members = {
            name: settings.calibration[name].of(said) if name in settings.calibration else said
            for name, said in part.members.items()
        }
        settings = replace(settings, weights=fit_weights(members, part.truth))
    return settings


def fit(
    material: Material, pooled: Pooled, parts: Sequence[str], objective: Objective, seen: Bool[Tensor, "clip"]
) -> tuple[FusionSettings, Posterior]:
    """Smoothing, doubt and decoding fitted to the clips that are `seen`, and what all clips say with the doubt told.

    The probability is fitted with decoding, whose thresholds are its own.
    """
    truth = material.truth.map(lambda value: value[seen])
    if "smoothing" in parts:
        pooled = pooled.smoothed_by(fit_smooth(truth, pooled.posterior.map(lambda value: value[seen])))
    labels, settings = pooled.posterior.labels, pooled.settings
    doubt = fit_doubt(
        pooled.posterior.map(lambda value: value[seen]),
        pooled.evidence.map(lambda value: value[seen]),
        truth,
        activity="decoding" in parts,
    )
    said = doubt.of(pooled.posterior, pooled.evidence)
    settings = replace(settings, doubt=doubt)
    if "decoding" in parts:
        rows = pooled.rows.heard_as(said.activity)
        rows = rows.take(seen[rows.clip])
        settings = replace(settings, decode=fit_decoding(rows, labels, settings.decode))
        settings = _with_angle(material, said, rows, settings, objective)
    return settings, said


def _with_angle(
    material: Material, said: Posterior, rows: Rows, settings: FusionSettings, objective: Objective
) -> FusionSettings:
    """The angle below which sources of one class are one: where several tracks are never heard at once, as it was."""
    labels = said.labels
    crowd = (sounding_rows(rows, settings.decode, labels).sum(-1) > 1).any(0)
    if not crowd.any():
        return settings
    rest, few = counts_of(rows.take(~crowd), settings.decode, labels), rows.take(crowd)
    found = [(few, settings.decode)]
    for angle_deg in ANGLES_DEG:
        decode = replace(settings.decode, unify_angle_deg=angle_deg)
        found.append((_outcomes(said, material, objective, decode, few), decode))
    scores = [float(f_of(rest + counts_of(rows, decode, labels)).mean()) for rows, decode in found]
    return replace(settings, decode=found[max(range(len(scores)), key=scores.__getitem__)][1])


def _outcomes(
    posterior: Posterior, material: Material, objective: Objective, decode: DecodeSettings, among: Rows | None = None
) -> Rows:
    scored = material.scored(objective.mode == "official")
    return outcomes(posterior, material.truth, objective.criterion, decode.unify_angle_deg, scored, among)
