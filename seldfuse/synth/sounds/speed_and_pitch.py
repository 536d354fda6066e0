"""The same sound, played faster or slower, higher or lower."""

from fractions import Fraction

import av
import numpy as np
import soxr
from jaxtyping import Float32

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.errors import UsageError

SLOWEST, FASTEST = 0.5, 2.0
MOST_SEMITONES = 12.0
# FFmpeg's stretcher holds the last window back; silence pushes it out.
PUSH_SAMPLES = 4096


def change_speed_and_pitch(
    samples: Float32[np.ndarray, "sample"], speed: float, semitones: float
) -> Float32[np.ndarray, "resampled"]:
    """Play a sound `speed` times as fast, with its pitch, as a tape would, and then raise it by `semitones` alone.

    24 kHz in, 24 kHz out, `1 / speed` as long, at the same level. `speed` 1 and 0 `semitones` return the array itself.
    The stretching is FFmpeg's `atempo` (waveform similarity overlap-add), which moves onsets by up to 20 ms. Raises
    UsageError where `speed` is not between 0.5 and 2 or `semitones` not between -12 and 12.
    """
    if not (SLOWEST <= speed <= FASTEST and abs(semitones) <= MOST_SEMITONES):
        raise UsageError(
            f"expected a speed of {SLOWEST} to {FASTEST} and at most {MOST_SEMITONES:.0f} semitones up or down, "
            f"got {speed} and {semitones}"
        )
    # To raise the pitch alone, the tape runs too fast and is then stretched by as much.
    stretch = 2.0 ** (semitones / 12)
    faster = samples
    if speed * stretch != 1:
        faster = soxr.resample(samples, SAMPLE_RATE_HZ * speed * stretch, SAMPLE_RATE_HZ)
    if stretch == 1:
        return faster
    return _stretch(faster, stretch)[: round(samples.size / speed)]


def _stretch(samples: Float32[np.ndarray, "sample"], stretch: float) -> Float32[np.ndarray, "stretched"]:
    """`stretch` times as long at the same pitch, and silence after it."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=SAMPLE_RATE_HZ, format="flt", layout="mono", time_base=Fraction(1, SAMPLE_RATE_HZ)
    )
    tempo, sink = graph.add("atempo", f"{1 / stretch:.9f}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.pad(samples, (0, PUSH_SAMPLES))[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
    graph.push(frame)
    graph.push(None)
    parts = []
    while True:
        try:
            parts.append(graph.pull().to_ndarray()[0])
        except (EOFError, BlockingIOError):
            return np.concatenate(parts)
