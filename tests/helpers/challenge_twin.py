"""A plain twin of the challenge's audio model, written from its published description: layers, names and order.

Three blocks of convolution, normalization, ReLU and pooling; a bidirectional GRU whose halves, after tanh, gate each
other; attention with residual and normalization; linear layers; tanh for x and y, ReLU for the distance. Nothing of
seldfuse is in here.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        self.bn = nn.BatchNorm2d(outputs)
        self.pool = nn.MaxPool2d(pool)


class Twin(nn.Module):
    """Of the challenge's sizes, unless others are asked for."""

    def __init__(
        self, filters: int = 64, width: int = 128, heads: int = 8, attentions: int = 2, time_pool: int = 5, **other: int
    ) -> None:
        super().__init__()
        self.classes = other.get("classes", 13)
        blocks, stereo = [], other.get("inputs", 2)
        for inputs, pool in ((stereo, (time_pool, 4)), (filters, (1, 4)), (filters, (1, 2))):
            blocks.append(Block(inputs, filters, pool))
        self.conv_blocks = nn.ModuleList(blocks)
        self.gru = nn.GRU(2 * filters, width, other.get("recurrent", 2), batch_first=True, bidirectional=True)
        self.mhsa_layers = nn.ModuleList(
            nn.MultiheadAttention(width, heads, batch_first=True) for _ in range(attentions)
        )
        self.layer_norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(attentions))
        outputs = other.get("tracks", 3) * 3 * self.classes
        self.fnn_list = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, outputs)])
        if "pictures" in other:
            self.visual_embed_to_d_model = nn.Linear(49, width)

    def forward(self, logmel: torch.Tensor) -> torch.Tensor:
        x = logmel
        for block in self.conv_blocks:
            x = block.pool(torch.relu(block.bn(block.conv(x))))
        batch, channels, frames, mels = x.shape
        x = x.permute(0, 2, 1, 3).reshape(batch, frames, channels * mels)
        x = torch.tanh(self.gru(x)[0])
        half = x.shape[-1] // 2
        x = x[..., :half] * x[..., half:]
        for attention, norm in zip(self.mhsa_layers, self.layer_norms, strict=True):
            x = norm(attention(x, x, x)[0] + x)
        for layer in self.fnn_list:
            x = layer(x)
        x = x.reshape(batch, frames, 3, 3, self.classes)
        return torch.cat([x[:, :, :, :2].tanh(), x[:, :, :, 2:].relu()], dim=3).flatten(2)


def make_twin(seed: int = 0, **sizes: int) -> Twin:
    """Make a random network whose normalization has seen something, and whose outputs are not all alike."""
    torch.manual_seed(seed)
    twin = Twin(**sizes)
    with torch.no_grad():
        for name, tensor in twin.state_dict().items():
            if name.endswith("running_mean"):
                tensor.normal_(-20, 5)
            elif name.endswith("running_var"):
                tensor.uniform_(50, 200)
        twin.fnn_list[-1].weight.mul_(6)
    return twin.eval()


def save(twin: nn.Module, path: Path, **beside: Any) -> Path:
    """Save a network as the challenge's main.py does."""
    optimizer = torch.optim.Adam(twin.parameters(), lr=1e-3)
    content = {
        "seld_model": twin.state_dict(),
        "opt": optimizer.state_dict(),
        "epoch": 161,
        "best_f_score": np.float64(0.2278),
        "best_ang_err": np.float64(24.5),
        "best_rel_dist_err": np.float32(0.41),
    }
    torch.save(content | beside, path)
    return path


def compute_logmel(audio: np.ndarray, hop_s: float = 0.02) -> torch.Tensor:
    """Compute the challenge's features of 24 kHz stereo `(2, sample)`: librosa's, both channels below one maximum."""
    import librosa  # takes seconds

    hop = int(24_000 * hop_s)
    spectrum = librosa.stft(audio, n_fft=2 ** (2 * hop - 1).bit_length(), hop_length=hop, win_length=2 * hop)
    mel = librosa.feature.melspectrogram(S=np.abs(spectrum) ** 2, sr=24_000, n_mels=64)
    return torch.from_numpy(librosa.power_to_db(mel).transpose(0, 2, 1)).float()
