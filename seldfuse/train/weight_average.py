"""A running mean of the weights, which scores better than the weights that wander."""

import copy

import torch
from torch import nn


class WeightAverage:
    """Exponential moving average of a network's weights and of its norms' statistics.

    The decay is (1 + n) / (10 + n) after n steps until it reaches `decay`, so that a short training is not held back
    by where it began. Decay 0 gives the weights themselves.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: nn.Module, steps: int) -> None:
        """Take in the weights after so many steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps)) if self.decay else 0.0
        for own, new in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if own.is_floating_point():
                own.lerp_(new, 1.0 - decay)
            else:
                own.copy_(new)
