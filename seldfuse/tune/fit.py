"""Settings of fusion fitted to some of the clips, and the posteriors of all clips by them."""

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
from seldfuse.metrics.matches import Mode
from seldfuse.metrics.registered import find_score, list_scores
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
    """The pooled posterior of all clips, before uncertainty is fitted."""

    settings: FusionSettings
    posterior: Posterior
    evidence: UncertaintyInputs
    data: TuningData
    objective: Objective

    @classmethod
    def from_members(cls, data: TuningData, settings: FusionSettings, objective: Objective) -> "PooledMembers":
        """Pool by settings, of which uncertainty and decoding, but for the angle, do not matter."""
        return cls(settings, *pool_all(data, settings), data, objective)

    @cached_property
    def rows(self) -> OutcomeRows:
        """The outcomes of each choice of tracks, computed once, on first use."""
        return _outcomes(self.posterior, self.data, self.objective, self.settings.decode)

    def smooth_with(self, smooth: SmoothSettings) -> "PooledMembers":
        """Smooth what was pooled without smoothing; the same as pooling with these settings."""
        parts = [
            smooth_posterior(self.posterior.map(lambda value, clips=clips: value[clips]), smooth)
            for clips in _chunks(len(self.data))
        ]
        posterior = Posterior.concat(parts)
        settings = replace(self.settings, smooth=smooth)
        return replace(
            self,
            settings=settings,
            posterior=posterior,
            evidence=UncertaintyInputs.from_posterior(posterior, self.evidence.members),
        )


def pool_all(data: TuningData, settings: FusionSettings) -> tuple[Posterior, UncertaintyInputs]:
    """Pool all clips as `seldfuse.fusion.pool` does, `CHUNK` at a time."""
    parts = [pool(data.select_members(clips), settings) for clips in _chunks(len(data))]
    return Posterior.concat([posterior for posterior, _ in parts]), UncertaintyInputs.concat(
        [evidence for _, evidence in parts]
    )


def _chunks(clips: int) -> list[slice]:
    return [slice(first, first + CHUNK) for first in range(0, clips, CHUNK)]


def pool_if_changed(last: PooledMembers, settings: FusionSettings) -> PooledMembers:
    """Pool as `PooledMembers.from_members` does, or return `last` where the settings are the same."""
    return last if last.settings == settings else PooledMembers.from_members(last.data, settings, last.objective)


def fit_all(
    data: TuningData,
    start: FusionSettings,
    parts: Sequence[str],
    objective: Objective,
    last: PooledMembers | None = None,
) -> tuple[FusionSettings, Posterior]:
    """Fit everything to all clips; return the settings and the posterior by them. `last` is what was pooled before."""
    everything = torch.ones(len(data), dtype=torch.bool)
    settings = fit_members(data, start, parts, everything)
    pooled = PooledMembers.from_members(data, settings, objective) if last is None else pool_if_changed(last, settings)
    return fit_pooled(data, pooled, parts, objective, everything)


def fit_members(
    data: TuningData, start: FusionSettings, parts: Sequence[str], train: Bool[Tensor, "clip"]
) -> FusionSettings:
    """Fit what comes before pooling, calibration and weights, as far as `parts` names it, to the clips of `train`."""
    # What smoothing is fitted to is not smoothed.
    settings = replace(start, smooth=SmoothSettings()) if "smoothing" in parts else start
    if not {"calibration", "weights"} & set(parts):
        return settings
    part = data.take(train)
    if "calibration" in parts:
        fitted = {
            name: Reliability.from_posteriors(posterior, part.target).fit() for name, posterior in part.members.items()
        }
        settings = replace(settings, calibration=fitted)
    if "weights" in parts:
        members = {
            name: settings.calibration[name].apply(posterior) if name in settings.calibration else posterior
            for name, posterior in part.members.items()
        }
        settings = replace(settings, weights=fit_weights(members, part.target))
    return settings


def fit_pooled(
    data: TuningData, pooled: PooledMembers, parts: Sequence[str], objective: Objective, train: Bool[Tensor, "clip"]
) -> tuple[FusionSettings, Posterior]:
    """Fit smoothing, uncertainty and decoding to the clips of `train`; return them and the posterior of all clips.

    The probability is fitted with decoding, whose thresholds are its own.
    """
    target = data.target.map(lambda value: value[train])
    if "smoothing" in parts:
        pooled = pooled.smooth_with(fit_smoothing(target, pooled.posterior.map(lambda value: value[train])))
    labels, settings = pooled.posterior.labels, pooled.settings
    uncertainty = fit_uncertainty(
        pooled.posterior.map(lambda value: value[train]),
        pooled.evidence.map(lambda value: value[train]),
        target,
        activity="decoding" in parts,
    )
    posterior = uncertainty.apply(pooled.posterior, pooled.evidence)
    settings = replace(settings, uncertainty=uncertainty)
    if "decoding" in parts:
        rows = pooled.rows.replace_activity(posterior.activity)
        rows = rows.take(train[rows.clip])
        settings = replace(settings, decode=fit_decoding(rows, labels, settings.decode))
        settings = _with_angle(data, posterior, rows, settings, objective)
    return settings, posterior


def _with_angle(
    data: TuningData, posterior: Posterior, rows: OutcomeRows, settings: FusionSettings, objective: Objective
) -> FusionSettings:
    """Fit the angle below which sources of one class are one; it stays where no two tracks are ever active at once."""
    labels = posterior.labels
    several = (select_active_rows(rows, settings.decode, labels).sum(-1) > 1).any(0)
    if not several.any():
        return settings
    rest, few = count_hits(rows.take(~several), settings.decode, labels), rows.take(several)
    found = [(few, settings.decode)]
    for angle_deg in ANGLES_DEG:
        decode = replace(settings.decode, unify_angle_deg=angle_deg)
        found.append((_outcomes(posterior, data, objective, decode, few), decode))
    scores = [float(compute_f(rest + count_hits(rows, decode, labels)).mean()) for rows, decode in found]
    return replace(settings, decode=found[max(range(len(scores)), key=scores.__getitem__)][1])


def _outcomes(
    posterior: Posterior,
    data: TuningData,
    objective: Objective,
    decode: DecodeSettings,
    among: OutcomeRows | None = None,
) -> OutcomeRows:
    scored = data.keep_scored(objective.mode == "official")
    return compute_outcomes(posterior, data.target, objective.limits, decode.unify_angle_deg, scored, among)
