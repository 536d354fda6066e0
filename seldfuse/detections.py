"""What detectors saw in a video: boxes, scores, phrases and keypoints over time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

COLUMNS = {"time_s": "float64", "phrase": "object", "score": "float64", "left_px": "float64", "top_px": "float64",
           "right_px": "float64", "bottom_px": "float64", "track": "int64"}  # fmt: skip


@dataclass(frozen=True)
class Detections:
    """One row per thing seen at one video time, and its keypoints where it is a person.

    Shape: `table` has the columns of `COLUMNS`; `keypoints` is `(row, point, 3)` with x and y in pixels and a score,
    NaN for points that were not looked for. Raises ValueError where the two do not fit.
    """

    table: pd.DataFrame
    keypoints: np.ndarray

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table.columns]
        if missing:
            raise ValueError(f"detections lack the columns {missing}; expected {list(COLUMNS)}")
        if self.keypoints.ndim != 3 or self.keypoints.shape[0] != len(self.table) or self.keypoints.shape[2] != 3:
            raise ValueError(f"keypoints must be ({len(self.table)}, point, 3), got {self.keypoints.shape}")

    def __len__(self) -> int:
        return len(self.table)
