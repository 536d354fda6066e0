"""Settings of fusion fitted to some of the clips, and what all clips then say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool
from torch import Tensor

from seldfuse.catalogue.values import PairLimits, Score
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import DecodeSettings, FusionSettings, pool
from seldfuse.fusion.smooth import SmoothSettings, smooth_posterior
from seldfuse.fusion.uncertainty import UncertaintyInputs
from seldfuse.metrics.catalogue import find_score, list_scores
from seldfuse.metrics.counts import Mode
from seldfuse.tune.decoding import count_hits, fit_decoding, select_active_rows
from seldfuse.tune.outcomes import OutcomeRows, compute_f, compute_outcomes
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.smoothing import fit_smoothing
from seldfuse.tune.tuning_data import TuningData
from seldfuse.tune.uncertainty import fit_uncertainty
from seldfuse.tune.weights import fit_weights

CHUNK = 250
"""Clips that are pooled at a time: few enough for the processor's cache, enough to keep it busy."""
ANGLES_DEG = (7.5, 30.0)
"""What is tried beside the angle as it is."""
CHALLENGE = "f20_1"
"""The challenge's own score."""


@dataclass(frozen=True)
class Objective:
    """The score that is fitted to, and whether frames count that the challenge's scorer leaves out.

    Raises PluginError where there is no such score, and UsageError where it is none to fit to.
    """

    criterion: str = CHALLENGE
    mode: Mode = "strict"

    def __post_init__(self) -> None:
        score = find_score(self.criterion)
        if not score.can_fit:
            fittable = ", ".join(other.name for other in list_scores() if other.can_fit)
            raise UsageError(f"fusion cannot be fitted to {score.name}; --criterion takes {fittable}")

    @property
    def score(self) -> Score:
        return find_score(self.criterion)

    @property
    def limits(self) -> PairLimits:
        """What a pair must meet to be a hit where thresholds are fitted.

        A score without limits only chooses among what is fitted; thresholds are fitted to the F score with the
        challenge's limits on what the score needs.
        """
        needs, challenge = self.score.needs, find_score(CHALLENGE).limits or PairLimits()
        return self.score.limits or PairLimits(
            azimuth_deg=challenge.azimuth_deg if "azimuth" in needs else None,
            relative_distance=challenge.relative_distance if "distance" in needs else None,
            onscreen="onscreen" in needs,
        )


@dataclass(frozen=True)
class PooledMembers:
    """What members say of all clips together, before the doubt is fitted."""

    settings: FusionSettings
    posterior: Posterior
    evidence: UncertaintyInputs
    material: TuningData
    objective: Objective

    @classmethod
    def from_members(cls, material: TuningData, settings: FusionSettings, objective: Objective) -> "PooledMembers":
        """By settings of which doubt and decoding, but for the angle, do not matter."""
        return cls(settings, *pool_all(material, settings), material, objective)

    @cached_property
    def rows(self) -> OutcomeRows:
        """What each choice of tracks scores: found once, however many folds ask, and only where one asks."""
        return _outcomes(self.posterior, self.material, self.objective, self.settings.decode)

    def smooth_with(self, smooth: SmoothSettings) -> "PooledMembers":
        """The same smoothed, as by pooling with these settings, where nothing was smoothed before."""
        parts = [
            smooth_posterior(self.posterior.map(lambda value, clips=clips: value[clips]), smooth)
            for clips in _chunks(len(self.material))
        ]
        posterior = Posterior.concat(parts)
        settings = replace(self.settings, smooth=smooth)
        return replace(
            self,
            settings=settings,
            posterior=posterior,
            evidence=UncertaintyInputs.from_posterior(posterior, self.evidence.members),
        )


def pool_all(material: TuningData, settings: FusionSettings) -> tuple[Posterior, UncertaintyInputs]:
    """As `seldfuse.fusion.pool`, of all clips."""
    parts = [pool(material.select_members(clips), settings) for clips in _chunks(len(material))]
    return Posterior.concat([posterior for posterior, _ in parts]), UncertaintyInputs.concat(
        [evidence for _, evidence in parts]
    )


def _chunks(clips: int) -> list[slice]:
    return [slice(first, first + CHUNK) for first in range(0, clips, CHUNK)]


def pool_if_changed(last: PooledMembers, settings: FusionSettings) -> PooledMembers:
    """As `PooledMembers.from_members`, but what was pooled last where the settings are the same."""
    return last if last.settings == settings else PooledMembers.from_members(last.material, settings, last.objective)


def fit_all(
    material: TuningData,
    start: FusionSettings,
    parts: Sequence[str],
    objective: Objective,
    last: PooledMembers | None = None,
) -> tuple[FusionSettings, Posterior]:
    """Everything fitted to all clips, and what they then say; `last` is what was pooled before."""
    everything = torch.ones(len(material), dtype=torch.bool)
    settings = fit_members(material, start, parts, everything)
    pooled = (
        PooledMembers.from_members(material, settings, objective) if last is None else pool_if_changed(last, settings)
    )
    return fit(material, pooled, parts, objective, everything)


def fit_members(
    material: TuningData, start: FusionSettings, parts: Sequence[str], seen: Bool[Tensor, "clip"]
) -> FusionSettings:
    """What is fitted before members are pooled: their calibration and weights, as `parts` says."""
    # What smoothing is fitted to is not smoothed.
    settings = replace(start, smooth=SmoothSettings()) if "smoothing" in parts else start
    if not {"calibration", "weights"} & set(parts):
        return settings
    part = material.take(seen)
    if "calibration" in parts:
        fitted = {name: Reliability.from_posteriors(said, part.truth).fit() for name, said in part.members.items()}
        settings = replace(settings, calibration=fitted)
    if "weights" in parts:
        members = {
            name: settings.calibration[name].apply(said) if name in settings.calibration else said
            for name, said in part.members.items()
        }
        settings = replace(settings, weights=fit_weights(members, part.truth))
    return settings


def fit(
    material: TuningData, pooled: PooledMembers, parts: Sequence[str], objective: Objective, seen: Bool[Tensor, "clip"]
) -> tuple[FusionSettings, Posterior]:
    """Smoothing, doubt and decoding fitted to the clips that are `seen`, and what all clips say with the doubt told.

    The probability is fitted with decoding, whose thresholds are its own.
    """
    truth = material.truth.map(lambda value: value[seen])
    if "smoothing" in parts:
        pooled = pooled.smooth_with(fit_smoothing(truth, pooled.posterior.map(lambda value: value[seen])))
    labels, settings = pooled.posterior.labels, pooled.settings
    doubt = fit_uncertainty(
        pooled.posterior.map(lambda value: value[seen]),
        pooled.evidence.map(lambda value: value[seen]),
        truth,
        activity="decoding" in parts,
    )
    said = doubt.apply(pooled.posterior, pooled.evidence)
    settings = replace(settings, uncertainty=doubt)
    if "decoding" in parts:
        rows = pooled.rows.replace_activity(said.activity)
        rows = rows.take(seen[rows.clip])
        settings = replace(settings, decode=fit_decoding(rows, labels, settings.decode))
        settings = _with_angle(material, said, rows, settings, objective)
    return settings, said


def _with_angle(
    material: TuningData, said: Posterior, rows: OutcomeRows, settings: FusionSettings, objective: Objective
) -> FusionSettings:
    """The angle below which sources of one class are one: where several tracks are never heard at once, as it was."""
    labels = said.labels
    crowd = (select_active_rows(rows, settings.decode, labels).sum(-1) > 1).any(0)
    if not crowd.any():
        return settings
    rest, few = count_hits(rows.take(~crowd), settings.decode, labels), rows.take(crowd)
    found = [(few, settings.decode)]
    for angle_deg in ANGLES_DEG:
        decode = replace(settings.decode, unify_angle_deg=angle_deg)
        found.append((_outcomes(said, material, objective, decode, few), decode))
    scores = [float(compute_f(rest + count_hits(rows, decode, labels)).mean()) for rows, decode in found]
    return replace(settings, decode=found[max(range(len(scores)), key=scores.__getitem__)][1])


def _outcomes(
    posterior: Posterior,
    material: TuningData,
    objective: Objective,
    decode: DecodeSettings,
    among: OutcomeRows | None = None,
) -> OutcomeRows:
    scored = material.keep_scored(objective.mode == "official")
    return compute_outcomes(posterior, material.truth, objective.limits, decode.unify_angle_deg, scored, among)
