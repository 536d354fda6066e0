"""A share of the sounds that networks train on, as a folder of its own: what more sounds bring."""

import csv
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from seldfuse.errors import UsageError
from seldfuse.storage.digest import hash_text

MANIFEST = "manifest.csv"


def link_share(sounds: Path, share: float, out: Path, exclude: Collection[str] = ()) -> Path:
    """Link a folder of sounds in `out`, whose manifest lists a share of the groups that train and all other sounds.

    Sources to `exclude` are not listed at all. Raises UsageError where `sounds` has no manifest with the columns class,
    source, group and side.
    """
    table = sounds / MANIFEST
    if not table.is_file():
        raise UsageError(f"expected a folder of sounds with a {MANIFEST}: {sounds}")
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("source") not in exclude]
    missing = {"class", "source", "group", "side"} - {*(rows[0] if rows else ())}
    if missing:
        raise UsageError(f"expected the columns {', '.join(sorted(missing))}: {table}")
    out.mkdir(parents=True, exist_ok=True)
    for place in sounds.iterdir():
        link = out / place.name
        if place.is_dir() and not link.is_symlink():
            link.symlink_to(place.resolve(), target_is_directory=True)
    with (out / MANIFEST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(keep_share(rows, share))
    return out


def keep_share(rows: Sequence[Mapping[str, str]], share: float) -> list[Mapping[str, str]]:
    """Keep a share of each class's groups that train, one at least, and all rows of other sides.

    Groups stay by the order of the hashes of their names, so that what a smaller share has a larger one has, too. A
    group of several classes stays where one of them keeps it.
    """
    by_class: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["side"] == "train":
            by_class[row["class"]].add(_name_group(row))
    kept: set[str] = set()
    for groups in by_class.values():
        ordered = sorted(groups, key=lambda name: hash_text(name, "sha256"))
        kept.update(ordered[: math.ceil(share * len(ordered))])
    return [row for row in rows if row["side"] != "train" or _name_group(row) in kept]


def _name_group(row: Mapping[str, str]) -> str:
    return f"{row['source']}/{row['group']}"
