"""Tokens of steps that are longer than a frame, brought to the grid of 100 ms."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.grid import FRAMES_PER_S


def interpolate_to_frames(
    steps: Float[Tensor, "window step channel"], middles_s: Sequence[float], duration_s: float
) -> Float[Tensor, "window frame channel"]:
    """Interpolate steps to the middles of 100 ms frames, linear between them; only steps within the duration count."""
    inside = max(1, sum(middle < duration_s for middle in middles_s))
    frames = torch.arange(max(1, round(duration_s * FRAMES_PER_S)), device=steps.device)
    spacing_s = middles_s[1] - middles_s[0] if len(middles_s) > 1 else duration_s
    places = (((frames + 0.5) / FRAMES_PER_S - middles_s[0]) / spacing_s).clamp(0, inside - 1)
    before = places.long()
    after = (before + 1).clamp(max=inside - 1)
    share = (places - before)[:, None]
    return (1 - share) * steps[:, before] + share * steps[:, after]
