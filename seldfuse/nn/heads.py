"""What stands on a trunk: two linear layers for each thing that is asked."""

import torch
from torch import Tensor, nn


class Head(nn.Sequential):
    """Layers that compute in single precision, whatever the precision of the trunk.

    They cost next to nothing, and bfloat16 knows no number between 0.996 and 1: a probability would be certain, and
    its cross-entropy without a gradient.
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            x = input.float()
            for layer in self:
                x = layer(x)
            return x


def build_mlp_head(dim: int, outputs: int) -> Head:
    """Linear, LeakyReLU, linear; the caller chooses what the last values mean."""
    return Head(nn.Linear(dim, dim), nn.LeakyReLU(), nn.Linear(dim, outputs))


def build_linear_head(dim: int, outputs: int) -> Head:
    """Two linear layers with nothing in between, as SED-SCE's coordinate head has them."""
    return Head(nn.Linear(dim, dim), nn.Linear(dim, outputs))
