"""From four channels of first-order Ambisonics to left and right."""

from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from jaxtyping import Float32

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.errors import MediaError
from seldfuse.media.container import decode_stream, find_audio_stream, open_media

W, Y, X = 0, 1, 3
"""The channels that count, in the order of ACN."""


def read_foa(path: Path, first: int, count: int) -> Float32[np.ndarray, "channel {count}"]:
    """Read `count` samples of all channels from the sample `first` on, full scale at 1.

    The file's rate is taken for 24 kHz. Raises MediaError where it cannot be read, ends before, or holds NaN or Inf.
    """
    pieces, there = [], 0
    with open_media(path) as container:
        stream = find_audio_stream(container)
        if stream is None:
            raise MediaError(f"expected a file with sound, found no audio stream in it: {path}")
        container.seek(first, stream=stream)
        to_float = AudioResampler(format="fltp")
        for frame in decode_stream(container, stream, AudioFrame, on_damage=lambda _: None):
            for piece in to_float.resample(frame):
                skipped = max(0, first + there - (piece.pts or 0))
                pieces.append(piece.to_ndarray()[:, skipped:])
                there += pieces[-1].shape[1]
            if there >= count:
                break
    if there < count:
        end_s, wanted_s = (first + there) / SAMPLE_RATE_HZ, (first + count) / SAMPLE_RATE_HZ
        raise MediaError(f"the sound ends at {end_s:.1f} s, though its header promises {wanted_s:.1f} s: {path}")
    samples = np.concatenate(pieces, axis=1)[:, :count]
    if not np.isfinite(samples).all():
        raise MediaError(f"the sound holds NaN or Inf; export it anew: {path}")
    return samples


def convert_to_stereo(foa: Float32[np.ndarray, "4 sample"], angle_deg: int) -> Float32[np.ndarray, "2 sample"]:
    """Compute left and right of a coincident pair that points along a viewing angle: L = W + Y', R = W − Y'.

    Y' is Y of the scene turned to the left by the angle. A plane wave of azimuth θ and elevation φ comes out as
    1 ± sin(θ + angle) cos φ (Wilkins et al., "Two vs. Four-Channel Sound Event Localization and Detection", 2023).
    """
    angle = np.radians(angle_deg)
    turned = np.float32(np.sin(angle)) * foa[X] + np.float32(np.cos(angle)) * foa[Y]
    return np.stack([foa[W] + turned, foa[W] - turned])
