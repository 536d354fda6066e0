"""What checks look at: a clip's labels in rows, and its sound by the covariance of its channels in every frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.grid import SAMPLES_PER_FRAME

SILENT_DB = -80.0
"""A frame below this level of full scale has no sound."""

QUIET_DB = 25.0
"""A frame so far below the loud ones of its clip is not one in which a source is heard."""

SEGMENT_FRAMES = 10
"""A source that sounds alone is looked at in pieces of a second: it may move."""

FRAME, CLASS, SOURCE, AZIMUTH, DISTANCE, ONSCREEN = range(6)
"""The columns of label rows, as `formats.label_files.LabelFile` has them."""


@dataclass(frozen=True)
class MeasuredSound:
    """The sound of a clip: `covariance` of its channels in every frame of 100 ms, and a digest of all samples."""

    covariance: Float64[np.ndarray, "frame channel channel"]
    digest: str
    clipped: float = 0.0

    @property
    def frames(self) -> int:
        return len(self.covariance)

    @cached_property
    def level_db(self) -> Float64[np.ndarray, "frame"]:
        """The level of each frame in dB of full scale, the mean over channels."""
        power = np.trace(self.covariance, axis1=1, axis2=2) / self.covariance.shape[1]
        return np.asarray(10 * np.log10(power.clip(1e-12)))

    @cached_property
    def loud(self) -> Bool[np.ndarray, "frame"]:
        """The frames in which something is heard."""
        reference = np.percentile(self.level_db, 95) if self.frames else 0.0
        return np.asarray(self.level_db > max(SILENT_DB, reference - QUIET_DB))

    @cached_property
    def mid(self) -> Float64[np.ndarray, "frame"]:
        """The power of left + right."""
        (ll, lr), (_, rr) = self._pair()
        return np.asarray(ll + 2 * lr + rr)

    @cached_property
    def side(self) -> Float64[np.ndarray, "frame"]:
        """The power of left − right."""
        (ll, lr), (_, rr) = self._pair()
        return np.asarray(ll - 2 * lr + rr)

    @cached_property
    def product(self) -> Float64[np.ndarray, "frame"]:
        """The power of (left − right) times (left + right), which has the sign of the azimuth."""
        (ll, _), (_, rr) = self._pair()
        return np.asarray(ll - rr)

    def _pair(self) -> Float64[np.ndarray, "2 2 frame"]:
        return np.moveaxis(self.covariance[:, :2, :2], 0, -1)


@dataclass(frozen=True)
class CheckedClip:
    """A clip as checks see it: label rows, and its sound where it was measured.

    `part` is "train" or "validate". Shape: `rows` have the columns of `formats.label_files.LabelFile`.
    """

    name: str
    rows: Float64[np.ndarray, "row 6"]
    sound: MeasuredSound | None = None
    part: str = "train"


class SingleSources(NamedTuple):
    """Pieces of up to a second in which one source is labelled, and one alone: what is labelled, and what is heard.

    `lateral` is (left − right)(left + right) over (left + right)², the sine of the azimuth of a plane wave.
    """

    clip: Int64[np.ndarray, "piece"]
    azimuth_deg: Float64[np.ndarray, "piece"]
    lateral: Float64[np.ndarray, "piece"]
    power: Float64[np.ndarray, "piece"]


def measure_sound(blocks: Iterable[np.ndarray]) -> MeasuredSound:
    """Measure sound that comes in blocks `(channel, sample)` at 24 kHz; the last frame may be cut."""
    digest, rest, found = sha256(), None, []
    clipped = total = 0
    for block in blocks:
        sound = np.asarray(block, np.float64)
        digest.update(np.round(sound * 32767).astype(np.int16).tobytes())
        clipped, total = clipped + int((np.abs(sound) > 0.9999).sum()), total + sound.size
        sound = sound if rest is None else np.concatenate([rest, sound], axis=1)
        whole = sound.shape[1] - sound.shape[1] % SAMPLES_PER_FRAME
        rest = sound[:, whole:]
        found.append(_covariance(sound[:, :whole]))
    if rest is not None and rest.shape[1] >= SAMPLES_PER_FRAME // 2:
        found.append(_covariance(rest, rest.shape[1]))
    channels = 2 if rest is None else len(rest)
    covariance = np.concatenate([np.zeros((0, channels, channels)), *found])
    return MeasuredSound(covariance, digest.hexdigest(), clipped / max(total, 1))


def _covariance(sound: np.ndarray, samples: int = SAMPLES_PER_FRAME) -> Float64[np.ndarray, "frame channel channel"]:
    frames = sound.reshape(len(sound), -1, samples).transpose(1, 0, 2)
    return np.asarray(frames @ frames.transpose(0, 2, 1) / samples)


def find_single_sources(clips: list[CheckedClip]) -> SingleSources:
    """Find the pieces in which one source is labelled alone, and something is heard, in clips with sound."""
    parts = [_pieces_of(number, clip) for number, clip in enumerate(clips) if clip.sound is not None]
    columns = [np.concatenate([np.zeros(0), *column]) for column in zip(*parts, strict=True)] if parts else []
    if not columns:
        return SingleSources(np.zeros(0, np.int64), *np.zeros((3, 0)))
    clip, azimuth_deg, lateral, power = columns
    return SingleSources(clip.astype(np.int64), azimuth_deg, lateral, power)


def select_single(clip: CheckedClip) -> tuple[Int64[np.ndarray, "frame"], Float64[np.ndarray, "frame 6"]]:
    """Select the frames in which one source is labelled alone and something is heard, and their rows."""
    assert clip.sound is not None
    rows = clip.rows[(clip.rows[:, FRAME] >= 0) & (clip.rows[:, FRAME] < clip.sound.frames)]
    rows = rows[np.argsort(rows[:, FRAME], kind="stable")]
    frame = rows[:, FRAME].astype(np.int64)
    counts = np.bincount(frame, minlength=clip.sound.frames)
    alone = (counts[frame] == 1) & clip.sound.loud[frame] & ~np.isnan(rows[:, AZIMUTH])
    return frame[alone], rows[alone]


def _pieces_of(number: int, clip: CheckedClip) -> tuple[np.ndarray, ...]:
    assert clip.sound is not None
    frame, rows = select_single(clip)
    if not len(frame):
        return (np.zeros(0),) * 4
    new = np.r_[True, (np.diff(frame) != 1) | (np.diff(rows[:, CLASS]) != 0) | (np.diff(rows[:, SOURCE]) != 0)]
    run = np.cumsum(new) - 1
    within = np.arange(len(frame)) - np.flatnonzero(new)[run]
    piece = np.unique(run * 10_000 + within // SEGMENT_FRAMES, return_inverse=True)[1]
    pieces = int(piece.max()) + 1

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(piece, values, minlength=pieces)

    folded = np.radians(fold_azimuth(rows[:, AZIMUTH]))
    azimuth_deg = np.degrees(np.arctan2(total(np.sin(folded)), total(np.cos(folded))))
    mid = total(clip.sound.mid[frame])
    lateral = total(clip.sound.product[frame]) / mid.clip(1e-15)
    return np.full(pieces, number), azimuth_deg, lateral, mid
