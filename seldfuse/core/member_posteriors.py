"""The posteriors of the members of an ensemble for one clip, before they are fused."""

from collections.abc import Mapping
from dataclasses import dataclass

from seldfuse.core.clip import Clip
from seldfuse.core.posterior import Posterior


@dataclass(frozen=True)
class MemberPosteriors:
    """A clip's name and, by member, a posterior `[1, frame, cls, track]`; the clip itself, where it was at hand."""

    name: str
    posteriors: Mapping[str, Posterior]
    duration_s: float
    notes: tuple[str, ...] = ()
    clip: Clip | None = None
