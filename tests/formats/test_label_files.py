"""Label files of every year, recognized by header or by value; what cannot be is refused by file and line."""

import math
from pathlib import Path

import numpy as np
import pytest

from seldfuse.formats.label_files import LabelFile, LabelFileError, list_notes, read_label_file, read_label_files

HEADER = "frame,class,source,azimuth,distance,onscreen\n"
FRAMES = range(30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clip.csv"


def lines(*cells: str, frames: range = FRAMES) -> str:
    """The same source in every frame."""
    return "".join(f"{frame},{','.join(cells)}\n" for frame in frames)


def read(path: Path, text: str, counting: str = "strict") -> LabelFile:
    path.write_text(text, encoding="utf-8")
    return read_label_file(path, counting=counting)  # type: ignore[arg-type]


# Layouts


@pytest.mark.parametrize(
    ("cells", "layout", "azimuth_deg", "distance_m", "onscreen"),
    [
        # Labels of 2025 without a header: 700 is no elevation, and 0 or 1 no distance.
        (("0,0,32,700,1"), "2025", 32, 7.0, 1),
        (("0,0,32,80,1"), "2025", 32, 0.8, 1),
        (("0,0,32,700"), "2025 without on-screen", 32, 7.0, math.nan),
        (("4,2,-35,-10,233"), "2023 and 2024", -35, 2.33, math.nan),
        (("4,2,-35,10,233"), "2023 and 2024", -35, 2.33, math.nan),
        (("4,2,-35,10"), "2020 to 2022", -35, math.nan, math.nan),
        (("4,-35,10"), "2019", -35, math.nan, math.nan),
        (("0,0,0.8660254,0.5,0.0"), "Cartesian outputs of older baselines", 30, math.nan, math.nan),
        (("0,0.8660254,0.5,0.0"), "Cartesian outputs of older baselines", 30, math.nan, math.nan),
        (("0,0,1,0,0"), "Cartesian outputs of older baselines", 0, math.nan, math.nan),
        (
            ("0,0,0.52,0.3,0.0"),
            "Cartesian outputs of older baselines",
            math.degrees(math.atan2(0.3, 0.52)),
            *2 * (math.nan,),
        ),
        (("0,0,0.8660254,0.5,0.0,2.1"), "Cartesian outputs of 2024", 30, 2.1, math.nan),
        (("0,0,32,700,1,0.93"), "2025", 32, 7.0, 1),
        (("0,0,32,-5,210,1"), "2023 with on-screen", 32, 2.1, 1),
    ],
)
def test_without_a_header_values_tell_the_layout(
    path: Path, cells: str, layout: str, azimuth_deg: float, distance_m: float, onscreen: float
) -> None:
    file = read(path, lines(cells))
    assert file.layout.name == layout
    np.testing.assert_allclose(
        file.rows[3], [3, file.rows[3, 1], file.rows[3, 2], azimuth_deg, distance_m, onscreen], 1e-6
    )
    assert len(file.rows) == len(FRAMES)


def test_a_note_says_what_was_assumed_where_it_is_not_certain(path: Path) -> None:
    assert read(path, lines("0,0,30,200,1")).notes == (
        "it has no header; taken for the layout of 2025 (frame,class,source,azimuth,distance,onscreen), for its fifth "
        "column holds 200, which no elevation can be",
    )
    assert "20 ms in 2019" in read(path, lines("4,-35,10")).notes[0]
    assert "which elevations can be" in read(path, lines("4,0,-35,10")).notes[0]
    assert read(path, lines("4,0,-35,-10")).notes == ()
    assert read(path, lines("4,0,-35,10,200")).notes == ()
    assert read(path, HEADER + lines("0,0,30,200,1")).notes == ()


@pytest.mark.parametrize(
    ("header", "cells", "elevation_deg"),
    [
        ("frame,class,source,azimuth,elevation,distance", "0,1,150,-10,210", -10),
        ("Frame;Class;Track;Azimuth;Elevation;Distance", "0;1;150;-10;210", -10),
        ("frame,azimuth,distance_m,class,source", "150,2.1,0,1", math.nan),
        ('"frame","class","source","azimuth","distance","score"', '"0","1","150","210","0.5"', math.nan),
    ],
)
def test_a_header_says_what_the_columns_are(path: Path, header: str, cells: str, elevation_deg: float) -> None:
    mark = ";" if ";" in cells else ","
    file = read(path, header + "\n" + "".join(f"{frame}{mark}{cells}\n" for frame in FRAMES))
    np.testing.assert_allclose(file.rows[2, :5], [2, 0, 1, 150, 2.1])
    np.testing.assert_equal(file.elevation_deg[2], elevation_deg)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            lines("0,0,30,-100,200"),
            "the elevation .*expected from -90 to 90, got -100 in line 1; write the header that",
        ),
        (lines("0,0,30,95,200"), "the elevation .*expected from -90 to 90, got 95 in line 1"),
        (HEADER + lines("0,0,9999,200,1"), "expected degrees from -180 to 180 for azimuth, got 9999 in line 2"),
        (
            HEADER + lines("0,0,30,10000000,1"),
            "expected centimetres from 0 to 100000 for distance, got 10000000 in line",
        ),
        (
            "frame,class,source,azimuth,elevation,distance\n" + lines("0,0,30,-91,200"),
            "expected degrees from -90 to 90 for elevation, got -91 in line 2",
        ),
        (
            HEADER + lines("0,0,30,200,1", frames=range(0, 24_000, 2400)),
            "got multiples of 2400 alone, which look like samples at 24000 Hz in line 3",
        ),
        (
            HEADER + lines("0,0,30,200,1", frames=range(0, 3000, 100)),
            "got multiples of 100 alone, which look like samples or milliseconds in line 3",
        ),
        (
            HEADER + lines("0,0,30,200,1") + "1000000000,0,0,30,200,1\n",
            r"fewer than a day has \(864000\), got 1000000000 in line 32",
        ),
        (HEADER + "0,0,0,1_0,200,1\n", "expected a number for azimuth, got '1_0' in line 2"),
        (HEADER + "0,True,0,10,200,1\n", "expected a number for class, got 'True' in line 2"),
    ],
)
def test_what_no_column_can_hold_is_refused_by_file_and_line(path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelFileError, match=f"{message}.*clip.csv"):
        read(path, text)


@pytest.mark.parametrize(
    ("cells", "note", "distance_m"),
    [
        ("0,0,30,2.1,1", "distances of 2.1 to 2.1 look like metres, .*; they are taken for metres", 2.1),
        ("0,0,30,3,1", "distances of 3 to 3 look like metres", 3.0),
        ("0,0,30,2100,1", "so that distances look like millimetres; they are taken for centimetres", 21.0),
        ("0,0,0.523599,200,1", "no azimuth is beyond 6.29, so that they look like radians", 2.0),
    ],
)
def test_units_that_are_not_those_of_the_column_are_noted(path: Path, cells: str, note: str, distance_m: float) -> None:
    file = read(path, HEADER + lines(cells))
    assert len(file.notes) == 1
    with pytest.raises(AssertionError, match=note):
        raise AssertionError(file.notes[0])
    assert file.rows[0, 4] == pytest.approx(distance_m)


def test_frames_at_a_small_step_are_noted(path: Path) -> None:
    (note,) = read(path, HEADER + lines("0,0,30,200,1", frames=range(0, 150, 5))).notes
    assert note == "all frames are multiples of 5; frames of 100 ms are expected, counted one by one"


def test_lines_that_say_the_same_count_once(path: Path) -> None:
    file = read(path, HEADER + "0,0,0,30,200,1\n0,0,0,30,200,1\n0,0,0,40,200,1\n")
    assert file.rows[:, 3].tolist() == [30, 40]
    assert file.notes == ("1 lines say again what another one says, and count once",)
    (note,) = read(path, HEADER + "0,0,3,30,200,1\n0,0,3,40,200,1\n0,0,4,50,200,1\n").notes
    assert note == "several lines have one frame, class and source; they are taken for several sources"
    assert read(path, HEADER + "0,0,0,30,200,1\n0,0,0,40,200,1\n").notes == ()


def test_true_and_quotes_are_read_by_all_alike(path: Path) -> None:
    for text in (HEADER + "0,0,0,30,200,True\n", HEADER + '"0","0","0","30","200","1"\n', "0,0,0,30,200,true\n"):
        assert read(path, text).rows[0].tolist() == [0, 0, 0, 30, 2, 1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1", "utf-8-sig"])
def test_tables_in_other_encodings_are_read(path: Path, encoding: str) -> None:
    path.write_text("frame,class,source,azimuth,distance,onscreen,größe\n0,0,0,30,200,1,5\n", encoding=encoding)
    assert read_label_file(path).rows.tolist() == [[0, 0, 0, 30, 2, 1]]


# What the challenge's scorer takes


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        ("0,0,30,200,255", [0, 0, 0, 30, 2, 255]),
        ("0,-1,30,200,-1", [0, 0, -1, 30, 2, -1]),
        ("0,0,30,-200,1", [0, 0, 0, 30, -2, 1]),
        ("0,0,30,200,1,0.9", [0, 0, 0, 30, 2, 1]),
        ("0,0,9999,200,1", [0, 0, 0, 9999, 2, 1]),
        ("0,0,30,2.1,1", [0, 0, 0, 30, 0.021, 1]),
    ],
)
def test_official_counting_takes_what_the_challenges_scorer_takes(path: Path, cells: str, row: list[float]) -> None:
    np.testing.assert_allclose(read(path, HEADER + lines(cells), "official").rows[0], row)


def test_official_counting_notes_what_is_odd(path: Path) -> None:
    (note,) = read(path, HEADER + lines("0,0,30,2.1,1"), "official").notes
    assert note.endswith("they are taken for centimetres, as by the challenge's scorer")
    (note,) = read(path, HEADER + lines("0,0,30,200,1", frames=range(0, 24_000, 2400)), "official").notes
    assert "samples at 24000 Hz" in note
    (note,) = read(path, "a,b,c,d,e,f\n" + lines("0,0,30,200,1"), "official").notes
    assert note.startswith("the header is none that is known (a,b,c,d,e,f)")


# Many files


def test_many_files_are_read_as_each_alone(tmp_path: Path) -> None:
    texts = [
        lines("0,0,30,200,1"), lines("0,0,30,2.1,1"), lines("0,0,0.523599,200,1"), lines("0,0,30,2100,1"), "",
        lines("0,0,30,200,1", frames=range(0, 150, 5)), "0,0,0,30,200,1\n0,0,0,30,200,1\n", lines("0,0,-170,20,0"),
        "5,0,0,30,0,1\n", lines("0,0,30,4,1"), lines("3,1,-2.5,80.5,1"),
    ]  # fmt: skip
    paths = [tmp_path / f"{number}.csv" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(HEADER + text)
    for together, path in zip(read_label_files(paths), paths, strict=True):
        alone = read_label_file(path)
        np.testing.assert_array_equal(together.rows, alone.rows)
        assert (together.notes, together.lines.tolist()) == (alone.notes, alone.lines.tolist())
    assert list_notes(read_label_files([paths[1], paths[1]])) == [
        "distances of 2.1 to 2.1 look like metres, and centimetres are expected; they are taken for metres "
        f"(2 files, such as this): {paths[1]}"
    ]
