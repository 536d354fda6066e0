"""YAMNet's body: a MobileNet v1 (Howard et al. 2017), batch norms folded into the convolutions, any length of time."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

STEM_CHANNELS = 32
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Channels and stride of each separable convolution."""
EMBEDDING = 1024
STRIDE = 32
"""Spectra for each step."""


class MobileNet(nn.Module):
    """Spectra of 64 bands to an embedding of 1024 values for every 32 of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Same(1, STEM_CHANNELS, stride=2)
        widths = pairwise((STEM_CHANNELS, *(channels for channels, _ in BLOCKS)))
        strides = (stride for _, stride in BLOCKS)
        self.blocks = nn.Sequential(*[_Separable(*pair, stride) for pair, stride in zip(widths, strides, strict=True)])

    def forward(self, spectra: Float[Tensor, "batch time 64"]) -> Float[Tensor, "batch step 1024"]:
        """Compute the embedding of every step; `time` is a multiple of 32 spectra."""
        maps = self.blocks(self.stem(spectra.unsqueeze(1)).relu_())  # (batch, 1024, step, 2)
        return maps.mean(dim=3).transpose(1, 2)  # type: ignore[no-any-return]


class _Same(nn.Conv2d):
    """A convolution 3×3 that pads as TensorFlow's "same" does with even sizes: at the end only with a stride of two."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, groups: int = 1) -> None:
        super().__init__(channels_in, channels_out, 3, stride, padding=1 if stride == 1 else 0, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.stride == (1, 1) else F.pad(x, (0, 1, 0, 1)))


class _Separable(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = _Same(channels_in, channels_in, stride, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x).relu_()).relu_()  # type: ignore[no-any-return]
