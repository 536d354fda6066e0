"""Several posteriors become one, and one becomes events."""

from collections.abc import Mapping

from torch import Tensor

from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.aggregate import WindowAggregator
from seldfuse.fusion.align import align
from seldfuse.fusion.combine import combine
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.decode import DecodeSettings, decode_frames
from seldfuse.fusion.events import EventSettings, find_events
from seldfuse.fusion.resolved import ResolvedFusion
from seldfuse.fusion.settings import FusionSettings
from seldfuse.fusion.uncertainty import UncertaintyInputs
from seldfuse.fusion.unify import merge_duplicate_tracks
from seldfuse.fusion.votes import build_vote_posterior

__all__ = [
    "DecodeSettings",
    "EventSettings",
    "FusionSettings",
    "WindowAggregator",
    "build_vote_posterior",
    "decode_frames",
    "find_events",
    "fuse_posteriors",
    "merge_duplicate_tracks",
    "pool",
]

DETECTED_ABOVE = 0.5
"""A member of which an activity exceeds this counts among those that detect the class."""


def fuse_posteriors(posteriors: Mapping[str, Posterior], settings: FusionSettings) -> Posterior:
    """Fuse the posteriors of several members, by instance name, to one; their order does not matter.

    Raises UsageError where `posteriors` is empty, members do not fit together (labels, hop, clips, frames), or the
    settings do not fit the members.
    """
    resolved = _resolve(posteriors, settings)
    return resolved.uncertainty.apply(*_pool(posteriors, settings, resolved))


def pool(posteriors: Mapping[str, Posterior], settings: FusionSettings) -> tuple[Posterior, UncertaintyInputs]:
    """Combine posteriors to one without its fitted uncertainty, beside the inputs of that.

    Raises as `fuse_posteriors` does.
    """
    return _pool(posteriors, settings, _resolve(posteriors, settings))


def _resolve(posteriors: Mapping[str, Posterior], settings: FusionSettings) -> ResolvedFusion:
    if not posteriors:
        raise UsageError("there is nothing to fuse: name at least one backend or folder of posteriors")
    members = {name: posteriors[name].provides for name in sorted(posteriors)}
    first = posteriors[next(iter(members))]
    return settings.resolve_for(members, first.labels, first.activity.device)


def _pool(
    posteriors: Mapping[str, Posterior], settings: FusionSettings, resolved: ResolvedFusion
) -> tuple[Posterior, UncertaintyInputs]:
    members = {
        name: merge_duplicate_tracks(posteriors[name].map(Tensor.float), settings.unify_angle_deg)
        for name in sorted(posteriors)
    }
    members |= {name: calibration.apply(members[name]) for name, calibration in resolved.calibration.items()}
    aligned = align(members, resolved.weights["activity"])
    first = posteriors[aligned.reference]
    pooled = Posterior(
        **combine(aligned, resolved.weights, COMBINERS[settings.combine]),
        labels=first.labels,
        hop_s=first.hop_s,
        provenance={
            "fusion": settings.to_json(),
            "members": {name: dict(member.provenance) for name, member in members.items()},
        },
    )
    pooled = resolved.smooth.apply(pooled)
    detecting = (aligned.values["activity"].nan_to_num() > DETECTED_ABOVE).sum(0).to(pooled.activity.dtype)
    return pooled, UncertaintyInputs.from_posterior(pooled, detecting)
