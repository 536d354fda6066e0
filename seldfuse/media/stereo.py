"""Whether a recording has what directions are computed from: level differences between coincident microphones.

The models learnt from coincident pairs (the challenge's left and right are W + Y and W − Y of one microphone), whose
channels differ in level and never in time. Other recordings are processed too, but their owner should know.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float, Float32, Float64

from seldfuse.core.grid import SAMPLE_RATE_HZ

SILENT_PEAK = 2e-4
"""At −74 dB of full scale and below there is nothing but a converter's last bits."""

DEAD_DB = -60.0
"""A channel so far below the other one is not connected."""

ALIKE_DB = 20.0
"""A difference so far below the sum keeps directions within 6° of the middle; rooms spread them more."""

SAME_DB = 50.0
"""A difference so far below the sum turns no direction by more than 0.2°."""

SPACED_S = 1e-4
"""A delay of 0.1 ms is 3 cm of path, more than a coincident pair has."""

# A longer delay is more often an early reflection than the distance between microphones.
LONGEST_DELAY_S = 1.5e-3

CHECKED_S = 60.0
FRAME_SAMPLES = 2048
GROUP_FRAMES = 8
# Clear groups (0.7 s each) that it takes to judge, and how far a delayed peak must stand above the undelayed one.
LEAST_GROUPS = 3
MARGIN = 1.2

# Delays are estimated at quarters of a sample.
FINER = 4
_LONGEST = round(FINER * LONGEST_DELAY_S * SAMPLE_RATE_HZ)
_LAGS = np.arange(-_LONGEST, _LONGEST + 1)
_DELAYS_S = _LAGS / (FINER * SAMPLE_RATE_HZ)
_COINCIDENT = np.abs(_DELAYS_S) <= SPACED_S
_TAPER = np.hanning(FRAME_SAMPLES)


class StereoCheck:
    """A check of the blocks of one recording; afterwards `warnings()` tells what will go wrong with its directions."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._gram = np.zeros((2, 2))
        self._rest = np.zeros((2, 0))
        self._delays_s: list[float] = []
        self._checked_s = 0.0

    def pass_through(
        self, blocks: Iterable[Float32[np.ndarray, "2 sample"]]
    ) -> Iterator[Float32[np.ndarray, "2 sample"]]:
        """Yield the blocks unchanged and check them on the way."""
        for block in blocks:
            self.update(block)
            yield block

    def update(self, block: Float32[np.ndarray, "2 sample"]) -> None:
        """Check the next piece of sound; delays are estimated in the first minute that is not silent."""
        sound = block.astype(np.float64)
        peak = float(np.abs(sound).max(initial=0.0))
        self._peak = max(self._peak, peak)
        self._gram += sound @ sound.T
        if peak > SILENT_PEAK and self._checked_s < CHECKED_S:
            self._checked_s += sound.shape[1] / SAMPLE_RATE_HZ
            self._find_delays(sound)

    @property
    def silent(self) -> bool:
        """Test whether everything so far was silence."""
        return self._peak <= SILENT_PEAK

    def warnings(self) -> tuple[str, ...]:
        """List sentences for the user: what was found, what it does to the results, and what to do. Empty if all is
        well.
        """
        if self.silent:
            return ("the sound is silent, so nothing will be found; check the recording's level",)
        left, right = self._gram.diagonal()
        across = 2 * self._gram[0, 1]
        quieter, louder = sorted([("left", left), ("right", right)], key=lambda channel: channel[1])
        if _decibels(quieter[1], louder[1]) < DEAD_DB:
            return (
                f"the {quieter[0]} channel is silent, so every direction will come out far to the {louder[0]}; "
                "check the cable, or the channels of the export",
            )
        below_db = -_decibels(left + right - across, left + right + across)
        if below_db > ALIKE_DB:
            reach_deg = np.degrees(np.arcsin(10 ** (-below_db / 20)))
            end = "come out as 0°" if below_db > SAME_DB else f"stay within about {reach_deg:.0f}° of 0°"
            return (
                f"both channels are nearly alike (their difference is {below_db:.0f} dB below their sum), so "
                f"every direction will {end}; use the stereo original if this is a mono mix",
            )
        return self._spacing_warning()

    def _spacing_warning(self) -> tuple[str, ...]:
        delays_s = np.abs(self._delays_s)
        spaced = delays_s[delays_s > SPACED_S]
        if len(delays_s) < LEAST_GROUPS or len(spaced) <= len(delays_s) / 2:
            return ()
        delay_s = float(np.median(spaced))
        return (
            f"the microphones stand apart (the channels differ by {delay_s * 1e3:.2f} ms, {delay_s * 34300:.0f} cm of "
            "path), but the models read differences of level, not of time, so directions cannot be trusted; "
            "record with a coincident pair (XY or mid-side)",
        )

    def _find_delays(self, sound: Float64[np.ndarray, "2 sample"]) -> None:
        sound = np.concatenate([self._rest, sound], axis=1)
        whole = sound.shape[1] - sound.shape[1] % (GROUP_FRAMES * FRAME_SAMPLES)
        self._rest = sound[:, whole:]
        delays_s = estimate_delays_s(sound[:, :whole].reshape(2, -1, GROUP_FRAMES, FRAME_SAMPLES))
        self._delays_s.extend(delays_s[~np.isnan(delays_s)])


def estimate_delays_s(groups: Float64[np.ndarray, "2 group frame sample"]) -> Float[np.ndarray, " group"]:
    """Estimate the delay of the left channel behind the right one in each group of frames; NaN where none stands out.

    The peak of the generalised cross-correlation with phase transform (Knapp and Carter, 1976), averaged over the
    frames of a group. Its sign does not count: a coincident pair may have channels of opposite sign.
    """
    left, right = np.fft.rfft(groups * _TAPER)
    cross = left * right.conj()
    power = np.abs(cross)
    # Phases of inaudible bins (above the band of a telephone, between packets of a codec) are those of rounding.
    audible = power > 1e-4 * power.max(axis=(1, 2), keepdims=True)
    phases = np.where(audible, cross / np.where(audible, power, 1.0), 0.0).sum(axis=1)
    bins = audible.sum(axis=(1, 2)).clip(min=1)
    correlation = np.fft.irfft(phases, FINER * FRAME_SAMPLES)[:, _LAGS]
    likeness = np.abs(correlation) * FINER * FRAME_SAMPLES / 2 / bins[:, None]

    undelayed = np.where(_COINCIDENT, likeness, 0.0).max(axis=1)
    delayed = np.where(_COINCIDENT, 0.0, likeness).max(axis=1)
    best = np.where(_COINCIDENT, 0.0, likeness).argmax(axis=1)
    delays_s = np.where(delayed > MARGIN * undelayed, _DELAYS_S[best], 0.0)
    return np.where(np.maximum(delayed, undelayed) > 6 / np.sqrt(bins), delays_s, np.nan)


def _decibels(part: float, whole: float) -> float:
    return float(10 * np.log10(max(part, 1e-30) / max(whole, 1e-30)))
