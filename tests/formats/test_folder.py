"""Folders of CSV files."""

from pathlib import Path

import pytest

from seldfuse.errors import UsageError
from seldfuse.formats.folder import find_by_stem
from seldfuse.inference.member_folders import open_members


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_are_found_in_folders_below_and_hidden_ones_are_not(tmp_path: Path) -> None:
    b, a = tmp_path / "dev-test-sony" / "b.csv", tmp_path / "dev-test-tau" / "deeper" / "a.csv"
    touch(a, b, tmp_path / ".c-draft.csv", tmp_path / "notes.txt")
    assert list(find_by_stem(tmp_path).items()) == [("a", a), ("b", b)]


def test_tables_that_a_run_writes_beside_label_files_are_none(tmp_path: Path) -> None:
    touch(tmp_path / "a.csv", tmp_path / "a.events.csv", tmp_path / "a.changes.csv")
    assert list(find_by_stem(tmp_path)) == ["a"]
    assert list(open_members([tmp_path]).files[tmp_path.name]) == ["a"]


def test_two_files_of_one_name_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path / "x" / "a.csv", tmp_path / "y" / "a.csv")
    with pytest.raises(UsageError) as failure:
        find_by_stem(tmp_path)
    assert str(failure.value) == (
        f"expected one file per clip, got two for a: {tmp_path / 'x' / 'a.csv'} and {tmp_path / 'y' / 'a.csv'}"
    )


def test_a_folder_without_csv_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected CSV files, one per clip, found none"):
        find_by_stem(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a folder of CSV files, there is none: .*nowhere"):
        find_by_stem(tmp_path / "nowhere")
