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
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        own, new = zip(*[pair for pair in pairs if pair[0].is_floating_point()], strict=True)
        # All at once: a network has hundreds of small tensors.
        torch._foreach_lerp_(own, new, 1.0 - decay)
        for counter, counted in pairs:
            if not counter.is_floating_point():
                counter.copy_(counted)
