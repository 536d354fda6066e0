"""Whether scenes keep the law of a coincident pair: `python -m benchmarks stereo-law`.

For one source at azimuth θ and elevation φ, left and right give `Σ(L−R)(L+R) / Σ(L+R)² = sin θ · cos φ`. A room
shrinks that to `sin θ · cos φ · D / (D + R)`: D is the energy of the direct sound at the omnidirectional microphone,
R that of all else, which comes from all sides alike in the mean. One room's first reflections do not, and with few
tones they do not even add up as energies; so rooms are compared by noise and their median, and pyroomacoustics' rooms
stand beside ours.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from rich.console import Group

from benchmarks.pages.svg import Axis, plot
from benchmarks.sets.plans import draw_position, draw_room, plans
from benchmarks.sets.pra_scenes import render_with_pyroomacoustics
from benchmarks.speed.report import table
from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.core.labels import DCASE2025
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.render import render_scenes
from seldfuse.synth.scene import (
    SCENE_FRAMES,
    Point,
    RecordingChain,
    Room,
    ScenePlan,
    ScenePlanSource,
    SoundTake,
    SourcePath,
)
from seldfuse.synth.sounds.soundbank import REFERENCE_RMS, BankSound, SoundBank

RT60_EDGES_S = (0.15, 0.25, 0.4, 0.6, 0.85, 1.2)
SHORT_RT60_S = 0.4
"""Up to here pyroomacoustics is quick enough to stand beside."""

AZIMUTHS_DEG = range(-180, 180, 15)
ELEVATIONS_DEG = (0, 20, -40)

OPEN_AT_MOST_DEG, ROOMS_AT_MOST_DEG = 0.5, 4.0

QUIET_DB = -20.0
"""So quiet that no scene is turned down for its peaks: those with and without the room must compare."""

LOWEST_HZ = 80.0

Draw = Callable[[float, np.random.Generator], ScenePlan]
Render = Callable[[ScenePlan], Float[np.ndarray, "2 sample"]]


class SceneResult(NamedTuple):
    """One scene: azimuths in degrees by the law and by left and right, and the share of direct energy.

    Fields are named as in stereo-law.json: `said_deg` is the azimuth by left and right.
    """

    rt60_s: float
    law_deg: float
    said_deg: float
    direct_share: float


def measure(stage: SceneIngredients, scenes: int) -> dict[str, Any]:
    """Measure noise, the stage's sounds, and noise in pyroomacoustics' rooms, as the document that is written."""
    noise = noise_bank()
    ours = in_rooms(_noise, noise, (RT60_EDGES_S[0], RT60_EDGES_S[-1]), scenes)
    sounds = in_rooms(_sounds(stage), stage.bank, (RT60_EDGES_S[0], RT60_EDGES_S[-1]), scenes)
    short = in_rooms(_noise, noise, (RT60_EDGES_S[0], SHORT_RT60_S), scenes // 4)
    theirs = in_rooms(_noise, noise, (RT60_EDGES_S[0], SHORT_RT60_S), scenes // 4, pyroomacoustics=True)
    bins = {
        f"noise, RT60 {low_s}–{high_s} s": [one for one in ours if low_s <= one.rt60_s < high_s]
        for low_s, high_s in pairwise(RT60_EDGES_S)
    }
    return {
        "open_worst_deg": max(abs(said_deg - law_deg) for law_deg, said_deg in in_the_open()),
        "open_at_most_deg": OPEN_AT_MOST_DEG,
        "rooms": _summary(ours) | {"median_at_most_deg": ROOMS_AT_MOST_DEG},
        "parts": {
            **{name: _summary(results) for name, results in bins.items() if results},
            "computed sounds": _summary(sounds),
            f"noise, RT60 up to {SHORT_RT60_S} s": _summary(short),
            "the same in pyroomacoustics": _summary(theirs),
        },
        "scenes": [one._asdict() for one in ours],
    }


def in_the_open() -> list[tuple[float, float]]:
    """Compute azimuths in degrees by the law and by left and right without a room, all around at three elevations."""
    render, found = _render(noise_bank()), []
    for elevation, azimuth in product(np.radians(ELEVATIONS_DEG), np.radians(AZIMUTHS_DEG)):
        flat = math.cos(elevation)
        position_m = (flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation))
        found.append((_arcsine_deg(position_m[1]), estimate_azimuth_deg(render(lone_noise(position_m, None)))))
    return found


def in_rooms(
    draw: Draw, bank: SoundBank, rt60_s: tuple[float, float], count: int, pyroomacoustics: bool = False
) -> list[SceneResult]:
    """Measure random scenes of one source at rest, in rooms of random reverberation between two times."""
    rng = np.random.default_rng(0)
    shortest, longest = np.log(rt60_s)
    times_s = np.exp(rng.uniform(shortest, longest, count)).tolist()
    in_room = _render_there(bank) if pyroomacoustics else _render(bank)
    return [_measure_scene(draw(time_s, rng), time_s, in_room, _render(bank)) for time_s in times_s]


def estimate_azimuth_deg(audio: Float[np.ndarray, "2 sample"]) -> float:
    """Estimate the azimuth in degrees from left and right, folded to the front."""
    left, right = audio
    return _arcsine_deg(float(((left - right) * (left + right)).sum() / np.square(left + right).sum()))


def noise_bank() -> SoundBank:
    """Build a bank of one sound, pink noise, which has as much of each octave."""
    samples = SCENE_FRAMES * SAMPLE_RATE_HZ // 10
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(samples))
    frequency_hz = np.fft.rfftfreq(samples, 1.0 / SAMPLE_RATE_HZ)
    pink = np.fft.irfft(np.where(frequency_hz > LOWEST_HZ, spectrum / np.sqrt(np.maximum(frequency_hz, 1.0)), 0.0))
    level = REFERENCE_RMS / np.sqrt(np.square(pink).mean())
    sound = BankSound(0, "noise", (pink * level).astype(np.float32), np.ones(SCENE_FRAMES, dtype=bool))
    return SoundBank.from_sounds(DCASE2025, {"noise": sound})


def lone_noise(position_m: Point, room: Room | None) -> ScenePlan:
    """Plan the noise of `noise_bank` for four seconds from one position."""
    return ScenePlan(
        (ScenePlanSource(0, (SoundTake("noise", 0.0, 4.0),), SourcePath(position_m, position_m), QUIET_DB),), room
    )


def _noise(rt60_s: float, rng: np.random.Generator) -> ScenePlan:
    room = draw_room(rt60_s, rng)
    return lone_noise(draw_position(room, rng), room)


def _sounds(stage: SceneIngredients) -> Draw:
    def draw(rt60_s: float, rng: np.random.Generator) -> ScenePlan:
        scene = next(plans(stage, rt60_s, False, rng))
        # From their beginning, for no sound of a bank begins with silence.
        takes = tuple(replace(take, offset_s=0.0) for take in scene.sources[0].takes)
        source = replace(scene.sources[0], takes=takes, gain_db=QUIET_DB)
        return replace(scene, sources=(source,), ambience=None, wear=RecordingChain())

    return draw


def _render(bank: SoundBank) -> Render:
    return lambda scene: render_scenes([scene], bank).audio[0].double().numpy()


def _render_there(bank: SoundBank) -> Render:
    return lambda scene: render_with_pyroomacoustics(scene, bank)[0].astype(float)


def _measure_scene(scene: ScenePlan, rt60_s: float, in_room: Render, in_the_open: Render) -> SceneResult:
    """Compute the azimuths of a scene of one source by the law and by left and right.

    `in_the_open` renders the direct sound.
    """
    audio, direct = in_room(scene), in_the_open(replace(scene, room=None))
    direct_energy = np.square(direct.sum(axis=0)).sum()
    direct_share = float(direct_energy / (direct_energy + np.square((audio - direct).sum(axis=0)).sum()))
    position_m = np.array(scene.sources[0].path.start_m)
    law_deg = _arcsine_deg(float(position_m[1] / np.linalg.norm(position_m)) * direct_share)
    return SceneResult(rt60_s, law_deg, estimate_azimuth_deg(audio), direct_share)


def _arcsine_deg(sine: float) -> float:
    return math.degrees(math.asin(min(1.0, max(-1.0, sine))))


def _summary(results: Sequence[SceneResult]) -> dict[str, float]:
    errors_deg = [abs(one.said_deg - one.law_deg) for one in results]
    return {
        "scenes": len(results),
        "median_deg": float(np.median(errors_deg)),
        "p90_deg": float(np.quantile(errors_deg, 0.9)),
        "direct_share": float(np.mean([one.direct_share for one in results])),
    }


def picture(result: dict[str, Any]) -> str:
    """Plot the difference of scenes of noise from the law over the reverberation time, and its medians, as SVG."""
    errors_deg = {one["rt60_s"]: abs(one["said_deg"] - one["law_deg"]) for one in result["scenes"]}
    medians_deg = [
        (math.sqrt(low_s * high_s), float(np.median(inside)))
        for low_s, high_s in pairwise(RT60_EDGES_S)
        if (inside := [error_deg for rt60_s, error_deg in errors_deg.items() if low_s <= rt60_s < high_s])
    ]
    time = Axis("reverberation time RT60, s", 0.1, 1.2, (0.2, 0.4, 0.6, 0.8, 1.0, 1.2))
    difference = Axis("difference from the law, degrees", 0.0, 20.0, (0, 4, 8, 12, 16, 20))
    return plot(time, difference, list(errors_deg.items()), medians_deg)


def tables(result: dict[str, Any]) -> Group:
    """Format the document for people."""
    rows = table("difference from the law", "scenes", "median", "p90", "share of direct energy")
    for name, row in {"noise, all rooms": result["rooms"], **result["parts"]}.items():
        missed = row["median_deg"] > row.get("median_at_most_deg", math.inf)
        style = "bold red" if missed else ""
        degrees = (f"{row['median_deg']:.2f}°", f"{row['p90_deg']:.1f}°")
        rows.add_row(name, f"{row['scenes']}", *degrees, f"{row['direct_share']:.2f}", style=style)
    return Group(
        rows,
        "",
        f"in the open at most {result['open_worst_deg']:.4f}°, where {OPEN_AT_MOST_DEG}° are allowed; "
        f"the median of noise in all rooms may be {ROOMS_AT_MOST_DEG}°",
    )
