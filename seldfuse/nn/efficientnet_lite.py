"""The first five stages of EfficientNet-Lite0: a small network for pictures, down to a sixteenth of their size.

Source: Tan and Le, "EfficientNet", ICML 2019, in its Lite form (no squeeze-and-excitation, ReLU6). Pads as TensorFlow
does, so that its published weights mean the same here.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

STEM = 32
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
"""Blocks, kernel, stride of the first block, expansion, channels."""

CHANNELS = STAGES[-1][-1]
STRIDE = 16
NORM_EPS = 1e-3


class _Convolution(nn.Sequential):
    """Convolution without bias, norm, and ReLU6 if wanted."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        # Strides of 2 pad below and to the right only, which the caller does.
        padding = kernel // 2 if stride == 1 else 0
        layers: list[nn.Module] = [
            nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(channels_out, NORM_EPS),
        ]
        super().__init__(*layers, *([nn.ReLU6(inplace=True)] if active else []))
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = _pad(x, self.kernel, self.stride)
        for layer in self:
            x = layer(x)
        return x


class _Block(nn.Module):
    """Widen, filter each channel by itself, narrow; beside a shortcut where nothing changes its size."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        widen = [_Convolution(channels_in, inner, 1)] if expansion > 1 else []
        self.body = nn.Sequential(
            *widen,
            _Convolution(inner, inner, kernel, stride, groups=inner),
            _Convolution(inner, channels_out, 1, active=False),
        )
        self.shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.shortcut else self.body(x)  # type: ignore[no-any-return]


class EfficientNetLite(nn.Module):
    """Pictures to maps of a sixteenth of their height and width."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_Convolution(3, STEM, 3, 2)]
        before = STEM
        for blocks, kernel, stride, expansion, channels in STAGES:
            for number in range(blocks):
                layers.append(_Block(before, channels, kernel, stride if number == 0 else 1, expansion))
                before = channels
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Float[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture 112 row column"]:
        return self.layers(pictures)  # type: ignore[no-any-return]


def _pad(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Padded for an output of ⌈size / stride⌉, the odd pixel at the end."""
    down, across = (max(0, (-(-size // stride) - 1) * stride + kernel - size) for size in x.shape[-2:])
    return F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
