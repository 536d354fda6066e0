"""The plan of a scene: who sounds when, where and how loud, in which room."""

from dataclasses import dataclass

import numpy as np

from seldfuse.synth.sounds import Sound, SoundBank

SCENE_FRAMES = 50
LANES = 3
"""Sounds follow each other in lanes, so that no more than three are heard at once."""

_LANE_SHARES = (0.05, 0.40, 0.35, 0.20)


@dataclass(frozen=True)
class Placed:
    """A sound (or a stretch of it) in a lane: frames of the scene, place of the source, gain on the level at 1 m."""

    lane: int
    sound: Sound
    first_frame: int
    offset_frames: int
    frames: int
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    gain_db: float


@dataclass(frozen=True)
class Scene:
    """Sounds in a room, over `frames` of 100 ms.

    `critical_distance_m` is where direct and reverberant sound are equally loud. `lowpass_hz` limits the band, as cheap
    microphones and codecs do; None leaves it whole.
    """

    placed: tuple[Placed, ...]
    critical_distance_m: float
    reverberation_s: float
    noise_db: float
    noise_slope: float
    gain_db: float
    lowpass_hz: float | None
    frames: int = SCENE_FRAMES


def draw_scene(bank: SoundBank, rng: np.random.Generator) -> Scene:
    """A random scene: classes evenly, azimuth all around, distance log-uniform from 0.5 to 5 m."""
    lanes = rng.choice(len(_LANE_SHARES), p=_LANE_SHARES)
    return Scene(
        placed=tuple(placed for lane in range(lanes) for placed in _fill_lane(lane, bank, rng)),
        critical_distance_m=_log_uniform(rng, 0.7, 4.0),
        reverberation_s=rng.uniform(0.1, 0.6),
        noise_db=rng.uniform(-80.0, -45.0),
        noise_slope=rng.uniform(0.0, 1.0),
        gain_db=rng.uniform(-15.0, 9.0),
        lowpass_hz=_log_uniform(rng, 3_500.0, 12_000.0) if rng.random() < 0.5 else None,
    )


def _fill_lane(lane: int, bank: SoundBank, rng: np.random.Generator) -> list[Placed]:
    placed = []
    frame = int(rng.integers(0, 20))
    while frame < SCENE_FRAMES - 2:
        sound = bank.draw(int(rng.choice(bank.present)), rng)
        frames = min(len(sound.active), SCENE_FRAMES - frame, int(rng.integers(5, SCENE_FRAMES)))
        placed.append(
            Placed(
                lane=lane,
                sound=sound,
                first_frame=frame,
                offset_frames=int(rng.integers(0, len(sound.active) - frames + 1)),
                frames=frames,
                azimuth_deg=rng.uniform(-180.0, 180.0),
                elevation_deg=float(np.clip(rng.normal(0.0, 12.0), -40.0, 40.0)),
                distance_m=_log_uniform(rng, 0.5, 5.0),
                gain_db=rng.uniform(-6.0, 6.0),
            )
        )
        frame += frames + int(rng.integers(2, 20))
    return placed


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
