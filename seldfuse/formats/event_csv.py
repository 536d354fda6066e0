"""Events as a CSV file with a header, a row for each."""

import csv
from pathlib import Path

from seldfuse.core.result import Result
from seldfuse.formats.json import list_event_rows
from seldfuse.storage.atomic import write_atomically

COLUMNS = (
    "clip",
    "class",
    "class_id",
    "source",
    "start_s",
    "end_s",
    "azimuth_deg",
    "azimuth_low_deg",
    "azimuth_high_deg",
    "distance_m",
    "onscreen",
    "score",
    "azimuth_std_deg",
    "distance_std_m",
)


def write_result(result: Result, path: Path) -> None:
    """Write a header and a row for each event; what is unknown is empty. Raises UsageError where that fails."""
    rows = [{"clip": result.name, **row} for row in list_event_rows(result.events)]
    with write_atomically(path) as draft, draft.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
