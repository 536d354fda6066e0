"""Folders of one CSV file per clip."""

from pathlib import Path

from seldfuse.errors import UsageError
from seldfuse.storage.walk import list_files

OTHER_TABLES = (".events.csv", ".changes.csv")
"""How the names of CSV files end that a run writes and that are no label files."""


def list_label_files(folder: Path) -> list[Path]:
    """List the CSV files in a folder and the folders below it, but for those that a run writes beside label files."""
    return [path for path in list_files(folder, "*.csv") if not path.name.endswith(OTHER_TABLES)]


def find_by_stem(folder: Path) -> dict[str, Path]:
    """Find the label files in a folder and the folders below it, by file name without suffix, in the order of names.

    Hidden files are passed over. Raises UsageError where there are none, or two of one name.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of CSV files, there is none: {folder}")
    found: dict[str, Path] = {}
    for path in list_label_files(folder):
        if path.stem in found:
            raise UsageError(f"expected one file per clip, got two for {path.stem}: {found[path.stem]} and {path}")
        found[path.stem] = path
    if not found:
        raise UsageError(f"expected CSV files, one per clip, found none: {folder}")
    return dict(sorted(found.items()))
