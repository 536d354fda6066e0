"""How often both of two sources of one class are found, which takes more than one track per class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int64

from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.geometry import fold_azimuth
from seldfuse.metrics.rows import EventRows, Scene, stack_rows, to_rows

AZIMUTH_LIMIT_DEG = 20.0
"""The limit of F20/1."""
APART_DEG = 2 * AZIMUTH_LIMIT_DEG
"""Nearer to each other, one prediction could be near enough to both."""


SOURCES = 100
"""Fewer sources has every scene; the second's are numbered from here."""


def two_at_once(clips: Sequence[Clip], references: Sequence[Scene]) -> tuple[list[Clip], list[np.ndarray]]:
    """Mix each clip, without its picture, with the one whose sounds coincide most with its own, as loud.

    Raises MediaError where a clip cannot be read.
    """
    rows = stack_rows(references)
    sounding = np.zeros((len(references), int(_moment(rows).max(initial=0)) + 1), dtype=np.float32)
    sounding[rows.clip, _moment(rows)] = 1.0
    shared = sounding @ sounding.T
    np.fill_diagonal(shared, -1.0)
    others = shared.argmax(axis=1)
    sounds = [_sound(clip) for clip in clips]
    mixed = [_added(sounds[one], sounds[other]) for one, other in enumerate(others)]
    scenes = [
        np.concatenate([to_rows(references[one]), _others(references[other])]) for one, other in enumerate(others)
    ]
    return [Clip(clip.name, ArrayAudio(sound)) for clip, sound in zip(clips, mixed, strict=True)], scenes


def _sound(clip: Clip) -> Float32[np.ndarray, "2 sample"]:
    return np.concatenate(list(clip.audio.blocks(lambda _: None)), axis=1)


def _added(
    one: Float32[np.ndarray, "2 sample"], other: Float32[np.ndarray, "2 sample"]
) -> Float32[np.ndarray, "2 sample"]:
    loudness = [max(float(np.square(sound).mean()), 1e-12) ** 0.5 for sound in (one, other)]
    added = one + other * np.float32(loudness[0] / loudness[1])
    return np.asarray(added / max(1.0, float(np.abs(added).max())), dtype=np.float32)


def _others(scene: Scene) -> np.ndarray:
    rows = to_rows(scene).copy()
    rows[:, 2] += SOURCES
    return rows


def both_found(references: Sequence[Scene], found: Sequence[Scene]) -> tuple[int, int]:
    """Count frames in which both of two sources of one class, more than 40° apart, were found within 20°; and all such.

    Frames in which the class has a third source are left out.
    """
    reference, prediction = stack_rows(references), stack_rows(found)
    cells, number = np.unique(_cell(reference), return_counts=True)
    order = np.argsort(_cell(reference), kind="stable")
    starts = np.searchsorted(_cell(reference)[order], cells[number == 2])
    azimuth_deg = fold_azimuth(reference.azimuth_deg[order][starts[:, None] + np.arange(2)])  # (cell, 2)
    apart = np.abs(azimuth_deg[:, 0] - azimuth_deg[:, 1]) > APART_DEG
    near = _near(prediction, cells[number == 2][apart], azimuth_deg[apart])
    return int(near.all(axis=1).sum()), int(apart.sum())


def _near(prediction: EventRows, cells: Int64[np.ndarray, "cell"], azimuth_deg: np.ndarray) -> np.ndarray:
    """Which of the two sources of each cell is within the limit of a prediction."""
    order = np.argsort(_cell(prediction), kind="stable")
    known, predicted_deg = _cell(prediction)[order], fold_azimuth(prediction.azimuth_deg[order])
    first, last = (np.searchsorted(known, cells, side=side) for side in ("left", "right"))
    near = np.zeros(azimuth_deg.shape, dtype=bool)
    for track in range(max(last - first, default=0)):
        here = first + track < last
        error_deg = np.abs(predicted_deg[np.minimum(first + track, len(known) - 1), None] - azimuth_deg)
        near |= here[:, None] & (error_deg <= AZIMUTH_LIMIT_DEG)
    return near


def _moment(rows: EventRows) -> Int64[np.ndarray, "row"]:
    """A number for each frame and class."""
    moment: Int64[np.ndarray, "row"] = rows.frame * 100 + rows.cls
    return moment


def _cell(rows: EventRows) -> Int64[np.ndarray, "row"]:
    """A number for each frame and class of a clip."""
    cell: Int64[np.ndarray, "row"] = rows.clip * 100_000_000 + _moment(rows)
    return cell
