"""The challenges' CSV files, read and written."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import result_of

from seldfuse.core.events import Events
from seldfuse.errors import UsageError
from seldfuse.formats import dcase

HEADER = "frame,class,source,azimuth,distance,onscreen\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clip.csv"


def events(**columns: list[float]) -> Events:
    return Events(pd.DataFrame(columns))


def test_a_file_of_2025_is_read_with_distances_in_metres(path: Path) -> None:
    path.write_text(HEADER + "0,0,1,-9,155,0\n3,12,7,90,88,1\n")
    table = dcase.read_events(path).table
    assert table["frame"].tolist() == [0, 3]
    assert table["cls"].tolist() == [0, 12]
    assert table["source"].tolist() == [1, 7]
    assert table["azimuth_deg"].tolist() == [-9, 90]
    assert table["distance_m"].tolist() == [1.55, 0.88]
    assert table["onscreen"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("line", "source", "distance_m"),
    [
        ("7,4,-35,10", 0, math.nan),
        ("7,4,2,-35,10", 2, math.nan),
        ("7,4,2,-35,10,233", 2, 2.33),
    ],
)
def test_files_of_earlier_challenges_have_no_header_and_an_elevation(
    path: Path, line: str, source: int, distance_m: float
) -> None:
    path.write_text(line + "\n")
    row = dcase.read_events(path).table.iloc[0]
    assert (row["frame"], row["cls"], row["source"], row["azimuth_deg"]) == (7, 4, source, -35)
    assert row["distance_m"] == pytest.approx(distance_m, nan_ok=True)
    assert math.isnan(row["onscreen"])


def test_a_column_for_on_screen_may_be_missing(path: Path) -> None:
    path.write_text("frame,class,source,azimuth,distance\n0,0,1,-9,155\n")
    assert dcase.read_events(path).table["onscreen"].isna().all()


@pytest.mark.parametrize("text", ["", HEADER, "\n\n", HEADER.strip(), "\ufeff" + HEADER])
def test_a_file_without_rows_holds_no_events(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    assert len(dcase.read_events(path)) == 0
    assert dcase.read_many([path])[0].shape == (0, 6)


def test_spaces_blank_lines_and_line_ends_of_windows_are_read_over(path: Path) -> None:
    path.write_bytes(b"frame, class, source, azimuth, distance, onscreen\r\n\r\n0, 0, 1, -9, 155, 0\r\n")
    assert dcase.read_events(path).table["distance_m"].tolist() == [1.55]


def test_a_source_number_that_is_taken_gives_way_to_the_lowest_free_one(path: Path) -> None:
    path.write_text(HEADER + "0,1,0,10,100,0\n0,1,0,20,100,0\n0,1,2,30,100,0\n0,1,2,40,100,0\n1,1,0,50,100,0\n")
    table = dcase.read_events(path).table
    by_azimuth = dict(zip(table["azimuth_deg"], table["source"], strict=True))
    assert by_azimuth == {10: 0, 20: 1, 30: 2, 40: 3, 50: 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "0,0,1,-9,155,0\n1,0,1,-9,155\n", "expected 6 columns ({columns}), got 5 in line 3"),
        (HEADER + "\n0,0,1,left,155,0\n", "expected a number for azimuth, got 'left' in line 3"),
        (HEADER + "0,13,1,-9,155,0\n", "expected 0 to 12 (dcase2025) for class, got 13 in line 2"),
        (HEADER + "0.5,0,1,-9,155,0\n", "expected a whole number from 0 on for frame, got 0.5 in line 2"),
        (HEADER + "0,0,-2,-9,155,0\n", "expected a whole number from 0 on, or -1 for source, got -2 in line 2"),
        (HEADER + "0,0,1,nan,155,0\n", "expected a finite number for azimuth, got nan in line 2"),
        (HEADER + "0,0,1,-9,-5,0\n", "expected centimetres from 0 to 100000 for distance, got -5 in line 2"),
        (HEADER + "0,0,1,-9,155,0.5\n", "expected 0 or 1 for onscreen, got 0.5 in line 2"),
        (
            "frame,class,start_time\n0,0,1\n",
            "expected the header {columns}, or the names of other columns with frame, class and azimuth, "
            "got 'frame,class,start_time'",
        ),
        (
            "0,0,1\n",
            "expected the header {columns}, or 4 to 7 numbers without one, got 3 in line 1; "
            "write the header that is meant, such as {columns}, as the first line",
        ),
        ("0,0,1,5,0\n0,0,1,5,0,100\n", "expected 5 columns, got 6 in line 2"),
    ],
)
def test_a_malformed_line_is_named(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    expected = f"{message.format(columns=HEADER.strip())}: {path}"
    for read in (dcase.read_events, lambda path: dcase.read_many([path])):
        with pytest.raises(UsageError) as failure:
            read(path)
        assert str(failure.value) == expected


def test_what_cannot_be_read_is_an_error_that_names_the_file(path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read .*No such file.*clip\.csv"):
        dcase.read_many([path])
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"expected a text file of events, got one of bytes .*clip\.csv"):
        dcase.read_events(path)


def test_many_files_are_read_as_each_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(20):
        rows = [(f, rng.integers(13), 0, rng.integers(-90, 91), rng.integers(500), 1) for f in range(rng.integers(4))]
        lines = [",".join(map(str, row)) for row in rows]
        (tmp_path / f"{number:02d}.csv").write_text(HEADER + "\n".join(lines))
    paths = sorted(tmp_path.glob("*.csv"))
    together = dcase.read_many(paths)
    assert sum(map(len, together)) > 20
    for rows, path in zip(together, paths, strict=True):
        np.testing.assert_array_equal(rows, dcase.read_rows(path))
    old = tmp_path / "old.csv"
    old.write_text("0,4,2,-35,10\n")
    assert [len(rows) for rows in dcase.read_many([*paths, old])] == [*map(len, together), 1]


def test_rows_keep_the_order_of_the_file(path: Path) -> None:
    path.write_text(HEADER + "5,0,1,-9,155,0\n0,3,2,20,100,1\n0,3,0,10,100,1\n")
    assert dcase.read_rows(path)[:, 2].tolist() == [1, 2, 0]


def test_the_written_file_is_in_whole_degrees_and_centimetres_with_the_rear_in_front(path: Path) -> None:
    table = events(
        frame=[1, 0, 0],
        cls=[2, 5, 5],
        source=[0, 1, 0],
        azimuth_deg=[150.4, -89.6, -0.2],
        distance_m=[1.554, 0.0, 12.346],
        onscreen=[1, 0, math.nan],
    )
    dcase.write_events(table, path)
    assert path.read_text() == HEADER + "0,5,0,0,1235,0\n0,5,1,-90,0,0\n1,2,0,30,155,1\n"


def test_no_events_are_a_header_alone(path: Path) -> None:
    dcase.write_events(Events.empty(), path)
    assert path.read_text() == HEADER


def test_a_writer_takes_a_result(path: Path) -> None:
    dcase.write_result(result_of(Events.empty()), path)
    assert path.read_text() == HEADER


@given(
    st.lists(
        st.tuples(
            st.integers(0, 99),
            st.integers(0, 12),
            st.integers(0, 20),
            st.integers(-90, 90),
            st.integers(11, 1500),
            st.integers(0, 1),
        ),
        max_size=12,
        unique_by=lambda row: row[:3],
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_what_is_read_is_written_as_it_was(path: Path, rows: list[tuple[int, ...]]) -> None:
    text = HEADER + "".join(",".join(map(str, row)) + "\n" for row in sorted(rows))
    path.write_text(text)
    dcase.write_events(dcase.read_events(path), path)
    assert path.read_text() == text


@pytest.mark.parametrize(("missing", "word"), [("azimuth_deg", "direction"), ("distance_m", "distance")])
def test_without_direction_or_distance_nothing_is_written(path: Path, missing: str, word: str) -> None:
    columns = {"frame": [0, 1], "cls": [0, 0], "azimuth_deg": [1.0, 2.0], "distance_m": [1.0, 2.0]}
    columns[missing] = [1.0, math.nan]
    with pytest.raises(UsageError) as failure:
        dcase.write_events(events(**columns), path)
    assert str(failure.value) == (
        f"a DCASE file needs the {word} of every event, and some here have none; add a backend that gives {word}s "
        f"(`seldfuse plugins` lists what each gives) or write another format, --formats json: {path}"
    )
    assert not path.exists()


def test_frames_of_another_length_are_refused(path: Path) -> None:
    table = pd.DataFrame({"frame": [0], "cls": [0], "azimuth_deg": [0.0], "distance_m": [1.0]})
    with pytest.raises(UsageError, match=r"counts frames of 0\.1 s, these events have frames of 0\.02 s"):
        dcase.write_events(Events(table, hop_s=0.02), path)


@pytest.mark.shared
def test_real_label_files_are_read(shared: Path) -> None:
    files = sorted((shared / "data" / "starss22_metadata").rglob("*.csv"))
    tables = dcase.read_many(files)
    assert len(tables) == 122
    assert sum(map(len, tables)) > 100_000
    lines = files[0].read_text().splitlines()
    assert tables[0][:, 3].tolist() == [float(line.split(",")[3]) for line in lines]
