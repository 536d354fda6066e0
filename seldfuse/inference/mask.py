"""What a recording cannot tell is taken out of what networks made of it."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from seldfuse.core.posterior import Posterior


def mask_impossible(
    posteriors: Mapping[str, Posterior], *, silent: bool, mono: bool, picture_s: float = math.inf
) -> dict[str, Posterior]:
    """Mask the posteriors of a whole recording by what can be true of it.

    In a `silent` recording no class is active, and one channel (`mono`, doubled for the networks) has neither
    directions nor distances. Whether a source is on-screen nobody knows from where the picture ends on, after
    `picture_s`. Networks give all of these whatever they are given.
    """
    return {name: _mask(posterior, silent, mono, picture_s) for name, posterior in posteriors.items()}


def _mask(posterior: Posterior, silent: bool, mono: bool, picture_s: float) -> Posterior:
    activity = torch.zeros_like(posterior.activity) if silent else posterior.activity
    if mono:
        return Posterior(activity, labels=posterior.labels, hop_s=posterior.hop_s, provenance=posterior.provenance)
    return replace(posterior, activity=activity, onscreen=_mask_unseen(posterior, picture_s))


def _mask_unseen(posterior: Posterior, picture_s: float) -> Tensor | None:
    if posterior.onscreen is None or picture_s <= 0.0:
        return None
    if picture_s >= posterior.frames * posterior.hop_s:
        return posterior.onscreen
    onscreen = posterior.onscreen.clone()
    onscreen[:, math.ceil(picture_s / posterior.hop_s) :] = torch.nan
    return onscreen
