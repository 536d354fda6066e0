"""How a split of synthetic scenes was made, and which of its clips are finished.

`manifest-<split>.jsonl` begins with a line for the recipe, which holds all that clips depend on. Then each finished
clip adds a line: its number and name, the SHA-256 of its files, how long each class sounds, and its plan. A line that
a killed run left torn is passed over.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import seldfuse
from seldfuse.errors import UsageError
from seldfuse.synth.draw import Stage
from seldfuse.synth.folder import Split

Line = Mapping[str, Any]


class Ledger:
    """The finished clips of a split.

    Raises UsageError where the folder cannot be written or read, where another recipe made what is there, or where
    files are there and no manifest. With `overwrite`, a split that has a manifest is deleted.
    """

    def __init__(self, split: Split, recipe: Line, overwrite: bool = False) -> None:
        self._split = split
        self._finished: dict[int, tuple[tuple[Path, ...], Mapping[str, float]]] = {}
        try:
            lines = _lines(split.manifest)
            first = next(lines, None)
            if first is not None and overwrite:
                for path in split.files():
                    path.unlink()
            if first is None or overwrite:
                self._begin(recipe)
            else:
                self._go_on(first.get("recipe", {}), recipe, lines)
        except OSError as error:
            raise UsageError(
                f"cannot write here ({error.strerror}); choose another folder for OUT: {split.manifest}"
            ) from error

    def finished(self, number: int) -> bool:
        """Whether a clip has its line, and its files are there."""
        return number in self._finished and all(path.is_file() for path in self._finished[number][0])

    @property
    def clips(self) -> int:
        return len(self._finished)

    @property
    def seconds(self) -> Counter[str]:
        """How long each class sounds in all finished clips."""
        total: Counter[str] = Counter()
        for _, seconds in self._finished.values():
            total.update(seconds)
        return total

    def add(self, line: Line) -> None:
        """Enters a clip whose files are written. Raises UsageError where that fails."""
        try:
            with self._split.manifest.open("ab") as file:
                file.write(_encoded(line))
        except OSError as error:
            raise UsageError(f"writing failed ({error.strerror}): {self._split.manifest}") from error
        self._remember(line)

    def _begin(self, recipe: Line) -> None:
        strangers = self._split.files()
        if strangers:
            raise UsageError(
                f"the split {self._split.name} holds files that seldfuse synth did not make; "
                f"choose another --split, or another folder for OUT: {strangers[0]}"
            )
        self._split.out.mkdir(parents=True, exist_ok=True)
        self._split.manifest.write_bytes(_encoded({"recipe": recipe}))

    def _go_on(self, made: Line, recipe: Line, lines: Iterator[Line]) -> None:
        differing = [name for name in {**recipe, **made} if recipe.get(name) != made.get(name)]
        if differing:
            raise UsageError(
                f"another recipe made what is here (different: {', '.join(differing)}); choose another folder or "
                f"another --split, or delete the split and start anew with --overwrite: {self._split.manifest}"
            )
        for line in lines:
            self._remember(line)
        with self._split.manifest.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                file.write(b"\n")

    def _remember(self, line: Line) -> None:
        self._finished[line["number"]] = self._files(line), line["seconds"]

    def _files(self, line: Line) -> tuple[Path, ...]:
        return tuple(self._split.out / name for name in line["files"])


def recipe_of(stage: Stage, inputs: Mapping[str, Path | None], **options: Any) -> dict[str, Any]:
    """All that clips depend on but their number: version, options, digests of input files and folders."""
    return {
        "seldfuse": seldfuse.__version__,
        **options,
        "evenness": stage.evenness,
        "statistics": _sha256(stage.statistics.to_json().encode()),
        "srir_share": stage.measured_share,
        **{name: path and _digest(path) for name, path in inputs.items()},
    }


def _digest(path: Path) -> str:
    """Of a file, SHA-256 of its bytes; of a folder, of the paths and sizes of all files in it."""
    if path.is_file():
        return _sha256(path.read_bytes())
    sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in path.rglob("*") if file.is_file()}
    return _sha256(json.dumps(sizes, sort_keys=True).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _encoded(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _lines(path: Path) -> Iterator[Line]:
    """The whole lines of a manifest; none where there is no file."""
    try:
        with path.open("rb") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line
    except FileNotFoundError:
        return
