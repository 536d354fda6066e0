"""Folders of one label file per clip, and which files of several folders are of one clip."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from seldfuse.errors import UsageError
from seldfuse.formats.label_files import is_label_header
from seldfuse.storage.text import format_count, name_some
from seldfuse.storage.walk import NAMED, find_files, name_in

BEGINNING = 4096
"""Bytes of a first line that are looked at."""

OTHER_TABLES = (".events.csv", ".changes.csv")
"""How the names of CSV files end that a run writes and that are no label files, unless a clip is called so."""


def find_label_files(folder: Path, note: Callable[[str], None] = lambda _: None) -> dict[str, Path]:
    """Find the label files in a folder and below it, by their path without suffix, in the order of names.

    `note` is told what was passed over: what is hidden, and other tables that seldfuse writes beside label files.
    Raises UsageError where there is no label file.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of CSV files, there is none: {folder}")
    found = find_files(folder, {".csv"})
    files = {name_in(folder, path): path for path in drop_by_products(found.files, note)}
    if text := found.describe_passed_over():
        note(text)
    if not files:
        raise UsageError(f"expected CSV files, one per clip, found none: {folder}")
    return dict(sorted(files.items()))


def drop_by_products(paths: Iterable[Path], note: Callable[[str], None]) -> list[Path]:
    """Drop the tables that runs write beside label files, and tell `note` how many."""
    files, others = list[Path](), list[Path]()
    for path in paths:
        (others if _is_by_product(path) else files).append(path)
    if others:
        names = name_some([path.name for path in others], NAMED)
        note(f"passed over {format_count(len(others), 'table')} that runs write beside label files: {names}")
    return files


def pair_names(references: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Pair names with those of references, which stand for the same clips: by the whole path, else by the last part
    of it, where that is unique among those that are left on both sides.

    Raises UsageError where several have the last part of a reference.
    """
    whole, left = set(references), list(names)
    pairs = {name: name for name in left if name in whole}
    left = [name for name in left if name not in pairs]
    open_ = [name for name in sorted(whole) if name not in pairs]
    theirs, mine = Counter(map(_last, open_)), Counter(map(_last, left))
    by_last = {_last(name): name for name in open_}
    for name in left:
        last = _last(name)
        if not theirs[last]:
            continue
        if theirs[last] > 1 or mine[last] > 1:
            several = [one for one in (open_ if theirs[last] > 1 else left) if _last(one) == last]
            raise UsageError(
                f"several files are called {last}, so that their clips cannot be told: {name_some(several, NAMED)}; "
                "put them into the same sub-folders on both sides"
            )
        pairs[name] = by_last[last]
    return pairs


def shorten(names: Iterable[str]) -> dict[str, str]:
    """Shorten paths to their last part where that is unique."""
    names = list(names)
    number = Counter(map(_last, names))
    return {name: _last(name) if number[_last(name)] == 1 else name for name in names}


def merge_names(folders: Mapping[str, Mapping[str, Path]]) -> dict[str, dict[str, Path]]:
    """Give the files of several folders, by name, the names of those of the folders before them that are of the same
    clips, as `pair_names` pairs them. Raises UsageError as that does.
    """
    known = dict[str, None]()
    merged = {}
    for folder, files in folders.items():
        pairs = pair_names(known, files)
        merged[folder] = {pairs.get(name, name): path for name, path in files.items()}
        known |= dict.fromkeys(merged[folder])
    return merged


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _is_by_product(path: Path) -> bool:
    """Tell by the name and the first line: a clip may be called like that, too."""
    if not path.name.lower().endswith(OTHER_TABLES):
        return False
    try:
        with path.open("rb") as file:
            return not is_label_header(file.readline(BEGINNING).decode("utf-8-sig", "replace"))
    except OSError:
        return False
