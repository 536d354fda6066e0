"""What was seen, kept from run to run: `FOLDER/POSTPROCESSOR/NAME.detections.parquet`, and beside it what it is of."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seldfuse.detections import Detections
from seldfuse.errors import UsageError
from seldfuse.files import replacing
from seldfuse.vision.recorded import SUFFIX


@dataclass(frozen=True)
class Memory:
    """Detections of one clip, and the numbers of the key frames that were looked at, with something in them or not.

    `size_px` is the width and height of the pictures, None as long as there was none.
    """

    detections: Detections
    looked: frozenset[int] = frozenset()
    size_px: tuple[int, int] | None = None


NOTHING = Memory(Detections.of([]))


def recall(path: Path, key: dict[str, Any], rate_hz: float) -> Memory:
    """What was kept under the same key, which says what looked at what; nothing where that is something else.

    Files that are damaged or of another format count as nothing.
    """
    try:
        told = json.loads(_beside(path).read_text(encoding="utf-8"))
        if told["key"] != key:
            return NOTHING
        looked = frozenset(map(int, told["looked"]))
        width_px, height_px = told["size_px"]
        found = Detections.load(path)
    except (OSError, ValueError, TypeError, KeyError, UsageError):
        return NOTHING
    numbers = np.round(found.table["time_s"].to_numpy() * rate_hz)
    # A run that was killed between the two files may have left rows of times that nobody told of.
    return Memory(found.only(np.isin(numbers, list(looked))), looked, (int(width_px), int(height_px)))


def keep(path: Path, key: dict[str, Any], memory: Memory) -> None:
    """Writes both files. Raises UsageError where that fails."""
    memory.detections.save(path)
    told = {"key": key, "looked": sorted(memory.looked), "size_px": memory.size_px}
    with replacing(_beside(path)) as draft:
        draft.write_text(json.dumps(told) + "\n", encoding="utf-8")


def place(folder: Path, postprocessor: str, clip: str) -> Path:
    """Where a post-processor's detections of a clip are kept."""
    return folder / postprocessor.replace("/", "_").replace("\\", "_") / f"{clip}{SUFFIX}"


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
