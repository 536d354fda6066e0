"""The convolutional front end: a narrow ResNet over time and frequency."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        same = channels_in == channels_out
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))
        )
        self.activation = nn.ReLU()

    def forward(self, x: Float[Tensor, "batch channel time mel"]) -> Float[Tensor, "batch other time mel"]:
        return self.activation(self.body(x) + self.shortcut(x))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """Stem, four stages of two blocks, a 1×1 projection.

    `pools` are the max-pools (time, mel) in the stem and after the first three stages.
    """

    def __init__(
        self, channels_in: int, widths: Sequence[int], pools: Sequence[tuple[int, int]], channels_out: int
    ) -> None:
        super().__init__()
        stages = [
            nn.Sequential(BasicBlock(before, width), BasicBlock(width, width))
            for before, width in zip((widths[0], *widths), widths, strict=False)
        ]
        # Pooling before the norm, not after it: an early pool leaves the norm and the ReLU a twentieth of the cells.
        stem = [
            nn.Conv2d(channels_in, widths[0], 3, padding=1, bias=False),
            *_pool(pools[0]),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
            stages[0],
        ]
        layers: list[nn.Module] = list(stem)
        for pool, stage in zip(pools[1:], stages[1:], strict=True):
            layers += [*_pool(pool), stage]
        layers.append(nn.Conv2d(widths[-1], channels_out, 1, bias=False))
        self.layers = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "batch channel time mel"]) -> Float[Tensor, "batch out short low"]:
        return self.layers(x)  # type: ignore[no-any-return]


def _pool(size: tuple[int, int]) -> list[nn.Module]:
    return [] if size == (1, 1) else [nn.MaxPool2d(size)]
