"""The checked table of events."""

import numpy as np
import pandas as pd
import pytest

from seldfuse.core.events import COLUMNS, Events


def test_missing_columns_are_filled_as_unknown_and_rows_sorted() -> None:
    events = Events(pd.DataFrame({"frame": [3, 1, 1], "cls": [0, 2, 1]}))
    assert list(events.table.columns) == list(COLUMNS)
    assert events.table["frame"].tolist() == [1, 1, 3]
    assert events.table["cls"].tolist() == [1, 2, 0]
    assert events.table["azimuth_deg"].isna().all()
    assert {name: str(kind) for name, kind in events.table.dtypes.items()} == COLUMNS


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"frame": [-1], "cls": [0]}, "negative frames"),
        ({"frame": [0], "cls": [13]}, r"class ids outside 0\.\.12"),
        ({"frame": [0], "cls": [0], "distance_m": [-0.1]}, "negative distances"),
        ({"frame": [0], "cls": [0], "onscreen": [0.5]}, "on-screen flags other than 0 and 1"),
        ({"frame": [0, 0], "cls": [1, 1]}, "two rows of one frame, class and source"),
        ({"frame": [0]}, "events need the columns frame and cls"),
        ({"frame": [0], "cls": [0], "colour": [1]}, "events need the columns frame and cls"),
    ],
)
def test_impossible_events_are_refused(columns: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Events(pd.DataFrame(columns))


def slow_segments(events: Events) -> list[tuple[int, int, int, int]]:
    """Class, source, first and last frame of every stretch, by walking."""
    found = []
    keys = sorted({(row.cls, row.source) for row in events.table.itertuples()})
    for cls, source in keys:
        frames = sorted(events.table.query("cls == @cls and source == @source")["frame"])
        first = frames[0]
        for before, after in zip(frames, [*frames[1:], None], strict=True):
            if after is None or after != before + 1:
                found.append((cls, source, first, before))
                first = after
    return sorted(found)


def test_a_batch_is_checked_clip_by_clip() -> None:
    columns = {"frame": np.array([4, 0, 0]), "cls": np.array([2, 1, 1])}
    first, none, second = Events.from_batch(columns, [2, 0, 1])
    assert first.table.equals(Events(pd.DataFrame({"frame": [4, 0], "cls": [2, 1]})).table)
    assert len(none) == 0
    assert second.table.equals(Events(pd.DataFrame({"frame": [0], "cls": [1]})).table)
    with pytest.raises(ValueError, match="two rows of one frame, class and source"):
        Events.from_batch(columns, [1, 2])


def test_segments_equal_a_walk_through_the_frames() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        cells = np.unique(rng.integers(0, [30, 3, 2], (60, 3)), axis=0)
        events = Events(pd.DataFrame(cells, columns=["frame", "cls", "source"]))
        rows = events.segments()
        starts, ends = np.rint(rows["start_s"] * 10).astype(int), np.rint(rows["end_s"] * 10).astype(int)
        walked = sorted(zip(rows["cls"], rows["source"], starts, ends - 1, strict=True))
        assert walked == slow_segments(events)
        assert rows["start_s"].is_monotonic_increasing


def test_a_segment_averages_azimuth_as_vectors_and_distance_by_logarithm() -> None:
    table = pd.DataFrame(
        {"frame": [0, 1], "cls": 0, "azimuth_deg": [170.0, -170.0], "distance_m": [1.0, 4.0], "score": [0.6, 0.8]}
    )
    (row,) = Events(table).segments().to_dict("records")
    assert abs(row["azimuth_deg"]) == pytest.approx(180.0)
    assert row["distance_m"] == pytest.approx(2.0)
    assert row["score"] == pytest.approx(0.7)
    assert np.isnan(row["onscreen"])


def test_no_events_have_no_segments() -> None:
    assert Events.empty().segments().empty


def test_segments_end_with_the_clip_and_times_are_in_milliseconds() -> None:
    table = pd.DataFrame({"frame": [*range(7, 48), 99, 100], "cls": 0})
    found = Events(table, duration_s=10.0271).segments()
    assert found[["start_s", "end_s"]].to_numpy().tolist() == [[0.7, 4.8], [9.9, 10.027]]
    assert Events(table).segments()["end_s"].tolist() == [4.8, 10.1]
