"""What is installed, by name, and what stands behind a name that a user types."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import seldfuse
from seldfuse.catalogue.guard import describe_cause
from seldfuse.catalogue.requests import BackendRequest, DetectorRequest, PostProcessorRequest
from seldfuse.catalogue.values import (
    Augmentation,
    Backend,
    CatalogueValue,
    Detector,
    Encoder,
    Feature,
    PostProcessor,
    Score,
    Writer,
)
from seldfuse.errors import PluginError, UsageError
from seldfuse.storage.quoted import split_quoted

ValueT = TypeVar("ValueT", bound=CatalogueValue)
State = Literal["ready", "planned", "needs extra"]
Stage = Literal["metadata", "import", "hook", "call", "register"]
"""Where a plugin failed: in what is installed beside it; at its import; its hooks fit none of the engine's; a hook
raised; a value was refused."""


@dataclass(frozen=True)
class CatalogueEntry(Generic[ValueT]):
    """A registered value, the distribution that brought it, and the modules of `requires` that are not here."""

    value: ValueT
    distribution: str
    version: str
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.value.name, *self.value.aliases)

    def matches(self, name: str) -> bool:
        return any(is_same_name(name, known) for known in self.names)

    @property
    def state(self) -> State:
        if isinstance(self.value, Backend) and self.value.load is None:
            return "planned"
        return "needs extra" if self.missing else "ready"

    @property
    def remedy(self) -> str:
        """What to type so that a value that needs an extra becomes ready; empty where nothing is missing."""
        if not self.missing:
            return ""
        if self.value.extra is None:
            return f"install what brings the modules {', '.join(self.missing)}"
        return f"`pip install '{self.distribution}[{self.value.extra}]'`"


@dataclass(frozen=True)
class PluginFailure:
    """A plugin, or one value of it (called `name`), that could not be taken in."""

    distribution: str
    version: str
    entry_point: str
    stage: Stage
    error: BaseException
    name: str = ""

    def matches(self, name: str) -> bool:
        known = (self.name, self.entry_point, self.distribution)
        return bool(name) and any(is_same_name(name, word) for word in known)

    @property
    def cause(self) -> str:
        return describe_cause(self.error)

    @property
    def remedy(self) -> str:
        """What to type next; empty for a refused value, whose cause says it."""
        if self.stage == "register":
            return ""
        update = f"update it with `pip install -U {self.distribution}`"
        bundled = is_same_name(self.distribution, "seldfuse")
        return update if bundled else f"{update} or remove it with `pip uninstall {self.distribution}`"

    @property
    def report(self) -> str:
        """Cause and remedy in one line."""
        return "; ".join(part for part in (self.cause, self.remedy) if part)


@dataclass(frozen=True, eq=False)
class Registry:
    """Everything that plugins registered, and everything that failed on the way.

    Names and aliases are looked up without regard to case, `-` and `_`. Every `find_*` raises PluginError for a name
    that is unknown, failed, planned, or lacks an extra, and UsageError for text that is no list of names.
    """

    entries: tuple[CatalogueEntry[Any], ...]
    failures: tuple[PluginFailure, ...] = ()

    @property
    def backends(self) -> dict[str, CatalogueEntry[Backend]]:
        return self.list_kind(Backend)

    @property
    def detectors(self) -> dict[str, CatalogueEntry[Detector]]:
        return self.list_kind(Detector)

    @property
    def postprocessors(self) -> dict[str, CatalogueEntry[PostProcessor]]:
        return self.list_kind(PostProcessor)

    @property
    def encoders(self) -> dict[str, CatalogueEntry[Encoder]]:
        return self.list_kind(Encoder)

    @property
    def features(self) -> dict[str, CatalogueEntry[Feature]]:
        return self.list_kind(Feature)

    @property
    def augmentations(self) -> dict[str, CatalogueEntry[Augmentation]]:
        return self.list_kind(Augmentation)

    @property
    def scores(self) -> dict[str, CatalogueEntry[Score]]:
        return self.list_kind(Score)

    @property
    def writers(self) -> dict[str, CatalogueEntry[Writer]]:
        return self.list_kind(Writer)

    def list_kind(self, kind: type[ValueT]) -> dict[str, CatalogueEntry[ValueT]]:
        """List the entries of one kind by name, in the order in which they were registered."""
        return {entry.value.name: entry for entry in self.entries if isinstance(entry.value, kind)}

    def find(self, kind: type[ValueT], name: str) -> CatalogueEntry[ValueT]:
        """Find the entry of one kind behind a name or an alias."""
        entries = self.list_kind(kind)
        entry = next((entry for entry in entries.values() if entry.matches(name)), None)
        if entry is None:
            raise self._make_unknown(list(entries.values()), kind.kind, name)
        if entry.state == "planned":
            raise PluginError(
                f"{kind.kind} {name!r} is planned and not built in seldfuse {seldfuse.__version__}; "
                f"built are {_list(entries, planned=False)}, planned {_list(entries, planned=True)}"
            )
        if entry.state == "needs extra":
            raise PluginError(
                f"{kind.kind} {name!r} needs the modules {', '.join(entry.missing)}, which are not installed: "
                f"{entry.remedy}"
            )
        return entry

    def find_backend(self, text: str) -> BackendRequest:
        """Find the backend behind `name` or `name@checkpoint`."""
        name, checkpoint = _split_reference(text, "a checkpoint", "the bundled one")
        entry = self.find(Backend, name)
        return BackendRequest(
            entry.value, text.strip(), checkpoint or entry.value.default_checkpoint, entry.distribution
        )

    def find_backends(self, text: str) -> tuple[BackendRequest, ...]:
        """Find the backends of a comma-separated list. Raises UsageError where two are the same model and
        checkpoint."""
        requests = tuple(self.find_backend(part) for part in _split(text))
        _refuse_doubles([(request.value.name, request.checkpoint) for request in requests], text)
        return requests

    def find_post(self, text: str) -> tuple[tuple[DetectorRequest, ...], tuple[PostProcessorRequest, ...]]:
        """Find the detectors and the post-processors of a comma-separated list, each `name` or `name@engine`.

        Raises UsageError where two are the same with one engine.
        """
        found = [self._find_one_post(part) for part in _split(text)]
        _refuse_doubles([(one.value.name, one.instance.partition("@")[2]) for one in found], text)
        detectors = tuple(one for one in found if isinstance(one, DetectorRequest))
        return detectors, tuple(one for one in found if isinstance(one, PostProcessorRequest))

    def _find_one_post(self, text: str) -> DetectorRequest | PostProcessorRequest:
        name, engine = _split_reference(text, "an engine", "the first that is ready")
        if any(entry.matches(name) for entry in self.postprocessors.values()):
            other = self.find(PostProcessor, name)
            return PostProcessorRequest(other.value, text.strip(), engine, other.distribution)
        entry = self.find(Detector, name)
        # By its own name, however it was typed: settings are looked up by it, and detections are stored under it.
        instance = f"{entry.value.name}@{engine}" if engine else entry.value.name
        return DetectorRequest(entry.value, instance, engine, entry.distribution)

    def find_writers(self, text: str) -> tuple[CatalogueEntry[Writer], ...]:
        """Find the output formats of a comma-separated list."""
        found = tuple(self.find(Writer, part) for part in _split(text))
        _refuse_doubles([entry.value.name for entry in found], text)
        return found

    def _make_unknown(self, entries: Sequence[CatalogueEntry[Any]], kind: str, name: str) -> PluginError:
        for failure in self.failures:
            if failure.matches(name):
                return PluginError(f"{kind} {name!r} comes from a plugin that failed: {failure.report}")
        # Intermediate results are nothing to choose.
        shown = [entry for entry in entries if getattr(entry.value, "listed", True)]
        known = [word for entry in shown for word in entry.names]
        close = difflib.get_close_matches(name.casefold(), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        names = ", ".join(sorted(entry.value.name for entry in shown)) or "none"
        return PluginError(f"there is no {kind} {name!r}; {hint}Known: {names}; see `seldfuse plugins`")


def _split_reference(text: str, what: str, default: str) -> tuple[str, str | None]:
    """`name` or `name@reference`. Raises UsageError where nothing stands after the @."""
    name, at, reference = text.strip().partition("@")
    if at and not reference:
        raise UsageError(f"expected {what} after the @, got {text!r}; type {name!r} for {default}")
    return name, reference or None


def is_same_name(one: str, other: str) -> bool:
    """Say whether two names mean the same: case, `-` and `_` aside, as in names of distributions."""
    return normalize_name(one.strip()) == normalize_name(other)


def normalize_name(name: str) -> str:
    """Return what names that mean the same have in common."""
    return name.casefold().replace("_", "-")


def _split(text: str) -> list[str]:
    parts = split_quoted(text, ",")
    if not all(part and not part.startswith("@") for part in parts):
        raise UsageError(f"expected names separated by commas, got {text!r}; see `seldfuse plugins`")
    return parts


def _refuse_doubles(keys: Sequence[object], text: str) -> None:
    if len(set(keys)) < len(keys):
        raise UsageError(f"{text!r} names the same thing twice; name each once, or give each its own name@checkpoint")


def _list(entries: dict[str, CatalogueEntry[ValueT]], planned: bool) -> str:
    return ", ".join(sorted(name for name, entry in entries.items() if (entry.state == "planned") == planned)) or "none"
