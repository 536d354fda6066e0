"""What detectors saw, checked where it is made."""

import numpy as np
import pandas as pd
import pytest

from seldfuse.detections import COLUMNS, Detections


def seen(rows: int) -> pd.DataFrame:
    return pd.DataFrame({name: np.zeros(rows, dtype=kind) for name, kind in COLUMNS.items()})


def test_every_row_has_its_keypoints() -> None:
    assert len(Detections(seen(2), np.zeros((2, 17, 3)))) == 2
    with pytest.raises(ValueError, match=r"keypoints must be \(2, point, 3\), got \(3, 17, 3\)"):
        Detections(seen(2), np.zeros((3, 17, 3)))


def test_missing_columns_are_named() -> None:
    with pytest.raises(ValueError, match=r"detections lack the columns \['score'\]"):
        Detections(seen(1).drop(columns="score"), np.zeros((1, 17, 3)))
