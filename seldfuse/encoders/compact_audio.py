"""The small audio tagger that ships: what kind of sound, moment by moment, wherever it comes from.

It takes the mean power of both channels, so that left and right do not matter to it, and takes it from the log-mel
spectrogram, so that its tokens follow what augmentation does to that.
"""

from functools import lru_cache
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.encoders.shipped_weights import load_bundled_weights, refuse_weights
from seldfuse.features.spectrum import SPECTRA_PER_FRAME
from seldfuse.nn.channels_last import order_channels_last
from seldfuse.nn.fold_norms import fold_norms

NAME = "compact-audio"
CHANNELS = 64
WIDTHS = (24, 48, 72, 96)
KERNEL_FRAMES, DILATIONS = 5, (1, 2, 4)
MEAN_DB, DEVIATION_DB = -50.0, 20.0


class TaggerNetwork(nn.Module):
    """Level in dB, 20 ms by 64 mel bands, to 64 values for each 100 ms frame, which know a second and more around."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0])]
        layers += [nn.ReLU(), nn.MaxPool2d((SPECTRA_PER_FRAME, 2))]
        for before, width in pairwise(WIDTHS):
            layers += [_separable(before, width), nn.MaxPool2d((1, 2))]
        self.bands = nn.Sequential(*layers)
        self.into = nn.Linear(WIDTHS[-1] * 4, CHANNELS)
        self.around = nn.ModuleList([_Around(dilation) for dilation in DILATIONS])
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, level_db: Float[Tensor, "batch time mel"]) -> Float[Tensor, "batch frame 64"]:
        x = self.bands(((level_db - MEAN_DB) / DEVIATION_DB).unsqueeze(1))  # (batch, 96, frame, 4)
        x = self.into(x.transpose(1, 2).flatten(2))
        for block in self.around:
            x = block(x)
        return self.norm(x)  # type: ignore[no-any-return]


class _Around(nn.Module):
    """What was before and what comes, farther and farther away."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        padding = dilation * (KERNEL_FRAMES // 2)
        self.norm = nn.LayerNorm(CHANNELS)
        self.body = nn.Sequential(
            nn.Conv1d(CHANNELS, CHANNELS, KERNEL_FRAMES, padding=padding, dilation=dilation, groups=CHANNELS),
            nn.Conv1d(CHANNELS, 2 * CHANNELS, 1),
            nn.ReLU(),
            nn.Conv1d(2 * CHANNELS, CHANNELS, 1),
        )

    def forward(self, x: Float[Tensor, "batch frame 64"]) -> Float[Tensor, "batch frame 64"]:
        return x + self.body(self.norm(x).transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


class CompactAudio:
    """`compact-audio`: one token of 64 values for each 100 ms frame."""

    name = NAME
    tokens, channels = 1, CHANNELS

    def __init__(self, device: torch.device) -> None:
        self.network, self.version = _load(str(device))

    @torch.no_grad()
    def encode(self, logmel: Float[Tensor, "batch 2 time 64"]) -> Float[Tensor, "batch frame 1 64"]:
        """Encode log-mel spectrograms of left and right."""
        return self.network(compute_mean_level_db(logmel)).unsqueeze(2)  # type: ignore[no-any-return]


def load_compact_audio(weights: str | None, device: torch.device) -> CompactAudio:
    """Load `compact-audio`. Raises UsageError for weights of one's own, CheckpointError where its own are missing."""
    refuse_weights(NAME, weights)
    return CompactAudio(device)


def encode_logmel(logmel: Float[Tensor, "batch 2 time 64"]) -> Float[Tensor, "batch frame 1 64"]:
    """Encode log-mel spectrograms with `compact-audio` on their device. Raises CheckpointError."""
    return CompactAudio(logmel.device).encode(logmel)


def compute_mean_level_db(logmel: Float[Tensor, "batch 2 time 64"]) -> Float[Tensor, "batch time 64"]:
    """Compute the level of the mean power of both channels."""
    return 10.0 * torch.pow(10.0, 0.1 * logmel).mean(dim=1).log10()


@lru_cache(maxsize=4)
def _load(device: str) -> tuple[TaggerNetwork, str]:
    """Load the network and its version, once for each device.

    The first to ask may be a step of a training, whose random numbers must not depend on it: a training that goes on
    loads it in another step.
    """
    with torch.random.fork_rng(devices=[]):
        network = TaggerNetwork()
    weights, version = load_bundled_weights("audio")
    network.load_state_dict(weights)
    fold_norms(network.eval())
    order_channels_last(network)
    return network.to(device).requires_grad_(False), version


def _separable(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
