"""What a recording cannot tell is taken out of what networks made of it."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from seldfuse.core.posterior import Posterior


def mask_impossible(posteriors: Mapping[str, Posterior], *, silent: bool, mono: bool) -> dict[str, Posterior]:
    """Mask the posteriors of a whole recording by what can be true of it.

    In a `silent` recording no class is active, and one channel (`mono`, doubled for the networks) has neither
    directions nor distances nor an on-screen side: networks give all of these whatever they are given.
    """
    return {name: _mask(posterior, silent, mono) for name, posterior in posteriors.items()}


def _mask(posterior: Posterior, silent: bool, mono: bool) -> Posterior:
    activity = torch.zeros_like(posterior.activity) if silent else posterior.activity
    if mono:
        return Posterior(activity, labels=posterior.labels, hop_s=posterior.hop_s, provenance=posterior.provenance)
    return replace(posterior, activity=activity)
