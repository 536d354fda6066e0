"""Sound events as a checked table, one row per active frame."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from seldfuse.labels import DCASE2025, LabelSet

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


@dataclass(frozen=True)
class Events:
    """What was decided: which class sounds in which frame, where from, how far, in the picture or not.

    `table` has the columns of `COLUMNS`, sorted by frame, class and source; columns that are missing are filled as
    unknown, others refused. Raises ValueError for negative frames, classes outside `labels`, negative distances,
    an on-screen flag that is neither 0, 1 nor NaN, or two rows of one frame, class and source.
    """

    table: pd.DataFrame
    labels: LabelSet = DCASE2025
    hop_s: float = 0.1
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _checked(self.table, self.labels))

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def empty(cls, labels: LabelSet = DCASE2025, hop_s: float = 0.1) -> "Events":
        return cls(pd.DataFrame({"frame": [], "cls": []}), labels, hop_s)

    def segments(self) -> pd.DataFrame:
        """One row per uninterrupted stretch of a source: columns `cls, source, start_s, end_s, azimuth_deg, distance_m,
        onscreen, score, azimuth_std_deg, distance_std_m`, sorted by start. Azimuth is the mean direction (of vectors),
        distance the geometric mean, the rest plain means.
        """
        rows = self.table.sort_values(["cls", "source", "frame"], kind="stable")
        new = (rows[["cls", "source"]].diff().ne(0).any(axis=1)) | (rows["frame"].diff() != 1)
        azimuth = np.radians(rows["azimuth_deg"])
        parts = rows.assign(
            x=np.cos(azimuth), y=np.sin(azimuth), log_distance=np.log(rows["distance_m"].clip(lower=0.01))
        )
        grouped = parts.groupby(new.cumsum().to_numpy(), sort=False)
        out = grouped.agg(
            cls=("cls", "first"),
            source=("source", "first"),
            first=("frame", "first"),
            last=("frame", "last"),
            x=("x", "mean"),
            y=("y", "mean"),
            log_distance=("log_distance", "mean"),
            onscreen=("onscreen", "mean"),
            score=("score", "mean"),
            azimuth_std_deg=("azimuth_std_deg", "mean"),
            distance_std_m=("distance_std_m", "mean"),
        )
        out["start_s"] = out["first"] * self.hop_s
        out["end_s"] = (out["last"] + 1) * self.hop_s
        out["azimuth_deg"] = np.degrees(np.arctan2(out["y"], out["x"]))
        out["distance_m"] = np.exp(out["log_distance"])
        columns = ["cls", "source", "start_s", "end_s", *list(COLUMNS)[3:]]
        return out[columns].sort_values(["start_s", "cls", "source"], kind="stable").reset_index(drop=True)


def _checked(table: pd.DataFrame, labels: LabelSet) -> pd.DataFrame:
    unknown = [column for column in table.columns if column not in COLUMNS]
    if unknown or not {"frame", "cls"} <= set(table.columns):
        raise ValueError(
            f"events need the columns frame and cls and may have {list(COLUMNS)}, got {list(table.columns)}"
        )
    fill: dict[str, Any] = {column: (0 if kind == "int64" else np.nan) for column, kind in COLUMNS.items()}
    full = table.assign(**{column: fill[column] for column in COLUMNS if column not in table.columns})
    full = full[list(COLUMNS)].astype(COLUMNS).sort_values(["frame", "cls", "source"], kind="stable", ignore_index=True)
    bad_onscreen = full["onscreen"].notna() & ~full["onscreen"].isin([0.0, 1.0])
    checks = {
        "negative frames": full["frame"] < 0,
        f"class ids outside 0..{len(labels) - 1}": (full["cls"] < 0) | (full["cls"] >= len(labels)),
        "negative distances": full["distance_m"] < 0,
        "on-screen flags other than 0 and 1": bad_onscreen,
        "two rows of one frame, class and source": full.duplicated(["frame", "cls", "source"]),
    }
    for problem, rows in checks.items():
        if rows.any():
            raise ValueError(f"events hold {problem}, first: {full[rows].iloc[0].to_dict()}")
    return full
