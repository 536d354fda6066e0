"""How real scenes sound: who, how often, how long, how many at once, who moves. Fitted from label files.

Everything is counted in windows as long as a scene, so that what is drawn can be laid beside what was fitted.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from seldfuse.core.grid import FRAME_S
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError
from seldfuse.formats import dcase
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.storage.read_json import parse_json
from seldfuse.synth.scene import SCENE_FRAMES
from seldfuse.synth.timelines.windows import ActiveStretches, Table, WindowTracks, cut_recordings, find_stretches

MOST_SOURCES = 6
"""The most sources of a scene; larger casts are too rare to be drawn."""

LEVELS = np.linspace(0, 1, 21)
"""The shares at which quantiles are stored."""

FEW = 20
"""What was seen in fewer windows than this borrows from the next larger pool; windows overlap, events are fewer."""

MOVED_DEG, MOVED_FRAMES = 5.0, 5
"""A source moves if its azimuth turns so far while it sounds without a break for more frames than that:
annotated directions are whole degrees, and people who stand sway.
"""

TURNS = 0.9
"""Sources that sound together for less than this share of the time that chance would give take turns."""

Quantiles = tuple[float, ...]
"""Values at `LEVELS`; empty where nothing was seen."""


@dataclass(frozen=True)
class RhythmStatistics:
    """How a source alternates between sound and silence, seen through windows.

    `rest_s` is how long one that sounds when the window starts goes on, `onset_s` when another one begins, both cut by
    the window's end. `duration_s` is of whole events, `gap_s` the silence after one, no longer than a window.
    """

    sounding_at_start: float
    rest_s: Quantiles
    onset_s: Quantiles
    duration_s: Quantiles
    gap_s: Quantiles


@dataclass(frozen=True)
class SourceStatistics:
    """How the sources of one class behave.

    Who is alone in a window sounds for more of it than who is in company. `takes_turns` says that two of the class
    avoid each other, as people in conversation do. `movers` is the share of sources that move in a window, `turn_deg`
    how far the azimuth of these turns during their longest stretch, which hardly depends on its length, and
    `fastest_deg_s` the speed that one in a hundred of them exceeds. Elevations are 0 where no file gives any. `seen`
    counts sources and windows.
    """

    seen: int
    alone: RhythmStatistics
    company: RhythmStatistics
    takes_turns: bool
    movers: float
    turn_deg: Quantiles
    fastest_deg_s: float
    elevation_deg: float
    elevation_std_deg: float


@dataclass(frozen=True)
class Distances:
    """Log-normal distances, clipped; `fitted` is False for the default, which stands in where no file gives any."""

    median_m: float = 2.0
    log_std: float = 0.5
    least_m: float = 0.5
    most_m: float = 6.0
    fitted: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        drawn_m = self.median_m * np.exp(self.log_std * rng.standard_normal())
        return float(np.clip(drawn_m, self.least_m, self.most_m))


@dataclass(frozen=True)
class SceneStatistics:
    """The statistics of a set of recordings.

    `casts` are the classes of a window's sources, sorted, and in how many windows they were met. `habits` follow
    `classes`. `described` is what `describe` says of the recordings.
    """

    classes: tuple[str, ...]
    casts: tuple[tuple[tuple[int, ...], int], ...]
    habits: tuple[SourceStatistics, ...]
    distances: Distances
    described: dict[str, float]

    @classmethod
    def fit(cls, files: Sequence[Path], labels: LabelSet = DCASE2025) -> "SceneStatistics":
        """Count label files in any of the challenges' formats.

        Raises UsageError that names a file which is none, or where no file holds an event.
        """
        tables = [dcase.read_positions(path, labels) for path in files]
        if not sum(map(len, tables)):
            raise UsageError(f"expected label files with events to fit, got {len(files)} files without any")
        tracks = cut_recordings(tables)
        return cls(
            classes=labels.names,
            casts=_casts(tracks),
            habits=_habits(tracks, len(labels)),
            distances=_distances(tracks),
            described=_describe(tracks, labels),
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "SceneStatistics":
        """Read what `to_json` wrote. Raises UsageError where it is nothing of the kind."""
        try:
            data = parse_json(text, MOST_DOCUMENT_BYTES)
            return cls(
                classes=tuple(data["classes"]),
                casts=tuple((tuple(cast), windows) for cast, windows in data["casts"]),
                habits=tuple(_habits_from_json(entry) for entry in data["habits"]),
                distances=Distances(**data["distances"]),
                described=data["described"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"expected statistics as Statistics.to_json writes them, got {text!r:.100}") from error

    @classmethod
    def load(cls) -> "SceneStatistics":
        """Load the table that comes with the package: folds 3 and 4 of STARSS22, whose files give no distances."""
        return cls.from_json(resources.files("seldfuse.synth.timelines").joinpath("statistics.json").read_text("utf-8"))


def describe(tables: Sequence[Table], labels: LabelSet = DCASE2025) -> dict[str, float]:
    """Describe label tables of any origin, long recordings and scenes alike, by one flat table of numbers.

    Units stand in names; what has none is a count or a share from 0 to 1. A number that nothing was found for is left
    out: speeds where nobody moves, elevations and distances where the tables have none.
    """
    return _describe(cut_recordings(tables), labels)


def _describe(tracks: WindowTracks, labels: LabelSet) -> dict[str, float]:
    stretches = find_stretches(tracks.active)
    numbers = {
        "windows": tracks.windows,
        **_crowd(tracks, len(labels)),
        **_course(tracks, stretches),
        **_place(tracks, stretches),
        **_by_class(tracks, stretches, labels),
    }
    return {name: round(float(number), 4) for name, number in numbers.items() if np.isfinite(number)}


def _crowd(tracks: WindowTracks, classes: int) -> dict[str, float]:
    """How many sources there are, in windows and in frames."""
    of_kind = np.zeros((tracks.windows, classes), dtype=np.int64)
    np.add.at(of_kind, (tracks.window, tracks.cls), 1)
    kind_at_once = np.zeros((tracks.windows, classes, SCENE_FRAMES), dtype=np.int64)
    np.add.at(kind_at_once, (tracks.window, tracks.cls), tracks.active)
    sources, at_once = of_kind.sum(axis=1), kind_at_once.sum(axis=1)
    return {
        "empty.windows": (sources == 0).mean(),
        "empty.frames": (at_once == 0).mean(),
        **_counts("sources", sources),
        **_counts("overlap", at_once),
        "twice.windows": (of_kind > 1).any(axis=1).mean(),
        "twice.frames": (kind_at_once > 1).any(axis=1).mean(),
    }


def _course(tracks: WindowTracks, stretches: ActiveStretches) -> dict[str, float]:
    """How sounds follow each other; events are counted by their onsets, which no window's start cuts off."""
    minutes = tracks.windows * (SCENE_FRAMES - 1) * FRAME_S / 60
    same = stretches.track[1:] == stretches.track[:-1]
    return {
        "events_per_minute": (stretches.begin > 0).sum() / minutes,
        "sounding_at_start": len(np.unique(tracks.window[tracks.active[:, 0]])) / tracks.windows,
        "stretches_per_source": _mean(np.bincount(stretches.track)),
        "active_s_per_source": _mean(tracks.active.sum(axis=1)) * FRAME_S,
        **_spread("stretch_s", stretches.length * FRAME_S),
        **_spread("gap_s", (stretches.begin[1:] - stretches.end[:-1])[same] * FRAME_S),
    }


def _place(tracks: WindowTracks, stretches: ActiveStretches) -> dict[str, float]:
    turn_deg, time_s, followed = _turns(tracks, stretches)
    moving = followed & (turn_deg >= MOVED_DEG)
    return {
        "movers": _mean(moving[followed]),
        **_spread("speed_deg_s", turn_deg[moving] / time_s[moving]),
        **_spread("elevation_deg", _list_known(tracks.elevation_deg)),
        **_spread("distance_m", _list_known(tracks.distance_m)),
    }


def _by_class(tracks: WindowTracks, stretches: ActiveStretches, labels: LabelSet) -> dict[str, float]:
    turn_deg, _, followed = _turns(tracks, stretches)
    active = tracks.active.sum(axis=1)
    begun = tracks.cls[stretches.track[stretches.begin > 0]]
    numbers: dict[str, float] = {}
    for position, name in enumerate(labels.names):
        mine = tracks.cls == position
        _, places = np.unique(tracks.window[mine], return_counts=True)
        numbers |= {
            f"active.{name}": active[mine].sum() / max(active.sum(), 1),
            f"events.{name}": _mean(begun == position),
            f"heard_in.{name}": len(places) / tracks.windows,
            f"twice_in.{name}": _mean(places > 1),
            f"movers.{name}": _mean(turn_deg[mine & followed] >= MOVED_DEG),
            f"elevation_deg.{name}": _mean(_list_known(tracks.elevation_deg[mine])),
        }
    return numbers


def _casts(tracks: WindowTracks) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Commonest first."""
    ends = np.cumsum(np.bincount(tracks.window, minlength=tracks.windows))
    seen = Counter(tuple(cast.tolist()) for cast in np.split(tracks.cls, ends[:-1]) if len(cast) <= MOST_SOURCES)
    return tuple(sorted(seen.items(), key=lambda item: (-item[1], item[0])))


def _habits(tracks: WindowTracks, classes: int) -> tuple[SourceStatistics, ...]:
    stretches = find_stretches(tracks.active)
    turn_deg, time_s, followed = _turns(tracks, stretches)
    moving = followed & (turn_deg >= MOVED_DEG)
    all_of_them = np.ones(len(tracks.cls), dtype=bool)

    def habits(position: int) -> SourceStatistics:
        own = tracks.cls == position
        movers = _enough(own & moving, moving)
        elevations_deg = _list_known(tracks.elevation_deg[_enough(own, all_of_them)])
        return SourceStatistics(
            seen=int(own.sum()),
            alone=_rhythm(tracks, stretches, _enough(own & tracks.alone, own, all_of_them)),
            company=_rhythm(tracks, stretches, _enough(own & ~tracks.alone, own, all_of_them)),
            takes_turns=_takes_turns(tracks, own),
            movers=_round(moving[_enough(own & followed, followed)].mean() if followed.any() else 0.0),
            turn_deg=_quantiles(turn_deg[movers]),
            fastest_deg_s=_round(np.quantile(turn_deg[movers] / time_s[movers], 0.99) if movers.any() else 0.0),
            elevation_deg=_round(elevations_deg.mean() if len(elevations_deg) else 0.0),
            elevation_std_deg=_round(elevations_deg.std() if len(elevations_deg) else 0.0),
        )

    return tuple(habits(position) for position in range(classes))


def _rhythm(tracks: WindowTracks, stretches: ActiveStretches, mine: Bool[np.ndarray, "track"]) -> RhythmStatistics:
    """The rhythm of some of the tracks. Whole events are those that begin in a window, gaps those that do; where there
    are none, any that there are.
    """
    first = np.r_[True, np.diff(stretches.track) > 0] & mine[stretches.track]
    at_start, later = first & (stretches.begin == 0), first & (stretches.begin > 0)
    all_of_them = mine[stretches.track]
    begun = _enough(all_of_them & (stretches.begin > 0), all_of_them, least=1)
    ended = _enough(all_of_them & (stretches.end < SCENE_FRAMES), all_of_them, least=1)
    whole, pause = tracks.whole[stretches.track, stretches.begin], tracks.pause[stretches.track, stretches.begin]
    return RhythmStatistics(
        sounding_at_start=_round(at_start.sum() / mine.sum()),
        rest_s=_quantiles(stretches.end[at_start] * FRAME_S),
        onset_s=_quantiles(stretches.begin[later] * FRAME_S),
        duration_s=_quantiles(whole[begun] * FRAME_S),
        gap_s=_quantiles(np.minimum(pause[ended], SCENE_FRAMES) * FRAME_S),
    )


def _takes_turns(tracks: WindowTracks, own: Bool[np.ndarray, "track"]) -> bool:
    """Compares how long pairs of a class sound together with how long they would if neither minded the other."""
    second = np.flatnonzero(own[1:] & own[:-1] & (np.diff(tracks.window) == 0)) + 1
    if len(second) < FEW:
        return False
    one, other = tracks.active[second - 1], tracks.active[second]
    by_chance = one.mean(axis=1) * other.mean(axis=1)
    return bool((one & other).mean() < TURNS * by_chance.mean())


def _turns(
    tracks: WindowTracks, stretches: ActiveStretches
) -> tuple[Float64[np.ndarray, "track"], Float64[np.ndarray, "track"], Bool[np.ndarray, "track"]]:
    """How far each track's azimuth turns from the first to the last frame of its longest stretch, in what time, and
    whether that is long enough to tell.
    """
    longest = np.lexsort((-stretches.length, stretches.track))
    longest = longest[np.r_[True, np.diff(stretches.track[longest]) > 0][: len(longest)]]
    track, begin, last = stretches.track[longest], stretches.begin[longest], stretches.end[longest] - 1
    steps_deg = (np.diff(tracks.azimuth_deg, axis=1, prepend=np.nan) + 180) % 360 - 180
    turned_deg = np.cumsum(np.nan_to_num(steps_deg), axis=1)
    time_s = (last - begin) * FRAME_S
    return np.abs(turned_deg[track, last] - turned_deg[track, begin]), time_s, last - begin >= MOVED_FRAMES


def _distances(tracks: WindowTracks) -> Distances:
    """Fitted between the percentiles 1 and 99."""
    distance_m = _list_known(tracks.distance_m)
    distance_m = distance_m[distance_m > 0]
    if not len(distance_m):
        return Distances()
    least_m, median_m, most_m = np.quantile(distance_m, [0.01, 0.5, 0.99]).tolist()
    log_std = np.log(distance_m).std()
    return Distances(_round(median_m), _round(log_std), _round(least_m), _round(most_m), fitted=True)


def _enough(*pools: Bool[np.ndarray, "any"], least: int = FEW) -> Bool[np.ndarray, "any"]:
    """The first pool that holds enough, else the last."""
    return next((pool for pool in pools if pool.sum() >= least), pools[-1])


def _list_known(values: Float64[np.ndarray, "track frame"]) -> Float64[np.ndarray, "known"]:
    return np.asarray(values[np.isfinite(values)])


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _round(value: float) -> float:
    return round(float(value), 4)


def _counts(name: str, values: Int64[np.ndarray, "*any"]) -> dict[str, float]:
    """Shares of 0, 1, … 4 and of more."""
    shares = np.bincount(np.minimum(values, 5).ravel(), minlength=6) / values.size
    return dict(zip([f"{name}.{count}" for count in (0, 1, 2, 3, 4, "5+")], shares.tolist(), strict=True))


def _spread(name: str, values: Float[np.ndarray, "value"]) -> dict[str, float]:
    if not len(values):
        return {}
    found = np.quantile(values, [0.1, 0.5, 0.9]).tolist()
    return dict(zip([f"{name}.{percent}" for percent in ("p10", "p50", "p90")], found, strict=True))


def _quantiles(values: Float[np.ndarray, "value"]) -> Quantiles:
    return tuple(np.quantile(values, LEVELS).round(2).tolist()) if len(values) else ()


def _habits_from_json(entry: Mapping[str, Any]) -> SourceStatistics:
    rhythms = {name: RhythmStatistics(**_tuples(entry[name])) for name in ("alone", "company")}
    return SourceStatistics(**{**_tuples(entry), **rhythms})


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
