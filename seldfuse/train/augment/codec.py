"""What a lossy codec does to the sound, before features are made of it."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from seldfuse.synth.codec import RATES, apply_codec
from seldfuse.train.augment.rows import draw_rows


def encode_lossy(
    audio: Float[Tensor, "batch 2 sample"], share: float, rng: np.random.Generator
) -> Float[Tensor, "batch 2 sample"]:
    """Encode a share of the clips, at 24 kHz, with a codec at a random bit rate; what overshoots is clipped.

    What sounds where does not change, so labels hold. Clips without codec are returned as they are.
    """
    rows = draw_rows(len(audio), share, rng, audio.device)
    if not len(rows):
        return audio
    kbps = rng.choice(list(RATES), len(rows)).tolist()
    starts = rng.integers(0, 2**31, len(rows)).tolist()
    return audio.index_copy(0, rows, apply_codec(audio[rows], kbps, starts).clamp_(-1.0, 1.0))
