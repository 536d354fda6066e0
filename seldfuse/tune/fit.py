"""Settings of fusion fitted to some of the clips, and what all clips then say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from seldfuse.fusion import DecodeSettings, FusionSettings, pool
from seldfuse.fusion.doubt import Evidence
from seldfuse.metrics.counts import Mode
from seldfuse.posterior import Posterior
from seldfuse.tune.decoding import counts_of, fit_decoding, sounding_rows
from seldfuse.tune.doubt import fit_doubt
from seldfuse.tune.material import Material
from seldfuse.tune.outcomes import Criterion, Rows, f_of, outcomes
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
    """What members say of all clips together, before the doubt is fitted, and what each choice of tracks scores."""

    settings: FusionSettings
    posterior: Posterior
    evidence: Evidence
    rows: Rows

    @classmethod
    def of(cls, material: Material, settings: FusionSettings, objective: Objective) -> "Pooled":
        """By settings of which doubt and decoding, but for the angle, do not matter."""
        posterior, evidence = pool_all(material, settings)
        return cls(settings, posterior, evidence, _outcomes(posterior, material, objective, settings.decode))


def pool_all(material: Material, settings: FusionSettings) -> tuple[Posterior, Evidence]:
    """As `seldfuse.fusion.pool`, of all clips."""
    chunks = torch.split(torch.arange(len(material)), CHUNK)
    parts = [pool(material.members_of(chunk), settings) for chunk in chunks]
    return Posterior.join([posterior for posterior, _ in parts]), Evidence.join([evidence for _, evidence in parts])


def pooled_anew(material: Material, settings: FusionSettings, objective: Objective, last: Pooled | None) -> Pooled:
    """As `Pooled.of`, but what was pooled last where the settings are the same."""
    return last if last is not None and last.settings == settings else Pooled.of(material, settings, objective)


def fitted(
    material: Material,
    start: FusionSettings,
    parts: Sequence[str],
    objective: Objective,
    last: Pooled | None = None,
) -> tuple[FusionSettings, Posterior]:
    """Everything fitted to all clips, and what they then say; `last` is what was pooled before."""
    everything = torch.ones(len(material), dtype=torch.bool)
    pooled = pooled_anew(material, members_fitted(material, start, parts, everything), objective, last)
    return fit(material, pooled, parts, objective, everything)


def members_fitted(
    material: Material, start: FusionSettings, parts: Sequence[str], seen: Bool[Tensor, "clip"]
) -> FusionSettings:
    """What is fitted before members are pooled: their calibration, weights, and smoothing, as `parts` says."""
    settings = start
    if not {"calibration", "weights", "smoothing"} & set(parts):
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
    if "smoothing" in parts:
        settings = replace(settings, smooth=fit_smooth(part.truth, pool(part.members, settings)[0]))
    return settings


def fit(
    material: Material, pooled: Pooled, parts: Sequence[str], objective: Objective, seen: Bool[Tensor, "clip"]
) -> tuple[FusionSettings, Posterior]:
    """Doubt and decoding fitted to the clips that are `seen`, and what all clips say with the doubt told.

    The probability is fitted with decoding, whose thresholds are its own.
    """
    labels, settings = pooled.posterior.labels, pooled.settings
    taken = pooled.posterior.map(lambda value: value[seen])
    doubt = fit_doubt(
        taken,
        pooled.evidence.map(lambda value: value[seen]),
        material.truth.map(lambda value: value[seen]),
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
