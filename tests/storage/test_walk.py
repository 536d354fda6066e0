"""Folders are walked in one order, past what is hidden, and around circles of links."""

from pathlib import Path

import pytest

from seldfuse.storage.walk import find_files, list_files, list_folders


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / ".root"
    for name in ("b/x.csv", "b.csv", "a/c/y.csv", "a/x.CSV", "a/.x.csv", ".git/z.csv", "z.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def names(root: Path, *rest, **options) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_files(root, *rest, **options)]


def test_files_come_in_the_order_of_paths_without_hidden_ones(tree: Path):
    assert names(tree) == ["a/c/y.csv", "a/x.CSV", "b/x.csv", "b.csv", "z.txt"]
    assert list_files(tree) == sorted(
        path for path in tree.rglob("[!.]*") if path.is_file() and ".git" not in path.parts
    )


def test_a_pattern_is_one_of_names_in_any_case(tree: Path):
    assert names(tree, "*.csv") == ["a/c/y.csv", "a/x.CSV", "b/x.csv", "b.csv"]
    assert names(tree, "x.csv") == ["a/x.CSV", "b/x.csv"]


def test_a_digest_of_a_folder_sees_hidden_files_too(tree: Path):
    assert names(tree, "*.csv", include_hidden=True) == [
        ".git/z.csv",
        "a/.x.csv",
        "a/c/y.csv",
        "a/x.CSV",
        "b/x.csv",
        "b.csv",
    ]


def test_links_to_folders_are_followed_and_each_folder_is_listed_once(tree: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.csv").touch()
    (tree / "c").symlink_to(outside)
    (tree / "d").symlink_to(outside)
    (tree / "a" / "circle").symlink_to(tree)
    (tree / "a" / "link.csv").symlink_to(outside / "o.csv")
    assert names(tree, "*.csv") == ["a/c/y.csv", "a/link.csv", "a/x.CSV", "b/x.csv", "b.csv", "c/o.csv"]


def test_a_folder_keeps_its_own_name_where_a_link_leads_to_it(tree: Path):
    (tree / "aa").symlink_to(tree / "b")
    assert [name for name in names(tree, "x.csv") if "a/" not in name[:2]] == ["b/x.csv"]


def test_a_link_to_the_parent_is_not_followed(tree: Path):
    (tree.parent / "stranger.csv").touch()
    (tree / "up").symlink_to("..")
    assert names(tree, "stranger.csv") == []


def test_what_was_passed_over_is_counted(tree: Path):
    found = find_files(tree, {".csv"})
    assert [path.name for path in found.files] == ["y.csv", "x.CSV", "x.csv", "b.csv"]
    assert found.describe_passed_over() == f"passed over 1 hidden folder (.git); 1 hidden file (a/.x.csv): {tree}"
    assert find_files(tree / "b", {".csv"}).describe_passed_over() == ""


def test_links_that_lead_nowhere_are_listed_so_that_their_reader_names_them(tree: Path):
    (tree / "a" / "gone.csv").symlink_to(tree / "nowhere")
    assert "a/gone.csv" in names(tree)


def test_folders_are_those_directly_below(tree: Path, tmp_path: Path):
    (tree / "c").symlink_to(tmp_path)
    assert [path.name for path in list_folders(tree)] == ["a", "b", "c"]
    with pytest.raises(FileNotFoundError):
        list_folders(tree / "nowhere")


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path):
    assert list_files(tmp_path / "nowhere") == []
