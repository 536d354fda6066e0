"""Several posteriors become one, and one becomes events."""

from collections.abc import Mapping

from torch import Tensor

from seldfuse.errors import UsageError
from seldfuse.fusion.align import align
from seldfuse.fusion.combine import combine
from seldfuse.fusion.decode import DecodeSettings, decode
from seldfuse.fusion.settings import FusionSettings, resolve
from seldfuse.fusion.stitch import Stitcher
from seldfuse.fusion.unify import unify
from seldfuse.fusion.votes import events_as_posterior
from seldfuse.posterior import Posterior

__all__ = ["DecodeSettings", "FusionSettings", "Stitcher", "decode", "events_as_posterior", "fuse", "unify"]


def fuse(posteriors: Mapping[str, Posterior], settings: FusionSettings) -> Posterior:
    """One posterior from those of several members, by instance name; their order does not matter.

    Raises UsageError where `posteriors` is empty, members do not fit together (labels, hop, clips, frames), or the
    settings do not fit the members.
    """
    if not posteriors:
        raise UsageError("there is nothing to fuse: name at least one backend or folder of posteriors")
    members = {name: unify(posteriors[name].map(Tensor.float), settings.unify_angle_deg) for name in sorted(posteriors)}
    weights = resolve(settings, members)
    members |= {name: calibration.of(members[name]) for name, calibration in settings.calibration.items()}
    aligned = align(members, weights["activity"])
    first = posteriors[aligned.reference]
    return Posterior(
        **combine(aligned, weights),
        labels=first.labels,
        hop_s=first.hop_s,
        provenance={
            "fusion": settings.to_json(),
            "members": {name: dict(member.provenance) for name, member in members.items()},
        },
    )
