"""Sound at the level that it was meant to have: full scale at 1, and nothing constant below it."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64

from seldfuse.errors import MediaError

HELD_S = 10.0
"""So much of the beginning tells of scale and offset."""

GREATEST_PEAK = 30.0
"""Floats may exceed full scale, but not by 30 dB."""
INTEGER_SCALES = (1 << 15, 1 << 23, 1 << 31)
CLIPPED = 1.5
"""A peak may exceed the scale of its integers by that much, where something was added up."""

LEAST_OFFSET = 1e-3
"""A smaller offset, at −60 dB, moves no direction; converters have such."""
STEADY = 0.25
"""How far, of itself, an offset may move from one chunk to the next."""
CHUNK_S = 0.5


class LevelCorrection:
    """The correction of one recording; `notes` say afterwards what was done."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz, self.notes = rate_hz, list[str]()
        self._scale = 1.0

    def apply(
        self, pieces: Iterator[Float32[np.ndarray, "channel sample"]]
    ) -> Iterator[Float32[np.ndarray, "channel sample"]]:
        """Yield the pieces, unchanged where nothing is wrong, scaled down where floats are those of integers, without a
        constant offset. Raises MediaError where they become far too loud later on.
        """
        held, length = list[Float32[np.ndarray, "channel sample"]](), 0
        for piece in pieces:
            held.append(piece)
            length += piece.shape[1]
            if length >= HELD_S * self.rate_hz:
                break
        if not held:
            return
        beginning = np.concatenate(held, axis=1)
        self._scale = self._find_scale(float(np.abs(beginning).max(initial=0.0)))
        offset = self._find_offset(beginning / self._scale)
        yield from (self._correct(piece, offset) for piece in held)
        yield from (self._correct(piece, offset) for piece in pieces)

    def _correct(
        self, piece: Float32[np.ndarray, "channel sample"], offset: Float64[np.ndarray, "channel"]
    ) -> Float32[np.ndarray, "channel sample"]:
        if self._scale != 1.0:
            piece = piece / np.float32(self._scale)
        peak = float(np.abs(piece).max(initial=0.0))
        if peak > GREATEST_PEAK:
            raise MediaError(
                f"samples reach {peak * self._scale:.0f} times full scale, like integers that were saved as floats; "
                "divide them by the full scale of the integers, such as 32768"
            )
        # Where there is nothing but zeros the sound pauses, and the offset, too.
        if not offset.any() or not peak:
            return piece
        return piece - offset.astype(np.float32)[:, None]

    def _find_scale(self, peak: float) -> float:
        if peak <= GREATEST_PEAK:
            return 1.0
        scale = next((scale for scale in INTEGER_SCALES if peak <= CLIPPED * scale), None)
        if scale is None:
            return 1.0
        bits = scale.bit_length()
        self.notes.append(
            f"samples reach {peak:.0f} times full scale, like integers of {bits} bits that were saved as floats; they "
            f"were divided by {scale}"
        )
        return float(scale)

    def _find_offset(self, sound: np.ndarray) -> Float64[np.ndarray, "channel"]:
        """Find what every chunk of a channel has as its mean; chunks of nothing but zeros do not count."""
        none = np.zeros(len(sound))
        size = round(CHUNK_S * self.rate_hz)
        chunks = sound[:, : sound.shape[1] // size * size].reshape(len(sound), -1, size).astype(np.float64)
        chunks = chunks[:, np.abs(chunks).max(axis=(0, 2), initial=0.0) > 0]
        if not chunks.shape[1]:
            return none
        means = chunks.mean(axis=2)  # (channel, chunk)
        mean = np.median(means, axis=1)
        steady = np.abs(means - mean[:, None]).max(axis=1) <= STEADY * np.abs(mean)
        offset = np.where(steady & (np.abs(mean) > LEAST_OFFSET), mean, 0.0)
        if offset.any():
            listed = " and ".join(f"{value:+.3f}" for value in offset)
            self.notes.append(f"the sound had a constant offset ({listed} of full scale), which was taken away")
        return offset
