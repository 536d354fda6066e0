"""ResNet-Conformer: the trunk of SED-DOA, SED-SDE and SED-SCE.

Source: the first-placed audio system of DCASE 2024 Task 3 (USTC; `Solution_on_3D_SELD`), with two input channels.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.checkpoint import check_network_settings
from seldfuse.nn.class_branch import ClassBranch
from seldfuse.nn.conformer import ConformerBlock
from seldfuse.nn.mobilenet import EMBEDDING
from seldfuse.nn.resnet import ResNet

MELS = 64
HOPS_PER_FRAME = 5


@dataclass(frozen=True)
class TrunkConfig:
    """Sizes of the trunk, by default the published ones.

    `pools` are (time, mel) after the stem and after the first three ResNet stages. Pooling time in the stem, and not at
    the end, makes a network eight times cheaper.

    Beside the features a trunk can take the tokens of one `encoder`, `token_channels` values for each 100 ms frame. Or
    it has a network of its own for what kind of sound it is (`seldfuse.nn.class_branch`), which takes the first two
    channels of the features, the log-mel spectrograms of left and right; `class_branch` names the encoder whose weights
    it begins with. Both need time to be pooled in the stem.
    """

    channels: int = 2
    widths: tuple[int, ...] = (24, 48, 96, 192)
    pools: tuple[tuple[int, int], ...] = ((1, 1), (1, 4), (1, 4), (1, 2))
    projection: int = 256
    dim: int = 256
    blocks: int = 8
    heads: int = 8
    head_dim: int = 32
    dropout: float = 0.1
    encoder: str = ""
    token_channels: int = 0
    class_branch: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TrunkConfig":
        """Make settings of JSON values. Raises CheckpointError for a setting that this version does not know."""
        check_network_settings(data, cls)
        lists = {"widths": tuple(data["widths"]), "pools": tuple((int(t), int(m)) for t, m in data["pools"])}
        return cls(**{**data, **lists})


class Trunk(nn.Module):
    """From standardised features to one vector per 100 ms frame.

    `mean` and `deviation` standardise each channel and mel band; they are measured once on training data and travel
    with the weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.channels, 1, MELS))
        self.register_buffer("deviation", torch.ones(config.channels, 1, MELS))
        self.resnet = ResNet(config.channels, config.widths, config.pools, config.projection)
        time_pool, mel_pool = (math.prod(pool[axis] for pool in config.pools) for axis in (0, 1))
        self.into = nn.Sequential(nn.Linear(config.projection * (MELS // mel_pool), config.dim), nn.Dropout(0.05))
        self.blocks = nn.Sequential(
            *[
                ConformerBlock(config.dim, config.heads, config.head_dim, dropout=config.dropout)
                for _ in range(config.blocks)
            ]
        )
        self.to_frames = nn.MaxPool1d(HOPS_PER_FRAME // time_pool)
        self.class_branch = ClassBranch() if config.class_branch else None
        joined = EMBEDDING if config.class_branch else config.token_channels
        self.join = nn.Sequential(nn.LayerNorm(joined), nn.Linear(joined, config.dim)) if joined else None

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.mean.copy_(mean.view_as(self.mean))
        self.deviation.copy_(deviation.clamp_min(1e-3).view_as(self.deviation))

    def forward(
        self, features: Float[Tensor, "batch channel time mel"], tokens: Mapping[str, Tensor] | None = None
    ) -> Float[Tensor, "batch frame dim"]:
        x = self.blocks(self.enter(self.listen(features), features, tokens))
        return self.to_frames(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

    def listen(self, features: Float[Tensor, "batch channel time mel"]) -> Float[Tensor, "batch short value"]:
        """Compute what the ResNet makes of the features, before the blocks."""
        x = self.resnet(self.standardize(features))  # (batch, projection, short, low)
        return x.transpose(1, 2).flatten(2)  # type: ignore[no-any-return]

    def enter(
        self,
        heard: Float[Tensor, "batch short value"],
        features: Float[Tensor, "batch channel time mel"],
        tokens: Mapping[str, Tensor] | None = None,
    ) -> Float[Tensor, "batch short dim"]:
        """Bring what `listen` gave, and what the class branch or the encoder knows, to the size of the blocks."""
        x = self.into(heard)
        return x if self.join is None else x + self.join(self._describe_frames(features, tokens))  # type: ignore[no-any-return]

    def standardize(self, features: Float[Tensor, "batch channel time mel"]) -> Float[Tensor, "batch channel time mel"]:
        """Bring each channel and mel band to mean 0 and deviation 1."""
        return (features - self.mean) / self.deviation

    def _describe_frames(
        self, features: Float[Tensor, "batch channel time mel"], tokens: Mapping[str, Tensor] | None
    ) -> Float[Tensor, "batch frame value"]:
        """What the class branch or the encoder makes of each frame."""
        if self.class_branch is not None:
            return self.class_branch(features[:, :2])  # type: ignore[no-any-return]
        assert tokens is not None
        return tokens[self.config.encoder].to(features.dtype).flatten(2)
