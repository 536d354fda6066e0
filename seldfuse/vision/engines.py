"""Engines of a detector by name: `ENGINE`, or `ENGINE:WEIGHTS` for weights other than its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from seldfuse.errors import CheckpointError, UsageError
from seldfuse.vision.recorded import find_recording_folder

AUTO, RECORDED = "auto", "recorded"

EngineT = TypeVar("EngineT")


@dataclass(frozen=True)
class EngineEntry(Generic[EngineT]):
    """An engine: `find` finds its weights, or raises CheckpointError that names what is missing."""

    find: Callable[[str | None], Any]
    load: Callable[[Any], EngineT]


@dataclass(frozen=True)
class EngineCatalogue(Generic[EngineT]):
    """The engines of a detector, in the order in which `auto` tries them.

    `recorded` makes the one that reads recorded detections, from a folder or None, which `auto` never takes. `weights`
    names what may stand after the colon.
    """

    detector: str
    engines: Mapping[str, EngineEntry[EngineT]]
    recorded: Callable[[Path | None], EngineT]
    weights: str

    def open(self, reference: str | None) -> EngineT:
        """Open the engine that a user named, or, for None and `auto`, the first that is ready.

        Raises UsageError for an unknown name, CheckpointError where packages or weights are missing or broken.
        """
        if reference is None or reference == AUTO:
            return self._first_ready()
        name, colon, weights = reference.partition(":")
        known = (AUTO, *self.engines, RECORDED)
        if name not in known[1:]:
            raise UsageError(f"no engine of {self.detector} is called {name!r}; there is {', '.join(known)}")
        if colon and not weights:
            raise UsageError(
                f"expected {self.weights} after the colon, got {reference!r}; `{self.detector}@{name}` without one"
            )
        if name == RECORDED:
            return self.recorded(find_recording_folder(weights or None))
        return self.engines[name].load(self.engines[name].find(weights or None))

    def _first_ready(self) -> EngineT:
        missing = []
        for name, engine in self.engines.items():
            try:
                weights = engine.find(None)
            except CheckpointError as error:
                missing.append(f"{name}: {error}")
                continue
            return engine.load(weights)
        raise CheckpointError(f"no engine of {self.detector} is ready ({'; '.join(missing)})")
