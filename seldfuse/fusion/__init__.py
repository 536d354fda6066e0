"""Several posteriors become one, and one becomes events."""

from collections.abc import Mapping

from torch import Tensor

from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.aggregate import WindowAggregator
from seldfuse.fusion.align import align
from seldfuse.fusion.combine import combine
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.decode import DecodeSettings, decode_events
from seldfuse.fusion.settings import FusionSettings, resolve_weights
from seldfuse.fusion.smooth import smooth_posterior
from seldfuse.fusion.uncertainty import UncertaintyInputs
from seldfuse.fusion.unify import merge_duplicate_tracks
from seldfuse.fusion.votes import build_vote_posterior

__all__ = [
    "DecodeSettings",
    "FusionSettings",
    "WindowAggregator",
    "build_vote_posterior",
    "decode_events",
    "fuse_posteriors",
    "merge_duplicate_tracks",
    "pool",
]

HEARD = 0.5
"""A member of which an activity exceeds this counts among those that hear."""


def fuse_posteriors(posteriors: Mapping[str, Posterior], settings: FusionSettings) -> Posterior:
    """One posterior from those of several members, by instance name; their order does not matter.

    Raises UsageError where `posteriors` is empty, members do not fit together (labels, hop, clips, frames), or the
    settings do not fit the members.
    """
    pooled, evidence = pool(posteriors, settings)
    return settings.uncertainty.apply(pooled, evidence)


def pool(posteriors: Mapping[str, Posterior], settings: FusionSettings) -> tuple[Posterior, UncertaintyInputs]:
    """The common posterior before its doubt is told, and what tells of it. Raises as `fuse` does."""
    if not posteriors:
        raise UsageError("there is nothing to fuse: name at least one backend or folder of posteriors")
    members = {
        name: merge_duplicate_tracks(posteriors[name].map(Tensor.float), settings.unify_angle_deg)
        for name in sorted(posteriors)
    }
    weights = resolve_weights(settings, members)
    members |= {name: calibration.apply(members[name]) for name, calibration in settings.calibration.items()}
    aligned = align(members, weights["activity"])
    first = posteriors[aligned.reference]
    pooled = Posterior(
        **combine(aligned, weights, COMBINERS[settings.combine]),
        labels=first.labels,
        hop_s=first.hop_s,
        provenance={
            "fusion": settings.to_json(),
            "members": {name: dict(member.provenance) for name, member in members.items()},
        },
    )
    pooled = smooth_posterior(pooled, settings.smooth)
    hearing = (aligned.values["activity"].nan_to_num() > HEARD).sum(0).to(pooled.activity.dtype)
    return pooled, UncertaintyInputs.from_posterior(pooled, hearing)
