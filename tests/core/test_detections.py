"""What detectors saw, checked where it is made, and kept in files that anyone can read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seldfuse.core.detections import DETECTION_COLUMNS, KEYPOINTS, Detections
from seldfuse.errors import UsageError

ROWS = [(0.5, "person", 0.9, 10.0, 20.0, 30.0, 60.0, -1), (0.0, "telephone", 0.4, 1.0, 2.0, 3.0, 4.0, 7)]


def seen(rows: int) -> pd.DataFrame:
    return pd.DataFrame({name: np.zeros(rows, dtype=kind) for name, kind in DETECTION_COLUMNS.items()})


def test_every_row_has_its_keypoints() -> None:
    assert len(Detections(seen(2), np.zeros((2, 17, 3)))) == 2
    with pytest.raises(ValueError, match=r"keypoints must be \(2, 17, 3\), got \(3, 17, 3\)"):
        Detections(seen(2), np.zeros((3, 17, 3)))


def test_missing_columns_are_named() -> None:
    with pytest.raises(ValueError, match=r"detections lack the columns \['score'\]"):
        Detections(seen(1).drop(columns="score"), np.zeros((1, 17, 3)))


def test_parts_are_joined_in_order_of_time() -> None:
    joined = Detections.concat([Detections.from_rows(ROWS), Detections.from_rows([(0.0, "door", 0.5, 0, 0, 1, 1, -1)])])
    assert joined.table["phrase"].tolist() == ["telephone", "door", "person"]
    assert len(Detections.concat([])) == 0


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    keypoints = np.arange(2 * len(KEYPOINTS) * 3, dtype=float).reshape(2, len(KEYPOINTS), 3)
    keypoints[1] = np.nan
    detections = Detections.from_rows(ROWS, list(keypoints))
    detections.save(tmp_path / "seen.parquet")
    again = Detections.load(tmp_path / "seen.parquet")
    pd.testing.assert_frame_equal(again.table, detections.table.sort_values("time_s").reset_index(drop=True))
    np.testing.assert_array_equal(again.keypoints, keypoints[::-1])
    assert "nose_x_px" in pd.read_parquet(tmp_path / "seen.parquet").columns


@pytest.mark.parametrize("content", ["no table at all", None])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "seen.parquet"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"seen\.parquet"):
        Detections.load(path)


def test_a_file_of_something_else_names_the_columns(tmp_path: Path) -> None:
    seen(1).drop(columns=["score"]).to_parquet(tmp_path / "seen.parquet")
    with pytest.raises(UsageError, match="with the columns time_s, phrase, score"):
        Detections.load(tmp_path / "seen.parquet")


def test_an_empty_table_is_kept_too(tmp_path: Path) -> None:
    Detections.from_rows([]).save(tmp_path / "seen.parquet")
    assert len(Detections.load(tmp_path / "seen.parquet")) == 0
