"""The audio network of the DCASE 2025 Task 3 baseline: convolutions, a recurrent layer, attention, multi-ACCDDOA.

Written from the description of `SELDModel` in `DCASE2025_seld_baseline` (Shimada et al., 2025) and Krause, Politis,
Mesaros, "Sound Event Detection and Localization with Distance Estimation", EUSIPCO 2024.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.sdk import (
    FRAMES_PER_S,
    SAMPLE_RATE_HZ,
    TRACKS,
    LabelSet,
    Posterior,
    check_network_settings,
    fold_to_front,
    posterior_from_accddoa,
)

AUDIO_CHANNELS = 2
MELS = 64
ELEMENTS = 3
"""x, y and metres."""

COLUMNS_PER_FRAME = 5
"""Hops of 20 ms in a frame."""

MEL_POOLS = (4, 4, 2)
"""Max-pools of the three convolutions along mel bands; the first pools the columns of a frame too."""


@dataclass(frozen=True)
class BaselineConfig:
    """Sizes of the network; the published ones by default. `channels` are those of each convolution.

    The last two are of imported weights alone: how many hops make a frame of 100 ms, and whether the network takes the
    surplus column that stands behind the last frame. Training here gives 5 columns a frame and none behind them.
    """

    channels: int = 64
    dim: int = 128
    heads: int = 8
    recurrent_layers: int = 2
    attention_layers: int = 2
    dropout: float = 0.05
    columns_per_frame: int = COLUMNS_PER_FRAME
    last_column: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BaselineConfig":
        """Make settings of JSON values. Raises CheckpointError for a setting that this version does not know."""
        check_network_settings(data, cls)
        return cls(**data)


class BaselineNetwork(nn.Module):
    """Three convolutions, a recurrent layer gated by itself, attention that knows no positions, two linear layers.

    `mean` and `deviation` standardize each channel and mel band. The published network has no such thing: 0 and 1,
    which they are until `set_statistics`, change nothing.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: BaselineConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.register_buffer("mean", torch.zeros(AUDIO_CHANNELS, 1, MELS))
        self.register_buffer("deviation", torch.ones(AUDIO_CHANNELS, 1, MELS))
        dim, dropout = config.dim, config.dropout
        widths = pairwise((AUDIO_CHANNELS, *[config.channels] * len(MEL_POOLS)))
        pools = zip((config.columns_per_frame, 1, 1), MEL_POOLS, strict=True)
        self.convolutions = nn.Sequential(
            *[_convolution(*width, pool, dropout) for width, pool in zip(widths, pools, strict=True)]
        )
        mels_left = MELS // math.prod(MEL_POOLS)
        self.recurrent = nn.GRU(
            config.channels * mels_left,
            dim,
            config.recurrent_layers,
            batch_first=True,
            # torch has it between layers only, and warns where there is nothing between.
            dropout=dropout if config.recurrent_layers > 1 else 0.0,
            bidirectional=True,
        )
        self.attentions = nn.ModuleList(
            [
                nn.MultiheadAttention(dim, config.heads, dropout=dropout, batch_first=True)
                for _ in range(config.attention_layers)
            ]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(config.attention_layers)])
        self.hidden = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, TRACKS * ELEMENTS * classes)

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.mean.copy_(mean.view_as(self.mean))
        self.deviation.copy_(deviation.clamp_min(1e-3).view_as(self.deviation))

    def forward(self, logmel: Float[Tensor, "batch 2 time 64"]) -> Float[Tensor, "batch frame out"]:
        """Compute the activated head, flattened over track, element and class; a frame for every five columns.

        Where the settings say so, it is a frame for another number of columns.
        """
        x = self.convolutions((logmel - self.mean) / self.deviation)  # (batch, channels, frame, 2)
        x = x.transpose(1, 2).flatten(2)  # (batch, frame, 2 × channels)
        value, gate = self.recurrent(x)[0].tanh().chunk(2, dim=-1)
        x = value * gate  # (batch, frame, dim)
        for attention, norm in zip(self.attentions, self.norms, strict=True):
            x = norm(x + attention(x, x, x, need_weights=False)[0])
        x = self.output(self.hidden(x))  # (batch, frame, out)
        x, y, distance = x.unflatten(-1, (TRACKS, ELEMENTS, self.classes)).unbind(-2)  # each (batch, frame, track, cls)
        return torch.stack([x.tanh(), y.tanh(), distance.relu()], dim=-2).flatten(2)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again."""
        return asdict(self.config)


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> BaselineNetwork:
    """Build a fresh network. Raises CheckpointError for a setting that this version does not know."""
    return BaselineNetwork(BaselineConfig.from_json(settings), len(labels))


def get_hop_samples(columns_per_frame: int) -> int:
    """Return the hop that gives so many columns in a frame."""
    return SAMPLE_RATE_HZ // FRAMES_PER_S // columns_per_frame


def to_posterior(output: Float[Tensor, "batch frame out"], labels: LabelSet) -> Posterior:
    """Turn the output into a three-track posterior, its directions folded to the front."""
    posterior = posterior_from_accddoa(output, labels, TRACKS)
    assert posterior.direction is not None
    return replace(posterior, direction=fold_to_front(posterior.direction))


def _convolution(channels_in: int, channels_out: int, pool: tuple[int, int], dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(pool),
        nn.Dropout2d(dropout),
    )
