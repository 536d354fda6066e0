"""What the bands of a class say of its place: attention over mel bands, class by class.

Sources of different classes share a frame, not so often a band. So a class weighs the bands by what the trunk knows of
the frame, and features that tell directions, such as `direct`, need not pass the trunk.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

BANDS = 16
HIDDEN = 64


class BandAttention(nn.Module):
    """From frames and standardized features to 64 values for each class and frame, in single precision.

    Features and their squares are averaged over 16 groups of mel bands and over each frame, then over groups with the
    weights of each class. Weights have a part that is common to all classes, and the layers behind are the same for
    all: where sound comes from is learned from whatever sounds.
    """

    VALUES = HIDDEN

    def __init__(self, dim: int, classes: int, channels: int) -> None:
        super().__init__()
        self.weights = nn.Linear(dim, (1 + classes) * BANDS)
        self.from_bands = nn.Linear(2 * channels, HIDDEN)
        self.from_frame = nn.Linear(dim, HIDDEN)
        self.of_class = nn.Parameter(torch.zeros(classes, HIDDEN))
        self.mix = nn.Linear(HIDDEN, HIDDEN)

    def forward(
        self, x: Float[Tensor, "batch frame dim"], features: Float[Tensor, "batch channel time mel"]
    ) -> Float[Tensor, "batch frame cls 64"]:
        with torch.autocast(x.device.type, enabled=False):
            return self._attend(x.float(), features.float())

    def _attend(self, x: Tensor, features: Tensor) -> Tensor:
        groups = (features.shape[2] // x.shape[1], features.shape[3] // BANDS)
        bands = F.avg_pool2d(features, groups).permute(0, 2, 3, 1)  # (batch, frame, band, channel)
        scores = self.weights(x).unflatten(-1, (-1, BANDS))
        weights = (scores[..., :1, :] + scores[..., 1:, :]).softmax(dim=-1)  # (batch, frame, cls, band)
        pooled = weights @ torch.cat([bands, bands.square()], dim=-1)
        hidden = self.from_bands(pooled) + self.from_frame(x).unsqueeze(2) + self.of_class
        return self.mix(F.gelu(hidden)).relu()  # type: ignore[no-any-return]
