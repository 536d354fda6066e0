"""Sound events as a checked table, one row per active frame."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.table_field import TableField
from seldfuse.storage.text import name_some

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "frame": "int64",
    "cls": "int64",
    "source": "int64",
    "azimuth_deg": "float64",
    "distance_m": "float64",
    "onscreen": "float64",
    "score": "float64",
    "azimuth_std_deg": "float64",
    "distance_std_m": "float64",
}
"""`source` tells sources of one class apart; floats are NaN where unknown; `onscreen` is 0, 1 or NaN."""

SEGMENT_MEANS = (
    "azimuth_deg",
    "azimuth_low_deg",
    "azimuth_high_deg",
    "distance_m",
    "onscreen",
    "score",
    "azimuth_std_deg",
    "distance_std_m",
)
"""What is said of an uninterrupted stretch of a source as a whole."""

DECIMALS_S = 3
"""Times are rounded to a millisecond: a frame of a tenth of a second is no binary fraction."""

NAMED = 5
"""Classes that a text names before it counts the rest."""


@dataclass(frozen=True)
class Events:
    """What was decided: which class sounds in which frame, where from, how far, in the picture or not.

    `table` has the columns of `COLUMNS`, sorted by frame, class and source; columns that are missing are filled as
    unknown, others refused. `columns` are the same as arrays, without pandas. `duration_s` is how long the clip is,
    where that is known: its last frame need not be a whole one.

    Raises ValueError for negative frames, classes outside `labels`, negative distances, an on-screen flag that is
    neither 0, 1 nor NaN, or two rows of one frame, class and source.

    >>> import pandas as pd
    >>> from seldfuse import Events
    >>> events = Events(pd.DataFrame({"frame": [0, 1, 2], "cls": [0, 0, 0], "azimuth_deg": [20.0, 20.0, 20.0]}))
    >>> events
    Events(3 active frames of 1 classes: female_speech)
    >>> events.segments()[["class", "start_s", "end_s"]].round(1).values.tolist()
    [['female_speech', 0.0, 0.3]]
    """

    if TYPE_CHECKING:
        table: pd.DataFrame
    else:
        table: Any = TableField()
    labels: LabelSet = DCASE2025
    hop_s: float = 0.1
    duration_s: float | None = field(default=None, repr=False, compare=False)
    columns: Mapping[str, np.ndarray] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = self.table
        given = {name: table[name].to_numpy(dtype=COLUMNS.get(name)) for name in table.columns}
        self._keep(_check_columns(given, self.labels))

    def _keep(self, columns: Mapping[str, np.ndarray]) -> None:
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "table", lambda: make_table(columns))

    def __len__(self) -> int:
        return len(self.columns["frame"])

    def __repr__(self) -> str:
        present = [name for cls, name in enumerate(self.labels.names) if (self.columns["cls"] == cls).any()]
        listed = name_some(present, NAMED) or "none"
        return f"Events({len(self)} active frames of {len(present)} classes: {listed})"

    @classmethod
    def empty(cls, labels: LabelSet = DCASE2025, hop_s: float = 0.1) -> "Events":
        none = np.zeros(0, dtype=np.int64)
        return cls.from_batch({"frame": none, "cls": none}, [0], labels, hop_s)[0]

    @classmethod
    def from_batch(
        cls, columns: Mapping[str, np.ndarray], rows: Sequence[int], labels: LabelSet = DCASE2025, hop_s: float = 0.1
    ) -> list["Events"]:
        """Split the events of several clips, whose rows stand one clip after the other, `rows` of each.

        They are checked all at once: to check and to make each clip's table anew would cost ten times as much.
        """
        checked = _check_columns(columns, labels, np.repeat(np.arange(len(rows)), rows))
        ends = np.cumsum(rows).tolist()
        return [
            cls._from_checked({name: values[begin:end] for name, values in checked.items()}, labels, hop_s)
            for begin, end in zip([0, *ends], ends, strict=False)
        ]

    @classmethod
    def _from_checked(cls, columns: Mapping[str, np.ndarray], labels: LabelSet, hop_s: float) -> "Events":
        events = object.__new__(cls)
        for name, value in {"labels": labels, "hop_s": hop_s, "duration_s": None}.items():
            object.__setattr__(events, name, value)
        events._keep(columns)
        return events

    def with_duration(self, duration_s: float) -> "Events":
        """Say how long the clip is, after which no event lasts."""
        events = self._from_checked(self.columns, self.labels, self.hop_s)
        object.__setattr__(events, "duration_s", duration_s)
        return events

    def segments(self) -> "pd.DataFrame":
        """Build the table of `list_segments`."""
        return make_table(self.list_segments())

    def list_segments(self) -> dict[str, np.ndarray]:
        """List, as columns, one row per uninterrupted stretch of a source: columns `cls, class, source, start_s, end_s,
        azimuth_deg, azimuth_low_deg, azimuth_high_deg, distance_m, onscreen, score, azimuth_std_deg, distance_std_m`,
        sorted by start. Azimuth is the mean direction (of vectors), between the least and the greatest azimuth of the
        stretch, distance the geometric mean, the rest plain means. Times are in milliseconds; none is behind the clip.
        """
        found = cut_segments(self.columns, np.zeros(len(self), dtype=np.int64))
        names = np.array(self.labels.names, dtype=object)[found["cls"]]
        end_s = math.inf if self.duration_s is None else self.duration_s
        times = {
            "start_s": np.round(found["first"] * self.hop_s, DECIMALS_S),
            "end_s": np.round(np.minimum((found["last"] + 1) * self.hop_s, end_s), DECIMALS_S),
        }
        means = {name: found[name] for name in SEGMENT_MEANS}
        return {"cls": found["cls"], "class": names, "source": found["source"], **times, **means}


def cut_segments(columns: Mapping[str, np.ndarray], clip: np.ndarray) -> dict[str, np.ndarray]:
    """Cut the columns of `Events` of many clips, with the number of each row's clip, into uninterrupted stretches.

    There are `clip`, `cls` and `source` of each stretch, its `first` and `last` frame, and those of `SEGMENT_MEANS` of
    which there are columns, as `Events.segments` has them; sorted by clip, first frame, class and source.
    """
    order = np.lexsort((columns["frame"], columns["source"], columns["cls"], clip))
    clip, column = clip[order], {name: values[order] for name, values in columns.items()}
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.diff(column["frame"]) != 1
    for key in (clip, column["cls"], column["source"]):
        new[1:] |= np.diff(key) != 0
    first = np.flatnonzero(new)
    frames = np.diff(np.r_[first, len(order)])

    def mean(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, first) / frames if len(first) else np.zeros(0)

    found = {
        "clip": clip[first],
        "cls": column["cls"][first],
        "source": column["source"][first],
        "first": column["frame"][first],
        "last": column["frame"][first] + frames - 1,
    }
    if "azimuth_deg" in column:
        azimuth = np.radians(column["azimuth_deg"])
        found["azimuth_deg"] = np.degrees(np.arctan2(mean(np.sin(azimuth)), mean(np.cos(azimuth))))
        # Against the mean, so that a stretch that lies across the rear has no range of 360 degrees.
        apart = column["azimuth_deg"] - np.repeat(found["azimuth_deg"], frames)
        apart = (apart + 180) % 360 - 180
        for name, extreme in {"azimuth_low_deg": np.minimum, "azimuth_high_deg": np.maximum}.items():
            found[name] = found["azimuth_deg"] + (extreme.reduceat(apart, first) if len(first) else np.zeros(0))
    if "distance_m" in column:
        found["distance_m"] = np.exp(mean(np.log(column["distance_m"].clip(0.01))))
    found |= {name: mean(column[name]) for name in SEGMENT_MEANS if name in column and name not in found}
    order = np.lexsort((found["source"], found["cls"], found["first"], found["clip"]))
    return {name: values[order] for name, values in found.items()}


def make_table(columns: Mapping[str, np.ndarray]) -> "pd.DataFrame":
    """Make a table of columns, which are not copied."""
    import pandas as pd

    return pd.DataFrame(columns, copy=False)


def list_rows(columns: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """List the rows of columns as dictionaries of Python's own numbers."""
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _check_columns(
    given: Mapping[str, np.ndarray], labels: LabelSet, clip: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The columns sorted and filled up, of one clip, or with the number of each row's clip."""
    if not {"frame", "cls"} <= set(given) <= set(COLUMNS):
        raise ValueError(f"events need the columns frame and cls and may have {list(COLUMNS)}, got {list(given)}")
    rows = len(given["frame"])
    columns = {name: _fill(given.get(name), rows, kind) for name, kind in COLUMNS.items()}
    clip = np.zeros(rows, dtype="int64") if clip is None else clip
    order = np.lexsort((columns["source"], columns["cls"], columns["frame"], clip))
    columns = {name: values[order] for name, values in columns.items()}
    keys = np.stack([clip[order], columns["frame"], columns["cls"], columns["source"]])
    onscreen = columns["onscreen"]
    checks = {
        "negative frames": columns["frame"] < 0,
        f"class ids outside 0..{len(labels) - 1}": (columns["cls"] < 0) | (columns["cls"] >= len(labels)),
        "negative distances": columns["distance_m"] < 0,
        "on-screen flags other than 0 and 1": ~np.isnan(onscreen) & (onscreen != 0) & (onscreen != 1),
        "two rows of one frame, class and source": np.r_[False, (keys[:, 1:] == keys[:, :-1]).all(axis=0)][
            : len(order)
        ],
    }
    for problem, rows in checks.items():
        if rows.any():
            first = {name: values[rows.argmax()].item() for name, values in columns.items()}
            raise ValueError(f"events hold {problem}, first: {first}")
    return columns


def _fill(values: np.ndarray | None, rows: int, kind: str) -> np.ndarray:
    if values is None:
        return np.full(rows, 0 if kind == "int64" else np.nan, dtype=kind)
    return np.asarray(values, dtype=kind)
