"""Detections stored from run to run: `FOLDER/DETECTOR/NAME.detections.parquet`, and beside it what they are of."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seldfuse.core.detections import Detections
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import UsageError
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.settings.aliases import RULES, rename_old_keys, restore_old_keys
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.read_json import read_json
from seldfuse.vision.recorded import SUFFIX
from seldfuse.vision.refine import ClipDetections


@dataclass(frozen=True)
class CachedDetections:
    """Detections of one clip, and the numbers of the key frames that the detector got, with something in them or not.

    `size_px` is the width and height of the pictures, None as long as there was none.
    """

    detections: Detections
    looked: frozenset[int] = frozenset()
    size_px: tuple[int, int] | None = None

    def select_frames(self, numbers: Collection[int], rate_hz: float) -> "CachedDetections":
        """Select the detections of some of the key frames."""
        row = np.round(self.detections.table["time_s"].to_numpy() * rate_hz)
        looked = self.looked & frozenset(numbers)
        return CachedDetections(self.detections.select(np.isin(row, list(looked))), looked, self.size_px)

    def to_clip_detections(self, name: str, engine_id: str, rules: Rules, rate_hz: float) -> ClipDetections:
        """Make what the correction takes. Raises ValueError where the detector got no picture."""
        if self.size_px is None:
            raise ValueError("expected pictures that were looked at, there were none")
        return ClipDetections(
            name, engine_id, rules, self.detections, np.array(sorted(self.looked)) / rate_hz, *self.size_px
        )


NOTHING = CachedDetections(Detections.from_rows([]))


@dataclass(frozen=True)
class DetectionFile:
    """The content of the files of one clip: the detections, what they are of, and the rules for them."""

    memory: CachedDetections
    key: dict[str, Any]
    rules: Rules


def load_if_same(path: Path, key: dict[str, Any]) -> CachedDetections:
    """Load what was stored under the same key, which names detector and video; nothing where the key is another.

    Files that are damaged or of another format count as nothing.
    """
    try:
        record = read_detections(path)
    except UsageError:
        return NOTHING
    return record.memory if record.key == key else NOTHING


def read_detections(path: Path) -> DetectionFile:
    """Read the detections of a file, with what stands beside it.

    Raises UsageError where they are not what `save_detections` wrote.
    """
    found = Detections.load(path)
    try:
        header = read_json(_companion_path(path), MOST_DOCUMENT_BYTES)
        looked, rate_hz = frozenset(map(int, header["looked"])), float(header["key"]["rate_hz"])
        width_px, height_px = map(int, header["size_px"])
        rules = {name: _rule(rule) for name, rule in rename_old_keys(header["rules"], RULES).items()}
        if not (rate_hz > 0 and min(width_px, height_px) > 0):
            raise ValueError("the rate and the size of the picture must be above 0")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise UsageError(
            f"expected what was looked at when, as a run keeps it ({error!r}): {_companion_path(path)}"
        ) from error
    # A run that was killed between the two files may have left rows of times that are not listed.
    memory = CachedDetections(found, looked, (width_px, height_px)).select_frames(looked, rate_hz)
    return DetectionFile(memory, header["key"], Rules(rules))


def save_detections(path: Path, record: DetectionFile) -> None:
    """Write both files. Raises UsageError where that fails."""
    record.memory.detections.save(path)
    header = {
        "key": record.key,
        "looked": sorted(record.memory.looked),
        "size_px": record.memory.size_px,
        # The names that these files have always had.
        "rules": restore_old_keys({name: asdict(rule) for name, rule in record.rules.by_class.items()}, RULES),
    }
    with write_atomically(_companion_path(path)) as draft:
        draft.write_text(json.dumps(header) + "\n", encoding="utf-8")


def build_path(folder: Path, detector: str, clip: str) -> Path:
    """Build the path at which a detector's detections of a clip are stored."""
    return folder / detector.replace("/", "_").replace("\\", "_") / f"{clip}{SUFFIX}"


def _rule(table: dict[str, Any]) -> Rule:
    return Rule(**{part: tuple(words) for part, words in table.items()})


def _companion_path(path: Path) -> Path:
    return path.with_suffix(".json")
