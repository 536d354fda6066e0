"""How much each of two sounds adds to the power of both together."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.features.spectrum import get_mel_centers_hz


@dataclass(frozen=True)
class PowerShares:
    """Mel powers of two independent sounds at once; powers add up.

    Shape: `first` and `second` are `(batch, 2, time, mel)`, left and right.
    """

    first: Float[Tensor, "batch 2 time mel"]
    second: Float[Tensor, "batch 2 time mel"]

    @cached_property
    def bands(self) -> tuple[Float[Tensor, "batch 1 time mel"], Float[Tensor, "batch 1 time mel"]]:
        """Compute the power of each sound in each mel band, both channels together."""
        return self.first.sum(dim=1, keepdim=True), self.second.sum(dim=1, keepdim=True)

    @cached_property
    def moments(self) -> tuple[Float[Tensor, "batch 1 time 1"], Float[Tensor, "batch 1 time 1"]]:
        """Compute the power of each sound at each time, for features that have no mel bands."""
        # Each band holds the mean density of its width.
        width_hz = torch.from_numpy(np.gradient(get_mel_centers_hz())).to(self.first)
        one, two = ((power * width_hz).sum(dim=3, keepdim=True) for power in self.bands)
        return one, two


def weigh_by_power(
    first: Tensor, second: Tensor, powers: tuple[Tensor, Tensor]
) -> Float[Tensor, "batch channel time bin"]:
    """Average two features, each as far as its sound is there."""
    one, two = powers
    return (one * first + two * second) / (one + two)
