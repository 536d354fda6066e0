"""The sounds of a table in one file that is small enough to travel."""

import csv
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically

MANIFEST = "manifest.csv"
SIDE_SHARES = {"train": 0.85, "held": 0.15}
"""How the room in the file is divided; what training leaves over is not given to validation."""

ROW_BYTES = 400
"""At most what a sound needs in the table and in the directory of the file, beside itself."""

Row = Mapping[str, str]


class PackedSounds(NamedTuple):
    """How many sounds of each side came into the file, and of how many."""

    packed: dict[str, int]
    known: dict[str, int]


def pack_sounds(folder: Path, out: Path, most_mb: float, without: Sequence[str] = ()) -> PackedSounds:
    """Pack sounds of the sides train and held of a table, as they are, into a ZIP file of up to `most_mb` megabytes.

    Where there are too many, groups keep their first ones, all groups equally many as far as they go: scenes draw by
    groups. Sources that are named in `without` are left out. Raises UsageError where the folder has no such table.
    """
    rows = _read_rows(folder, without)
    by_side = {side: [row for row in rows if row["side"] == side] for side in SIDE_SHARES}
    kept = {side: _select(by_side[side], folder, share * most_mb * 1e6) for side, share in SIDE_SHARES.items()}
    with write_atomically(out) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as file:
        chosen = [row for rows in kept.values() for row in rows]
        with file.open(MANIFEST, "w") as stream:
            stream.write(_to_csv(chosen).encode())
        for row in chosen:
            file.write(folder / row["path"], row["path"])
    return PackedSounds(*({side: len(rows) for side, rows in of.items()} for of in (kept, by_side)))


def unpack_sounds(packed: Path, folder: Path) -> Path:
    """Unpack a file of `pack_sounds`, unless that was done before, and return the folder."""
    if not (folder / MANIFEST).exists():
        with zipfile.ZipFile(packed) as file:
            names = file.namelist()
            file.extractall(folder, [name for name in names if name != MANIFEST])
            # Last: it says that all the others are there.
            file.extract(MANIFEST, folder)
    return folder


def _read_rows(folder: Path, without: Sequence[str]) -> list[Row]:
    try:
        with (folder / MANIFEST).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(f"expected a folder of sounds with {MANIFEST} ({error.strerror}): {folder}") from error
    missing = {"class", "source", "group", "path", "side"} - set(rows[0] if rows else ())
    if missing:
        raise UsageError(f"expected the columns {', '.join(sorted(missing))} in {MANIFEST}, too: {folder}")
    unknown = set(without) - {row["source"] for row in rows}
    if unknown:
        raise UsageError(f"no sound is from the source {', '.join(sorted(unknown))}: {folder / MANIFEST}")
    return [row for row in rows if row["source"] not in without]


def _select(rows: Sequence[Row], folder: Path, most_bytes: float) -> list[Row]:
    """Select the first sound of every group, then the second ones, and so on, while they have room."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["class"], row["source"], row["group"]].append(row)
    room, kept = most_bytes, []
    for row in (row for turn in zip_longest(*groups.values()) for row in turn if row is not None):
        size = (folder / row["path"]).stat().st_size + ROW_BYTES
        if size <= room:
            room -= size
            kept.append(row)
    return kept


def _to_csv(rows: Sequence[Row]) -> str:
    columns = ("class", "source", "group", "path", "side")
    lines = [columns, *(tuple(row[column] for column in columns) for row in rows)]
    return "".join(",".join(f'"{value}"' for value in line) + "\n" for line in lines)
