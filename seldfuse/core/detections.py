"""What detectors found in a video: boxes, scores, phrases and keypoints over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from seldfuse.errors import UsageError
from seldfuse.limits import MOST_DETECTIONS
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.text import name_some

DETECTION_COLUMNS = {
    "time_s": "float64",
    "phrase": "object",
    "score": "float64",
    "left_px": "float64",
    "top_px": "float64",
    "right_px": "float64",
    "bottom_px": "float64",
    "track": "int64",
}

KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""COCO's keypoints of a person, in its order; left and right are the person's own."""

PERSON = "person"
"""The phrase of a person, whoever found it."""

PARTS = ("x_px", "y_px", "score")
UNTRACKED = -1
"""The track of a thing that nothing has followed from picture to picture."""


NAMED = 5
"""Phrases that a text names before it counts the rest."""


@dataclass(frozen=True)
class Detections:
    """One row per thing found at one video time, and its keypoints where it is a person.

    Shape: `table` has the columns of `DETECTION_COLUMNS`, rows sorted by time; `keypoints` is `(row, point, 3)`, points
    as in `KEYPOINTS`, with x and y in pixels and a score from 0 to 1, NaN for unknown points. Raises
    ValueError where the two do not fit.

    >>> from seldfuse.sdk import PERSON, UNTRACKED, Detections
    >>> found = Detections.from_rows([(0.5, PERSON, 0.9, 100.0, 50.0, 200.0, 300.0, UNTRACKED)])
    >>> found.table["phrase"].tolist(), found.keypoints.shape
    (['person'], (1, 17, 3))
    """

    table: pd.DataFrame
    keypoints: Float[np.ndarray, "row point 3"]

    def __post_init__(self) -> None:
        missing = [column for column in DETECTION_COLUMNS if column not in self.table.columns]
        if missing:
            raise ValueError(f"detections lack the columns {missing}; expected {list(DETECTION_COLUMNS)}")
        expected = (len(self.table), len(KEYPOINTS), 3)
        if self.keypoints.shape != expected:
            raise ValueError(f"keypoints must be {expected}, got {self.keypoints.shape}")

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[object, ...]], keypoints: Sequence[np.ndarray] = ()) -> "Detections":
        """Build detections from one tuple per row in the order of `DETECTION_COLUMNS`; without keypoints all are
        unknown.
        """
        table = pd.DataFrame(list(rows), columns=list(DETECTION_COLUMNS)).astype(DETECTION_COLUMNS)
        points = np.array(keypoints, dtype=float).reshape(-1, len(KEYPOINTS), 3)
        return cls(table, points if len(keypoints) else np.full((len(table), len(KEYPOINTS), 3), np.nan))

    @classmethod
    def concat(cls, parts: Sequence["Detections"]) -> "Detections":
        """Concatenate the rows of all parts, sorted by time; those of one time keep their order."""
        if not parts:
            return cls.from_rows([])
        table = pd.concat([part.table for part in parts], ignore_index=True)
        order = np.argsort(table["time_s"].to_numpy(), kind="stable")
        keypoints = np.concatenate([part.keypoints for part in parts])
        return cls(table.iloc[order].reset_index(drop=True), keypoints[order])

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        phrases = name_some(sorted(self.table["phrase"].unique()), NAMED) or "none"
        return f"Detections({len(self)} at {self.table['time_s'].nunique()} times: {phrases})"

    def select(self, rows: Bool[np.ndarray, " row"]) -> "Detections":
        """Select the rows where the mask is true."""
        return Detections(self.table[rows].reset_index(drop=True), self.keypoints[rows])

    def save(self, path: Path) -> None:
        """Write a Parquet file: the table, and x, y and score of each keypoint as columns. Raises UsageError."""
        points = pd.DataFrame(self.keypoints.reshape(len(self), 3 * len(KEYPOINTS)), columns=_point_columns())
        with write_atomically(path) as draft:
            pd.concat([self.table.reset_index(drop=True), points], axis=1).to_parquet(draft, index=False)

    @classmethod
    def load(cls, path: Path) -> "Detections":
        """Read what `save` wrote; columns of keypoints may be left out. Raises UsageError that names what is wrong."""
        # Listing what is installed needs no Parquet.
        import pyarrow.parquet as pq

        try:
            rows = pq.read_metadata(path).num_rows
            if rows > MOST_DETECTIONS:
                raise ValueError(f"{rows:,} rows, more than {MOST_DETECTIONS:,}")
            read = pd.read_parquet(path)
            table = read[list(DETECTION_COLUMNS)].astype(DETECTION_COLUMNS)
            points = read.reindex(columns=_point_columns()).to_numpy(dtype=float)
        except FileNotFoundError as error:
            raise UsageError(f"there is no such file of detections: {path}") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"expected a Parquet file of detections with the columns {', '.join(DETECTION_COLUMNS)} "
                f"({error}): {path}"
            ) from error
        order = np.argsort(table["time_s"].to_numpy(), kind="stable")
        keypoints = points.reshape(len(table), len(KEYPOINTS), 3)
        return cls(table.iloc[order].reset_index(drop=True), keypoints[order])


def _point_columns() -> list[str]:
    return [f"{point}_{part}" for point in KEYPOINTS for part in PARTS]
