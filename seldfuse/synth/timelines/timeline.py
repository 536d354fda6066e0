"""Who sounds when in a scene, drawn so that many scenes together sound as real ones do.

A cast is one that was met in real recordings. Each of its sources alternates between sound and silence on its own,
except that people in conversation let each other finish.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from seldfuse.core.grid import FRAME_S
from seldfuse.synth.scene import SCENE_FRAMES
from seldfuse.synth.timelines.statistics import (
    MOVED_FRAMES,
    Quantiles,
    RhythmStatistics,
    SceneStatistics,
    SourceStatistics,
)
from seldfuse.synth.timelines.windows import Table

TRIES = 4
"""Rhythms that someone who takes turns is offered, of which the one that fits the others best is taken. With four, the
shares of frames in which nothing sounds and in which a class sounds twice are closest to the real ones.
"""

Stretch = tuple[float, float]
"""Start and duration in seconds."""


@dataclass(frozen=True)
class SourceTimeline:
    """What one source does: its stretches of sound in their order, which do not touch, and where it is.

    `azimuth_deg` is that of the scene's start; `angular_speed_deg_s` turns it to the left, and is 0 for who stands.
    """

    cls: int
    stretches: tuple[Stretch, ...]
    azimuth_deg: float
    elevation_deg: float
    angular_speed_deg_s: float = 0.0


def draw_timeline(
    statistics: SceneStatistics,
    classes: Sequence[int],
    rng: np.random.Generator,
    frames: int = SCENE_FRAMES,
    evenness: float = 0.0,
) -> tuple[SourceTimeline, ...]:
    """Draw the timelines of the sources of one scene, each with a stretch at least; none where the scene is an empty
    one.

    `classes` are those that have sounds. `evenness` is the chance that a class of the real cast gives way to one that
    is drawn evenly from them, which always happens to a class that they lack; what sounds in two places stays so.
    Raises ValueError where `classes` is empty, or `frames` is not 1 to `SCENE_FRAMES`, which the statistics speak of.
    """
    if not 1 <= frames <= SCENE_FRAMES:
        raise ValueError(f"a timeline has 1 to {SCENE_FRAMES} frames, got {frames}")
    if not classes:
        raise ValueError("a timeline needs a class that has sounds, got none")
    cast = _cast(statistics, classes, rng, evenness)
    talk = np.zeros(frames, dtype=bool)
    parts = []
    for cls in cast:
        habits = statistics.habits[cls]
        stretches = _stretches(habits, len(cast) == 1, talk, rng)
        if habits.takes_turns:
            talk |= _active(stretches, frames)
        if stretches:
            parts.append(_part(cls, habits, stretches, rng))
    return tuple(parts)


def build_label_table(parts: Sequence[SourceTimeline], frames: int = SCENE_FRAMES) -> Table:
    """Convert timelines to labels in the columns of `dcase.read_positions`, distances unknown, no stretch with a
    silence in it.

    A frame is active where its middle sounds.
    """
    time_s = np.arange(frames) * FRAME_S
    rows = [np.empty((0, 6))]
    for source, part in enumerate(parts):
        azimuth_deg = (part.azimuth_deg + part.angular_speed_deg_s * time_s + 180) % 360 - 180
        columns = np.broadcast_arrays(np.arange(frames), part.cls, source, azimuth_deg, part.elevation_deg, np.nan)
        rows.append(np.stack(columns, axis=1)[_active(part.stretches, frames)])
    return np.concatenate(rows)


def _cast(
    statistics: SceneStatistics, classes: Sequence[int], rng: np.random.Generator, evenness: float
) -> tuple[int, ...]:
    """The class of each source: a real cast, some of whose classes are played by others."""
    met = np.cumsum([windows for _, windows in statistics.casts])
    cast = statistics.casts[np.searchsorted(met, rng.integers(met[-1]), side="right")][0]
    players = {cls: cls for cls in sorted(set(cast) & set(classes)) if rng.random() >= evenness}
    for cls in sorted(set(cast) - set(players)):
        free = sorted(set(classes) - set(players.values())) or sorted(classes)
        players[cls] = free[rng.integers(len(free))]
    return tuple(players[cls] for cls in cast)


def _stretches(
    habits: SourceStatistics, alone: bool, talk: Bool[np.ndarray, "frame"], rng: np.random.Generator
) -> tuple[Stretch, ...]:
    """When a source sounds, beside those who talk already."""
    rhythm = habits.alone if alone else habits.company
    tries = TRIES if habits.takes_turns and talk.any() else 1
    offers = [tuple(_alternation(rhythm, len(talk) * FRAME_S, rng)) for _ in range(tries)]
    return max(offers, key=lambda offer: int(np.where(talk, -1, 1) @ _active(offer, len(talk))))


def _alternation(rhythm: RhythmStatistics, end_s: float, rng: np.random.Generator) -> Iterator[Stretch]:
    """Sound and silence in turn, from how the scene starts to its end."""
    if rng.random() < rhythm.sounding_at_start:
        start_s, duration_s = 0.0, _draw(rhythm.rest_s, rng)
    else:
        start_s, duration_s = _draw(rhythm.onset_s, rng), _draw(rhythm.duration_s, rng)
    while start_s < end_s:
        yield start_s, min(duration_s, end_s - start_s)
        start_s += duration_s + _draw(rhythm.gap_s, rng)
        duration_s = _draw(rhythm.duration_s, rng)


def _part(
    cls: int, habits: SourceStatistics, stretches: tuple[Stretch, ...], rng: np.random.Generator
) -> SourceTimeline:
    elevation_deg = float(np.clip(rng.normal(habits.elevation_deg, habits.elevation_std_deg), -90, 90))
    speed_deg_s = _angular_speed_deg_s(habits, stretches, rng) if rng.random() < habits.movers else 0.0
    return SourceTimeline(cls, stretches, rng.uniform(-180, 180), elevation_deg, speed_deg_s)


def _angular_speed_deg_s(habits: SourceStatistics, stretches: tuple[Stretch, ...], rng: np.random.Generator) -> float:
    longest_s = max(duration_s for _, duration_s in stretches)
    # Turns were counted from the middle of a stretch's first frame to that of its last, over some frames at least.
    turning_s = max(longest_s - FRAME_S, MOVED_FRAMES * FRAME_S)
    speed_deg_s = min(_draw(habits.turn_deg, rng) / turning_s, habits.fastest_deg_s)
    return speed_deg_s if rng.random() < 0.5 else -speed_deg_s


def _draw(quantiles: Quantiles, rng: np.random.Generator) -> float:
    """A number whose quantiles these are, evenly between one and the next."""
    whole, share = divmod(rng.random() * (len(quantiles) - 1), 1)
    low, high = quantiles[int(whole) : int(whole) + 2]
    return low + share * (high - low)


def _active(stretches: Sequence[Stretch], frames: int) -> Bool[np.ndarray, "frame"]:
    """The frames whose middle sounds."""
    middle_s = (np.arange(frames) + 0.5) * FRAME_S
    start_s, duration_s = np.reshape(stretches, (-1, 2)).T[..., None]
    return np.asarray(((start_s <= middle_s) & (middle_s < start_s + duration_s)).any(axis=0))
