"""A network of the size and shape of the DCASE 2025 Task 3 baseline, which others are measured against.

Written from the description of `SELDModel` in `DCASE2025_seld_baseline` and Krause et al., EUSIPCO 2024. Its weights
are random: they do not change what it costs.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

CLASSES = 13
TRACKS = 3
ELEMENTS = 3
"""x, y and metres."""

CHANNELS = 64
DIM = 128
HEADS = 8
DROPOUT = 0.05
POOLS = ((5, 4), (1, 4), (1, 2))
"""Max-pools (time, mel) of the three convolutions."""


class BaselineNetwork(nn.Module):
    """Three convolutions, a recurrent layer gated by itself, two layers of attention, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        widths = pairwise((2, CHANNELS, CHANNELS, CHANNELS))
        self.convolutions = nn.Sequential(
            *[_convolution(*width, pool) for width, pool in zip(widths, POOLS, strict=True)]
        )
        self.recurrent = nn.GRU(DIM, DIM, num_layers=2, batch_first=True, bidirectional=True, dropout=DROPOUT)
        self.attentions = nn.ModuleList(
            [nn.MultiheadAttention(DIM, HEADS, dropout=DROPOUT, batch_first=True) for _ in range(2)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(DIM) for _ in range(2)])
        self.hidden = nn.Linear(DIM, DIM)
        self.output = nn.Linear(DIM, TRACKS * ELEMENTS * CLASSES)

    def forward(self, logmel: Float[Tensor, "batch 2 251 64"]) -> Float[Tensor, "batch 50 117"]:
        """The activated head, flattened over track, element and class."""
        x = self.convolutions(logmel)  # (batch, 64, 50, 2)
        x = x.transpose(1, 2).flatten(2)  # (batch, 50, 128)
        value, gate = self.recurrent(x)[0].tanh().chunk(2, dim=-1)
        x = value * gate  # (batch, 50, 128)
        for attention, norm in zip(self.attentions, self.norms, strict=True):
            x = norm(x + attention(x, x, x, need_weights=False)[0])
        x = self.output(self.hidden(x))  # (batch, 50, 117)
        x, y, distance = x.unflatten(-1, (TRACKS, ELEMENTS, CLASSES)).unbind(-2)  # each (batch, 50, 3, 13)
        return torch.stack([x.tanh(), y.tanh(), distance.relu()], dim=-2).flatten(2)


def sounding(classes: tuple[int, ...]) -> BaselineNetwork:
    """A network to which just these classes sound throughout, on three like tracks as one source does to a trained one.

    What a random one says is up to chance, and so would be the cost of decoding and writing it.
    """
    network = BaselineNetwork().eval()
    with torch.no_grad():
        network.output.weight.zero_()
        bias = network.output.bias.zero_().reshape(TRACKS, ELEMENTS, CLASSES)
        bias[:, 0, classes] = 2.0
        bias[:, 2, classes] = 2.0
    return network


def _convolution(channels_in: int, channels_out: int, pool: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(pool),
        nn.Dropout2d(DROPOUT),
    )
