"""The plan of a scene: who sounds when, where and how loud, in which room, and what the picture shows.

A plan is data: numbers, and keys of sounds and pictures. It holds everything that rendering needs, so that the same
plan gives the same scene on any machine, and a set of scenes can be frozen by freezing its plans.

Places are metres from the microphone in the view's axes: x front, y left, z up (`seldfuse.core.geometry`).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from seldfuse.core.grid import FRAME_S, WINDOW_FRAMES
from seldfuse.limits import MOST_LINE_BYTES
from seldfuse.settings.check_types import find_misfit
from seldfuse.storage.read_json import parse_json

SCENE_FRAMES = WINDOW_FRAMES
"""A scene lasts as long as the challenge's clips."""

MOST_FRAMES = 6000
"""Ten minutes: all of a scene is in memory while it is rendered."""

Point = tuple[float, float, float]

_LATER: dict[str, float | None] = {
    "directivity": 0.0, "facing_deg": 0.0, "bandwidth_hz": None, "nearby_delay_s": 0.0, "nearby_gain": 0.0,
    "irregularity": 0.0, "irregularity_start": 0, "late_side_db": 0.0, "table_m": 0.0, "table_gain": 0.0,
    "mismatch_db": 0.0, "agc_db": None, "agc_release_s": 1.0, "limiter_db": None, "shown": 1.0, "look": None,
}  # fmt: skip
"""Fields that the first plans did not have, and their defaults."""


@dataclass(frozen=True)
class SoundTake:
    """A stretch of a sound of the bank, played from `start_s` of the scene on.

    `offset_s` and `duration_s` count in the sound as it is played. `speed` plays it faster and higher, as a tape would;
    `semitones` raises the pitch alone.
    """

    sound: str
    start_s: float
    duration_s: float
    offset_s: float = 0.0
    speed: float = 1.0
    semitones: float = 0.0


@dataclass(frozen=True)
class SourcePath:
    """A straight walk from one point to another between two times; who stands still starts where he ends."""

    start_m: Point
    end_m: Point
    begin_s: float = 0.0
    end_s: float = 1.0

    @property
    def moves(self) -> bool:
        return self.start_m != self.end_m

    def compute_position(self, time_s: "Float[np.ndarray, 'time'] | float") -> Float[np.ndarray, "*time 3"]:
        """Compute places in metres at times in seconds of the scene."""
        way = np.clip((np.asarray(time_s, dtype=float) - self.begin_s) / (self.end_s - self.begin_s), 0.0, 1.0)
        start, end = np.array(self.start_m), np.array(self.end_m)
        return np.asarray(start + way[..., None] * (end - start))


@dataclass(frozen=True)
class ScenePlanSource:
    """Someone or something that sounds.

    `gain_db` stands on the bank's level at 1 m; `tail_start` picks the noise that its late reverberation is made of.

    `directivity` goes from 0 (omnidirectional) to 1 (a cardioid in the treble, see `rooms.directivity`). `facing_deg`
    turns the source to its left, 0 faces the microphone; one that moves keeps that angle. `bandwidth_hz` ends the band
    of the dry sound, as that of many recordings ends. A surface beside the source sends its sound a second time,
    `nearby_delay_s` later and `nearby_gain` times as strong.
    """

    cls: int
    takes: tuple[SoundTake, ...]
    path: SourcePath
    gain_db: float = 0.0
    tail_start: int = 0
    directivity: float = 0.0
    facing_deg: float = 0.0
    bandwidth_hz: float | None = None
    nearby_delay_s: float = 0.0
    nearby_gain: float = 0.0


@dataclass(frozen=True)
class Room:
    """A shoebox with one corner at the origin of its own axes.

    `absorption` is the share of energy that a wall swallows, six walls (x = 0, x = length, y = 0, …) by the bands of
    `seldfuse.synth.rooms.shoebox.BANDS_HZ`. `yaw_deg` turns the view to the left of the room's x axis.

    No room is a perfect shoebox: `irregularity`, from 0 to 1, makes reflections deviate from the mirror law in place
    and strength, by amounts that `irregularity_start` picks. `late_side_db` raises the side channel of the late
    reverberation above that of a diffuse field. A table `table_m` below the microphone reflects the direct sound,
    `table_gain` times as strong; 0 is no table.
    """

    size_m: Point
    microphone_m: Point
    yaw_deg: float
    absorption: tuple[tuple[float, ...], ...]
    irregularity: float = 0.0
    irregularity_start: int = 0
    late_side_db: float = 0.0
    table_m: float = 0.0
    table_gain: float = 0.0

    def locate(self, view_m: Float[np.ndarray, "*time 3"]) -> Float[np.ndarray, "*time 3"]:
        """Convert places in the view's axes to the room's axes."""
        cos, sin = math.cos(math.radians(self.yaw_deg)), math.sin(math.radians(self.yaw_deg))
        x, y, z = np.moveaxis(np.asarray(view_m, dtype=float), -1, 0)
        return np.asarray(np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=-1) + np.array(self.microphone_m))


@dataclass(frozen=True)
class MeasuredRoom:
    """A room that was measured: for each source the key of a response, all turned by `yaw_deg` to the left."""

    responses: tuple[str, ...]
    yaw_deg: float


@dataclass(frozen=True)
class Ambience:
    """What sounds without being anyone's: noise with a spectrum that falls by 10·`slope` dB a decade, and voices far
    away, of which only the reverberation is audible. Levels are those of the mean square in dB below full scale;
    `noise_start` picks the noise.
    """

    noise_db: float
    slope: float = 0.5
    noise_start: int = 0
    babble: tuple[SoundTake, ...] = ()
    babble_db: float = -60.0


@dataclass(frozen=True)
class RecordingChain:
    """What cheap equipment does, in this order: gain, automatic gain, a limiter, clipping at full scale, band limits, a
    lossy codec.

    The left microphone is `mismatch_db` more sensitive than the right one. Automatic gain brings the level to `agc_db`
    below full scale and recovers from a loud sound by 10 dB in `agc_release_s`; the limiter holds peaks at
    `limiter_db`.
    """

    gain_db: float = 0.0
    highpass_hz: float | None = None
    lowpass_hz: float | None = None
    codec_kbps: int | None = None
    mismatch_db: float = 0.0
    agc_db: float | None = None
    agc_release_s: float = 1.0
    limiter_db: float | None = None


@dataclass(frozen=True)
class Figure:
    """Someone or something in the picture.

    `source` is the index of the scene's source that it belongs to, whose path it follows; a silent one has its own
    `path`. `height_m` is the height of the whole cut-out, of which the upper share `shown` is drawn: the rest is behind
    something. `sway` seeds its small motion.
    """

    sprite: str
    height_m: float
    source: int | None = None
    path: SourcePath | None = None
    mirrored: bool = False
    sway: int = 0
    shown: float = 1.0


@dataclass(frozen=True)
class PictureLook:
    """What light, lens and compression do to a picture.

    `exposure_ev` is in steps of a factor of two; `red` and `blue` are gains, as a wrong white balance has; `contrast`
    is one of 1 as it was. `blur_px` is the deviation of a soft focus and `noise_levels` that of the grain, of 255
    levels; `quality` is a JPEG's, from 1 to 100. Figures take the share `matching` of the background's light (in log),
    stand on shadows of strength `shadow`, and are smeared as far as they move in `shutter_s`.

    Of a flat background the part `1 / zoom` is seen, from `pan` (0: the left, 1: the right edge) of what is spare; with
    `mirrored` left and right of any background but a drawn one are exchanged. Lengths count in a picture of 640 px.
    """

    exposure_ev: float = 0.0
    red: float = 1.0
    blue: float = 1.0
    contrast: float = 1.0
    blur_px: float = 0.0
    noise_levels: float = 0.0
    quality: int | None = None
    matching: float = 0.0
    shadow: float = 0.0
    shutter_s: float = 0.0
    zoom: float = 1.0
    pan: float = 0.5
    mirrored: bool = False
    start: int = 0


@dataclass(frozen=True)
class CameraView:
    """What the camera sees: a background by its key, and figures from the farthest to the nearest at the start.

    `look` is what becomes of the picture; None leaves it as it is drawn.
    """

    background: str
    figures: tuple[Figure, ...] = ()
    look: PictureLook | None = None


@dataclass(frozen=True)
class ScenePlan:
    """Sources in a room over `frames` of 100 ms; no room means the open air."""

    sources: tuple[ScenePlanSource, ...]
    room: Room | MeasuredRoom | None = None
    ambience: Ambience | None = None
    wear: RecordingChain = RecordingChain()
    view: CameraView | None = None
    frames: int = SCENE_FRAMES

    @property
    def duration_s(self) -> float:
        return self.frames * FRAME_S

    @property
    def takes(self) -> tuple[SoundTake, ...]:
        """List all that is played: the sources' takes, then the babble's."""
        babble = self.ambience.babble if self.ambience else ()
        return (*(take for source in self.sources for take in source.takes), *babble)

    def to_json(self) -> str:
        """Convert to one line of JSON, the same for the same plan. What the first plans had no field for is left out
        where it is the default.
        """
        return json.dumps(asdict(self, dict_factory=_without_defaults), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "ScenePlan":
        """Read what `to_json` wrote. Raises ValueError, KeyError or TypeError where it is not a plan."""
        plan = _tuples(parse_json(text, MOST_LINE_BYTES))
        ambience, view = plan["ambience"], plan["view"]
        made = cls(
            sources=tuple(
                ScenePlanSource(**{**source, "takes": _takes(source["takes"]), "path": SourcePath(**source["path"])})
                for source in plan["sources"]
            ),
            room=_room(plan["room"]),
            ambience=ambience and Ambience(**{**ambience, "babble": _takes(ambience["babble"])}),
            wear=RecordingChain(**plan["wear"]),
            view=view and _view(view),
            frames=plan["frames"],
        )
        misfit = find_misfit(made, cls)
        if misfit is None and not 1 <= made.frames <= MOST_FRAMES:
            misfit = f"frames must be 1 to {MOST_FRAMES}, got {made.frames}"
        if misfit:
            raise ValueError(misfit)
        return made


def _without_defaults(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in _LATER or value != _LATER[name]}


def _room(room: Mapping[str, Any] | None) -> Room | MeasuredRoom | None:
    if room is None:
        return None
    return MeasuredRoom(**room) if "responses" in room else Room(**room)


def _takes(takes: tuple[Mapping[str, Any], ...]) -> tuple[SoundTake, ...]:
    return tuple(SoundTake(**take) for take in takes)


def _view(view: Mapping[str, Any]) -> CameraView:
    look = view.get("look")
    return CameraView(view["background"], tuple(map(_figure, view["figures"])), look and PictureLook(**look))


def _figure(figure: Mapping[str, Any]) -> Figure:
    return Figure(**{**figure, "path": figure["path"] and SourcePath(**figure["path"])})


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, all the way down."""
    if isinstance(value, list):
        return tuple(_tuples(part) for part in value)
    if isinstance(value, dict):
        return {name: _tuples(part) for name, part in value.items()}
    return value
