"""Sound events as a checked table, one row per active frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.storage.text import name_some

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


NAMED = 5
"""Classes that a text names before it counts the rest."""


@dataclass(frozen=True)
class Events:
    """What was decided: which class sounds in which frame, where from, how far, in the picture or not.

    `table` has the columns of `COLUMNS`, sorted by frame, class and source; columns that are missing are filled as
    unknown, others refused. Raises ValueError for negative frames, classes outside `labels`, negative distances,
    an on-screen flag that is neither 0, 1 nor NaN, or two rows of one frame, class and source.

    >>> import pandas as pd
    >>> from seldfuse import Events
    >>> events = Events(pd.DataFrame({"frame": [0, 1, 2], "cls": [0, 0, 0], "azimuth_deg": [20.0, 20.0, 20.0]}))
    >>> events
    Events(3 active frames of 1 classes: female_speech)
    >>> events.segments()[["class", "start_s", "end_s"]].round(1).values.tolist()
    [['female_speech', 0.0, 0.3]]
    """

    table: pd.DataFrame
    labels: LabelSet = DCASE2025
    hop_s: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _check_table(self.table, self.labels))

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        present = [name for cls, name in enumerate(self.labels.names) if (self.table["cls"] == cls).any()]
        listed = name_some(present, NAMED) or "none"
        return f"Events({len(self)} active frames of {len(present)} classes: {listed})"

    @classmethod
    def empty(cls, labels: LabelSet = DCASE2025, hop_s: float = 0.1) -> "Events":
        return cls(pd.DataFrame({"frame": [], "cls": []}), labels, hop_s)

    @classmethod
    def from_batch(
        cls, columns: Mapping[str, np.ndarray], rows: Sequence[int], labels: LabelSet = DCASE2025, hop_s: float = 0.1
    ) -> list["Events"]:
        """Split the events of several clips, whose rows stand one clip after the other, `rows` of each.

        They are checked all at once: to check and to make each clip's table anew would cost ten times as much.
        """
        table = _check_table(pd.DataFrame(columns), labels, np.repeat(np.arange(len(rows)), rows))
        ends = np.cumsum(rows).tolist()
        tables = [table.iloc[begin:end].reset_index(drop=True) for begin, end in zip([0, *ends], ends, strict=False)]
        return [cls._from_checked(clip, labels, hop_s) for clip in tables]

    @classmethod
    def _from_checked(cls, table: pd.DataFrame, labels: LabelSet, hop_s: float) -> "Events":
        events = object.__new__(cls)
        for name, value in {"table": table, "labels": labels, "hop_s": hop_s}.items():
            object.__setattr__(events, name, value)
        return events

    def segments(self) -> pd.DataFrame:
        """Build a table of one row per uninterrupted stretch of a source: columns `cls, class, source, start_s, end_s,
        azimuth_deg, distance_m, onscreen, score, azimuth_std_deg, distance_std_m`, sorted by start. Azimuth is the mean
        direction (of vectors), distance the geometric mean, the rest plain means.
        """
        column = {name: self.table[name].to_numpy() for name in COLUMNS}
        order = np.lexsort((column["frame"], column["source"], column["cls"]))
        column = {name: values[order] for name, values in column.items()}
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(column["frame"]) != 1) | (np.diff(column["cls"]) != 0) | (np.diff(column["source"]) != 0)
        first = np.flatnonzero(new)
        last = np.r_[first[1:], len(order)][: len(first)] - 1

        def mean(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values, first) / (last - first + 1) if len(first) else np.zeros(0)

        azimuth = np.radians(column["azimuth_deg"])
        found = {
            "cls": column["cls"][first],
            "class": np.array(self.labels.names, dtype=object)[column["cls"][first]],
            "source": column["source"][first],
            "start_s": column["frame"][first] * self.hop_s,
            "end_s": (column["frame"][last] + 1) * self.hop_s,
            "azimuth_deg": np.degrees(np.arctan2(mean(np.sin(azimuth)), mean(np.cos(azimuth)))),
            "distance_m": np.exp(mean(np.log(column["distance_m"].clip(0.01)))),
            **{name: mean(column[name]) for name in ("onscreen", "score", "azimuth_std_deg", "distance_std_m")},
        }
        order = np.lexsort((found["source"], found["cls"], found["start_s"]))
        return pd.DataFrame({name: values[order] for name, values in found.items()}, copy=False)


def _check_table(table: pd.DataFrame, labels: LabelSet, clip: np.ndarray | None = None) -> pd.DataFrame:
    """The table sorted and filled up, of one clip, or with the number of each row's clip."""
    unknown = [column for column in table.columns if column not in COLUMNS]
    if unknown or not {"frame", "cls"} <= set(table.columns):
        raise ValueError(
            f"events need the columns frame and cls and may have {list(COLUMNS)}, got {list(table.columns)}"
        )
    # One frame is made at the end: pandas' own steps would cost ten times as much, for each of thousands of clips.
    columns = {name: _column(table, name, kind) for name, kind in COLUMNS.items()}
    clip = np.zeros(len(table), dtype="int64") if clip is None else clip
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
    return pd.DataFrame(columns, copy=False)


def _column(table: pd.DataFrame, name: str, kind: str) -> np.ndarray:
    if name not in table.columns:
        return np.full(len(table), 0 if kind == "int64" else np.nan, dtype=kind)
    return table[name].to_numpy(dtype=kind)
