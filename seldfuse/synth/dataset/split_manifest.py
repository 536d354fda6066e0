"""How a split of synthetic scenes was made, and which of its clips are finished.

`manifest-<split>.jsonl` begins with a line for the recipe, which holds all that clips depend on. Then each finished
clip adds a line: its number and name, the SHA-256 of its files, how long each class sounds, and its plan. A line that
a killed run left torn is cut off.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import seldfuse
from seldfuse.errors import UsageError
from seldfuse.settings.check_types import find_misfit
from seldfuse.storage.digest import hash_file, hash_text
from seldfuse.storage.json_lines import append_json_line, cut_torn_line, format_json_line, read_json_lines
from seldfuse.storage.lock import lock_file, open_without_link
from seldfuse.storage.walk import list_files
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.scene import ScenePlan

Line = Mapping[str, Any]


class SplitManifest:
    """The finished clips of a split.

    Raises UsageError where the folder cannot be written or read, where another recipe made what is there, or where
    files are there and no manifest. With `overwrite`, a split that has a manifest is deleted.
    """

    def __init__(self, split: DatasetSplit, recipe: Line, overwrite: bool = False) -> None:
        self._split = split
        self._finished: dict[int, tuple[tuple[Path, ...], Mapping[str, float]]] = {}
        self._plans: dict[int, tuple[str, Line]] = {}
        try:
            if split.manifest.exists():
                self._lock = lock_file(split.manifest)
            begun = split.manifest.exists() and cut_torn_line(split.manifest)
            if begun and not overwrite:
                self._go_on(recipe)
            else:
                self._begin(recipe, split.list_files() if begun else ())
        except OSError as error:
            raise UsageError(
                f"cannot write here ({error.strerror}); choose another folder for OUT: {split.manifest}"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise UsageError(
                f"expected a manifest of seldfuse synth ({error!r:.300}); start anew with --overwrite: {split.manifest}"
            ) from error

    def is_finished(self, number: int) -> bool:
        """Test whether a clip has its line, and its files are there."""
        return number in self._finished and all(path.is_file() for path in self._finished[number][0])

    def find_plan(self, number: int) -> tuple[str, ScenePlan] | None:
        """Find the name and the plan of a clip that was made once, so that it can be made again as it was."""
        if number not in self._plans:
            return None
        name, plan = self._plans[number]
        try:
            return name, ScenePlan.from_json(json.dumps(plan))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise UsageError(
                f"the plan of clip {number} is none ({error!r:.300}); start anew with --overwrite: "
                f"{self._split.manifest}"
            ) from error

    @property
    def clips(self) -> int:
        return len(self._finished)

    @property
    def seconds(self) -> dict[str, float]:
        """Sum how long each class sounds in all finished clips, the most frequent first."""
        total: defaultdict[str, float] = defaultdict(float)
        for _, seconds in self._finished.values():
            for name, of_clip in seconds.items():
                total[name] += of_clip
        return {name: round(total[name], 1) for name in sorted(total, key=lambda name: -total[name])}

    def add(self, line: Line) -> None:
        """Enter a clip whose files are written. Raises UsageError where that fails."""
        try:
            append_json_line(self._split.manifest, line, compact=True)
        except OSError as error:
            raise UsageError(f"writing failed ({error.strerror}): {self._split.manifest}") from error
        self._remember(line)

    def _begin(self, recipe: Line, outdated: Sequence[Path]) -> None:
        for path in outdated:
            path.unlink()
        strangers = self._split.list_files()
        if strangers:
            raise UsageError(
                f"the split {self._split.name} holds files that seldfuse synth did not make; "
                f"choose another split, or another folder for OUT: {strangers[0]}"
            )
        self._split.out.mkdir(parents=True, exist_ok=True)
        self._lock = lock_file(self._split.manifest)
        with open(self._split.manifest, "wb", opener=open_without_link) as file:
            file.write(format_json_line({"recipe": recipe}, compact=True).encode(errors="backslashreplace"))

    def _go_on(self, recipe: Line) -> None:
        lines = read_json_lines(self._split.manifest, torn="raise")
        first = next(lines, None)
        if first is None:
            raise ValueError("it is empty")
        made = first.value.get("recipe", {})
        differing = [name for name in {**recipe, **made} if recipe.get(name) != made.get(name)]
        if differing:
            raise UsageError(
                f"another recipe made what is here (different: {', '.join(differing)}); choose another folder or "
                f"another split, or delete the split and start anew with --overwrite: {self._split.manifest}"
            )
        for line in lines:
            if misfit := _find_wrong_part(line.value):
                raise ValueError(misfit)
            self._remember(line.value)

    def _remember(self, line: Line) -> None:
        self._finished[line["number"]] = self._files(line), line["seconds"]
        if "plan" in line:
            self._plans[line["number"]] = line["name"], line["plan"]

    def _files(self, line: Line) -> tuple[Path, ...]:
        return tuple(self._split.out / name for name in line["files"])


PARTS: Mapping[str, Any] = {
    "number": int,
    "name": str,
    "files": Mapping[str, str],
    "seconds": Mapping[str, float],
    "plan": Mapping[str, Any],
}
"""What a line of a clip holds."""

ABSENT: Mapping[str, Any] = {"name": "", "plan": {}}
"""What stands for what a line may lack: cuts of recordings have no plan."""


def _find_wrong_part(line: Line) -> str | None:
    """Find what is wrong with a line of a clip."""
    for name, kind in PARTS.items():
        if found := find_misfit(line.get(name, ABSENT.get(name)), kind, name):
            return found
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in line["files"]):
        return f"files must be in the folder, got {line['files']!r:.60}"
    return None


def describe_dataset(stage: SceneIngredients, inputs: Mapping[str, Path | None], **options: Any) -> dict[str, Any]:
    """Describe all that clips depend on but their number: version, options, digests of input files and folders."""
    return {
        "seldfuse": seldfuse.__version__,
        **options,
        "evenness": stage.evenness,
        "statistics": hash_text(stage.statistics.to_json(), "sha256"),
        "srir_share": stage.measured_share,
        **{name: path and _digest(path) for name, path in inputs.items()},
    }


def _digest(path: Path) -> str:
    """Of a file, SHA-256 of its bytes; of a folder, of the paths and sizes of all files in it."""
    if path.is_file():
        return hash_file(path, "sha256")
    files = [file for file in list_files(path, include_hidden=True) if file.is_file()]
    sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in files}
    return hash_text(json.dumps(sizes, sort_keys=True), "sha256")
