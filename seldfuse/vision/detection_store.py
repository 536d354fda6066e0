"""What was seen, kept from run to run: `FOLDER/POSTPROCESSOR/NAME.detections.parquet`, and beside it what it is of."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seldfuse.core.detections import Detections
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import UsageError
from seldfuse.settings.aliases import RULES, rename_old_keys, restore_old_keys
from seldfuse.storage.atomic import write_atomically
from seldfuse.vision.recorded import SUFFIX
from seldfuse.vision.refine import ClipDetections


@dataclass(frozen=True)
class CachedDetections:
    """Detections of one clip, and the numbers of the key frames that were looked at, with something in them or not.

    `size_px` is the width and height of the pictures, None as long as there was none.
    """

    detections: Detections
    looked: frozenset[int] = frozenset()
    size_px: tuple[int, int] | None = None

    def select_frames(self, numbers: Collection[int], rate_hz: float) -> "CachedDetections":
        """What was seen in some of the key frames."""
        row = np.round(self.detections.table["time_s"].to_numpy() * rate_hz)
        looked = self.looked & frozenset(numbers)
        return CachedDetections(self.detections.select(np.isin(row, list(looked))), looked, self.size_px)

    def to_clip_detections(self, name: str, engine_id: str, rules: Rules, rate_hz: float) -> ClipDetections:
        """What the correction takes of it. Raises ValueError where nothing was looked at."""
        if self.size_px is None:
            raise ValueError("expected pictures that were looked at, there were none")
        return ClipDetections(
            name, engine_id, rules, self.detections, np.array(sorted(self.looked)) / rate_hz, *self.size_px
        )


NOTHING = CachedDetections(Detections.from_rows([]))


@dataclass(frozen=True)
class DetectionFile:
    """What is in the files of one clip: the detections, what they are of, and the rules by which they speak."""

    memory: CachedDetections
    key: dict[str, Any]
    rules: Rules


def load_if_same(path: Path, key: dict[str, Any]) -> CachedDetections:
    """What was kept under the same key, which says what looked at what; nothing where that is something else.

    Files that are damaged or of another format count as nothing.
    """
    try:
        record = read_detections(path)
    except UsageError:
        return NOTHING
    return record.memory if record.key == key else NOTHING


def read_detections(path: Path) -> DetectionFile:
    """The detections of a file, with what stands beside it. Raises UsageError where they are not what `save_detections`
    wrote."""
    found = Detections.load(path)
    try:
        companion = json.loads(_companion_path(path).read_text(encoding="utf-8"))
        looked, rate_hz = frozenset(map(int, companion["looked"])), float(companion["key"]["rate_hz"])
        width_px, height_px = map(int, companion["size_px"])
        rules = {name: _rule(rule) for name, rule in rename_old_keys(companion["rules"], RULES).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"expected what was looked at when, as a run keeps it ({error!r}): {_companion_path(path)}"
        ) from error
    # A run that was killed between the two files may have left rows of times that nobody told of.
    memory = CachedDetections(found, looked, (width_px, height_px)).select_frames(looked, rate_hz)
    return DetectionFile(memory, companion["key"], Rules(rules))


def save_detections(path: Path, record: DetectionFile) -> None:
    """Writes both files. Raises UsageError where that fails."""
    record.memory.detections.save(path)
    companion = {
        "key": record.key,
        "looked": sorted(record.memory.looked),
        "size_px": record.memory.size_px,
        # The names that these files have always had.
        "rules": restore_old_keys({name: asdict(rule) for name, rule in record.rules.by_class.items()}, RULES),
    }
    with write_atomically(_companion_path(path)) as draft:
        draft.write_text(json.dumps(companion) + "\n", encoding="utf-8")


def build_path(folder: Path, postprocessor: str, clip: str) -> Path:
    """Where a post-processor's detections of a clip are kept."""
    return folder / postprocessor.replace("/", "_").replace("\\", "_") / f"{clip}{SUFFIX}"


def _rule(companion: dict[str, Any]) -> Rule:
    return Rule(**{part: tuple(words) for part, words in companion.items()})


def _companion_path(path: Path) -> Path:
    return path.with_suffix(".json")
