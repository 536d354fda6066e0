"""What kind of sound it is, from a network that has heard much before: YAMNet's body, taught along with the rest.

It takes the log-mel spectrogram that the trunk takes, so that augmentation reaches it, and brings it to the bands of
YAMNet by a fixed matrix; `seldfuse.train.initialize` sets that and YAMNet's weights.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.nn.mobilenet import STRIDE, MobileNet

BANDS = 64
REPEATS = 2
"""YAMNet's spectra are 10 ms apart, the log-mel's 20 ms."""

LOG_OFFSET = math.log(0.001)
"""What YAMNet's log-mel of silence is."""

STEPS_PER_FRAME = STRIDE / 10
"""Frames of 100 ms that a step is long."""


class ClassBranch(nn.Module):
    """From the levels of left and right to YAMNet's embedding, interpolated to 100 ms frames.

    `bands` and `offset` make the natural logarithm of YAMNet's bands of levels in dB.
    """

    bands: Tensor
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bands", torch.eye(BANDS) * (math.log(10.0) / 20.0))
        self.register_buffer("offset", torch.zeros(BANDS))
        self.body = MobileNet()

    def forward(self, level_db: Float[Tensor, "batch 2 time 64"]) -> Float[Tensor, "batch frame 1024"]:
        mean_db = torch.logsumexp(level_db * (math.log(10.0) / 10.0), dim=1) * (10.0 / math.log(10.0)) - 3.0103
        spectra = mean_db @ self.bands + self.offset
        spectra = torch.logaddexp(spectra, torch.full_like(spectra, LOG_OFFSET)).repeat_interleave(REPEATS, dim=1)
        steps = self.body(F.pad(spectra, (0, 0, 0, -spectra.shape[1] % STRIDE), value=LOG_OFFSET))
        return _to_frames(steps, level_db.shape[2] * REPEATS // 10)


def _to_frames(steps: Float[Tensor, "batch step value"], frames: int) -> Float[Tensor, "batch frame value"]:
    """Interpolate linearly to the middles of frames. A step's middle is the last of its spectra, as the padding of
    even sizes has it."""
    place = (torch.arange(frames, device=steps.device) + 0.5) / STEPS_PER_FRAME - 1.0
    place = place.clamp(0, steps.shape[1] - 1)
    before = place.long()
    after = (before + 1).clamp_max(steps.shape[1] - 1)
    share = (place - before).to(steps.dtype).unsqueeze(-1)
    return (1.0 - share) * steps[:, before] + share * steps[:, after]
