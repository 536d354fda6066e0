"""The small picture encoder that ships: the beginning of an EfficientNet-Lite0, its map pooled to columns."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from seldfuse.encoders.shipped_weights import load_bundled_weights, refuse_weights
from seldfuse.nn.channels_last import order_channels_last
from seldfuse.nn.efficientnet_lite import CHANNELS, STRIDE, EfficientNetLite
from seldfuse.nn.fold_norms import fold_norms

HEIGHT_PX, WIDTH_PX = 126, 224
TOKENS = WIDTH_PX // STRIDE
KEPT_CHANNELS = 64
AT_ONCE = 2
"""Pictures whose maps fit a processor's cache: 16 at once take 1.4 times as long."""
GREY = 127.0
"""The published weights were trained on pictures from −1 to 1."""


class ColumnNetwork(nn.Module):
    """Each column of a picture as the mean and the maximum of the map over rows, projected to few channels.

    The projection is that to the strongest principal components of pictures of the synthetic world, at unit variance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = EfficientNetLite()
        self.projection = nn.Linear(2 * CHANNELS, KEPT_CHANNELS)

    def forward(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column channel"]:
        return self.projection(self.compute_columns(pictures))  # type: ignore[no-any-return]

    def compute_columns(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column 224"]:
        """Compute the columns on which the projection is fitted."""
        values = ((pictures.float() - GREY) / 128.0).contiguous(memory_format=torch.channels_last)
        found = self.trunk(values)  # (picture, 112, 8, 14)
        return torch.cat([found.mean(dim=2), found.amax(dim=2)], dim=1).transpose(1, 2)


class CompactImage:
    """`compact-image`: 14 columns of 64 values, five times a second."""

    name = "compact-image"
    height_px, width_px, rate_hz = HEIGHT_PX, WIDTH_PX, 5
    tokens, channels = TOKENS, KEPT_CHANNELS

    def __init__(self, device: torch.device) -> None:
        weights, self.version = load_bundled_weights("image")
        network = ColumnNetwork()
        network.load_state_dict(weights)
        fold_norms(network.eval())
        order_channels_last(network)
        self.network, self.device = network.to(device), device

    @torch.inference_mode()
    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column channel"]:
        parts = torch.split(pictures, AT_ONCE) if self.device.type == "cpu" else (pictures,)
        return torch.cat([self.network(part.to(self.device)) for part in parts])


def load_compact_image(weights: str | None, device: torch.device) -> CompactImage:
    """Load `compact-image`. Raises UsageError for weights of one's own, CheckpointError where its own are missing."""
    refuse_weights(CompactImage.name, weights)
    return CompactImage(device)
