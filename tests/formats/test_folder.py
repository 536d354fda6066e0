"""Folders of CSV files."""

from pathlib import Path

import pytest

from seldfuse.errors import UsageError
from seldfuse.formats.folder import find_label_files, merge_names, pair_names, shorten
from seldfuse.inference.member_folders import open_members

HEADER = "frame,class,source,azimuth,distance,onscreen\n"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_are_found_in_folders_below_by_their_path_and_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    b, a = tmp_path / "dev-test-sony" / "b.csv", tmp_path / "dev-test-tau" / "deeper" / "a.CSV"
    touch(a, b, tmp_path / ".c-draft.csv", tmp_path / "notes.txt", tmp_path / ".ipynb_checkpoints" / "b.csv")
    notes: list[str] = []
    found = find_label_files(tmp_path, notes.append)
    assert list(found.items()) == [("dev-test-sony/b", b), ("dev-test-tau/deeper/a", a)]
    (note,) = notes
    assert note == (f"passed over 1 hidden file (.c-draft.csv); 1 hidden folder (.ipynb_checkpoints): {tmp_path}")


def test_tables_that_runs_write_beside_label_files_are_passed_over_but_a_clip_may_be_called_so(tmp_path: Path) -> None:
    for name, text in {
        "a.csv": HEADER,
        "a.changes.csv": "frame,class,track,azimuth_deg_before,azimuth_deg,onscreen_before,onscreen\n",
        "a.events.csv": "start_s,end_s,class\n",
        "b.changes.csv": HEADER + "0,0,0,0,100,0\n",
        "c.changes.csv": "0,0,0,0,0,100\n",
    }.items():
        (tmp_path / name).write_text(text)
    notes: list[str] = []
    assert list(find_label_files(tmp_path, notes.append)) == ["a", "b.changes", "c.changes"]
    assert notes == ["passed over 2 tables that runs write beside label files: a.changes.csv, a.events.csv"]
    assert list(open_members([tmp_path]).files[tmp_path.name]) == ["a", "b.changes", "c.changes"]


def test_names_pair_by_path_else_by_their_last_part_where_that_is_unique() -> None:
    assert pair_names(["x/a", "y/a", "dev/b"], ["x/a", "y/a", "b", "c"]) == {"x/a": "x/a", "y/a": "y/a", "b": "dev/b"}
    with pytest.raises(UsageError, match=r"several files are called a, .*: x/a, y/a; put them into the same sub-fold"):
        pair_names(["a"], ["x/a", "y/a"])
    with pytest.raises(UsageError, match="several files are called a"):
        pair_names(["x/a", "y/a"], ["a"])
    assert shorten(["x/a", "y/a", "y/b"]) == {"x/a": "x/a", "y/a": "y/a", "y/b": "b"}


def test_files_of_several_folders_get_the_names_of_the_first() -> None:
    merged = merge_names({"one": {"dev/a": Path("1")}, "two": {"a": Path("2"), "b": Path("3")}})
    assert merged == {"one": {"dev/a": Path("1")}, "two": {"dev/a": Path("2"), "b": Path("3")}}


def test_names_are_composed(tmp_path: Path) -> None:
    touch(tmp_path / "tu\u0308r.csv")
    assert list(find_label_files(tmp_path)) == ["t\u00fcr"]


def test_a_folder_without_csv_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected CSV files, one per clip, found none"):
        find_label_files(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a folder of CSV files, there is none: .*nowhere"):
        find_label_files(tmp_path / "nowhere")
