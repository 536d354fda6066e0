"""What is installed, by name, and what stands behind a name that a user types."""

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import seldfuse
from seldfuse.catalogue.models import BackendModel, DetectorModel
from seldfuse.catalogue.values import Backend, CatalogueValue, Detector, Feature, Writer
from seldfuse.errors import PluginError, SeldfuseError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

SpecT = TypeVar("SpecT", bound=CatalogueValue)
State = Literal["ready", "planned", "needs extra"]
Stage = Literal["import", "hook", "call", "register"]
"""Where a plugin failed: at its import; its hooks fit none of the engine's; a hook raised; a spec was refused."""


@dataclass(frozen=True)
class CatalogueEntry(Generic[SpecT]):
    """A registered spec, the distribution that brought it, and the modules of `spec.requires` that are not here."""

    spec: SpecT
    distribution: str
    version: str
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.spec.name, *self.spec.aliases)

    def matches(self, name: str) -> bool:
        return any(is_same_name(name, known) for known in self.names)

    @property
    def state(self) -> State:
        if self.spec.load is None:
            return "planned"
        return "needs extra" if self.missing else "ready"

    @property
    def remedy(self) -> str:
        """What to type so that a spec that needs an extra becomes ready; empty where nothing is missing."""
        if not self.missing:
            return ""
        if self.spec.extra is None:
            return f"install what brings the modules {', '.join(self.missing)}"
        return f"`pip install '{self.distribution}[{self.spec.extra}]'`"


@dataclass(frozen=True)
class PluginFailure:
    """A plugin, or one spec of it (called `name`), that could not be taken in."""

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
        return _cause(self.error)

    @property
    def remedy(self) -> str:
        """What to type next; empty for a refused spec, whose cause says it."""
        if self.stage == "register":
            return ""
        update = f"update it with `pip install -U {self.distribution}`"
        bundled = is_same_name(self.distribution, "seldfuse")
        return update if bundled else f"{update} or remove it with `pip uninstall {self.distribution}`"

    @property
    def report(self) -> str:
        """Cause and remedy in one line."""
        return "; ".join(part for part in (self.cause, self.remedy) if part)


@dataclass(frozen=True)
class BackendRequest:
    """One backend as a user asked for it.

    `instance` is the text as typed (`sce`, `sce@runs/best`); it keys posteriors, weights and tune files. `checkpoint`
    is the reference after the `@`, or else the backend's own default, which may be None.
    """

    spec: Backend
    instance: str
    checkpoint: str | None
    distribution: str

    def load(self, device: "torch.device") -> BackendModel:
        """The backend, on `device`. Raises PluginError where its code fails, and whatever SeldfuseError it raises."""
        backend = _load(self, "--backends", self.checkpoint, device)
        if not isinstance(backend, BackendModel):
            raise PluginError(
                f"{self.spec.load} must return an object with a method infer(batch), got {type(backend).__name__}; "
                f"tell the makers of {self.distribution}"
            )
        return backend


@dataclass(frozen=True)
class DetectorRequest:
    """One post-processor as a user asked for it.

    `instance` is the text as typed (`keypoint`, `keypoint@movenet`); it names what is kept and the stage of the run.
    `engine` is what stands after the `@`, None where the plugin is to choose.
    """

    spec: Detector
    instance: str
    engine: str | None
    distribution: str

    def load(self, device: "torch.device", rules: "Path | None" = None) -> DetectorModel:
        """The post-processor, on `device`, with its own rules or those of a file.

        Raises PluginError where its code fails, and whatever SeldfuseError it raises.
        """
        postprocessor = _load(self, "--post", self.engine, device, rules)
        if not isinstance(postprocessor, DetectorModel):
            raise PluginError(
                f"{self.spec.load} must return an object with rules, looks_with, lasting and detect(clip, frames, "
                f"seen), got {type(postprocessor).__name__}; tell the makers of {self.distribution}"
            )
        return postprocessor


@dataclass(frozen=True)
class Registry:
    """Everything that plugins registered, and everything that failed on the way.

    Names and aliases are looked up without regard to case, `-` and `_`. Every `find_*` raises PluginError for a name
    that is unknown, failed, planned, or lacks an extra, and UsageError for text that is no list of names.
    """

    entries: tuple[CatalogueEntry[Any], ...]
    failures: tuple[PluginFailure, ...] = ()

    @property
    def backends(self) -> dict[str, CatalogueEntry[Backend]]:
        return self._by_name(Backend)

    @property
    def detectors(self) -> dict[str, CatalogueEntry[Detector]]:
        return self._by_name(Detector)

    @property
    def features(self) -> dict[str, CatalogueEntry[Feature]]:
        return self._by_name(Feature)

    @property
    def writers(self) -> dict[str, CatalogueEntry[Writer]]:
        return self._by_name(Writer)

    def find_backend(self, text: str) -> BackendRequest:
        """The backend behind `name` or `name@checkpoint`."""
        name, at, checkpoint = text.strip().partition("@")
        if at and not checkpoint:
            raise UsageError(f"expected a checkpoint after the @, got {text!r}; type {name!r} for the bundled one")
        entry = self._find(self.backends, "backend", name)
        return BackendRequest(entry.spec, text.strip(), checkpoint or entry.spec.default_checkpoint, entry.distribution)

    def find_backends(self, text: str) -> tuple[BackendRequest, ...]:
        """The backends of a comma-separated list. Raises UsageError where two are the same model and checkpoint."""
        requests = tuple(self.find_backend(part) for part in _split(text))
        _refuse_doubles([(request.spec.name, request.checkpoint) for request in requests], text)
        return requests

    def find_detector(self, text: str) -> DetectorRequest:
        """The post-processor behind `name` or `name@engine`."""
        name, at, engine = text.strip().partition("@")
        if at and not engine:
            raise UsageError(f"expected an engine after the @, got {text!r}; type {name!r} for the first that is ready")
        entry = self._find(self.detectors, "postprocessor", name)
        return DetectorRequest(entry.spec, text.strip(), engine or None, entry.distribution)

    def find_detectors(self, text: str) -> tuple[DetectorRequest, ...]:
        """The post-processors of a comma-separated list. Raises UsageError where two are the same with one engine."""
        requests = tuple(self.find_detector(part) for part in _split(text))
        _refuse_doubles([(request.spec.name, request.engine) for request in requests], text)
        return requests

    def find_writers(self, text: str) -> tuple[CatalogueEntry[Writer], ...]:
        """The output formats of a comma-separated list."""
        found = tuple(self._find(self.writers, "writer", part) for part in _split(text))
        _refuse_doubles([entry.spec.name for entry in found], text)
        return found

    def find_feature(self, name: str) -> CatalogueEntry[Feature]:
        return self._find(self.features, "feature", name)

    def _by_name(self, kind: type[SpecT]) -> dict[str, CatalogueEntry[SpecT]]:
        return {entry.spec.name: entry for entry in self.entries if isinstance(entry.spec, kind)}

    def _find(self, entries: dict[str, CatalogueEntry[SpecT]], kind: str, name: str) -> CatalogueEntry[SpecT]:
        entry = next((entry for entry in entries.values() if entry.matches(name)), None)
        if entry is None:
            raise self._make_unknown(list(entries.values()), kind, name)
        if entry.state == "planned":
            raise PluginError(
                f"{kind} {name!r} is planned and not built in seldfuse {seldfuse.__version__}; "
                f"built are {_list(entries, planned=False)}, planned {_list(entries, planned=True)}"
            )
        if entry.state == "needs extra":
            raise PluginError(
                f"{kind} {name!r} needs the modules {', '.join(entry.missing)}, which are not installed: {entry.remedy}"
            )
        return entry

    def _make_unknown(self, entries: Sequence[CatalogueEntry[Any]], kind: str, name: str) -> PluginError:
        for failure in self.failures:
            if failure.matches(name):
                return PluginError(f"{kind} {name!r} comes from a plugin that failed: {failure.report}")
        known = [word for entry in entries for word in entry.names]
        close = difflib.get_close_matches(name.casefold(), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        names = ", ".join(sorted(entry.spec.name for entry in entries)) or "none"
        return PluginError(f"there is no {kind} {name!r}; {hint}Known: {names}; see `seldfuse plugins`")


def is_same_name(one: str, other: str) -> bool:
    """Whether two names mean the same: case, `-` and `_` aside, as in names of distributions."""
    return one.strip().casefold().replace("_", "-") == other.casefold().replace("_", "-")


def load_reference(reference: str) -> Any:
    """The object that `module:attribute` names, imported now. Raises PluginError, whatever goes wrong."""
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise PluginError(f"a plugin's reference must be 'module:attribute', got {reference!r}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise PluginError(
            f'cannot load {reference!r} ({_cause(error)}); to see where it fails: `python -c "import {module}"`'
        ) from error


def _load(request: BackendRequest | DetectorRequest, option: str, *arguments: Any) -> Any:
    """What the function gives that a request's spec names."""
    assert request.spec.load is not None, "what is planned is refused when it is looked up"
    load = load_reference(request.spec.load)
    try:
        return load(*arguments)
    except SeldfuseError:
        raise
    except Exception as error:
        raise PluginError(
            f"{request.spec.kind} {request.instance!r} failed while it was loaded ({_cause(error)}); "
            f"tell the makers of {request.distribution}, or leave it out of {option}"
        ) from error


def _split(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part and not part.startswith("@") for part in parts):
        raise UsageError(f"expected names separated by commas, got {text!r}; see `seldfuse plugins`")
    return parts


def _refuse_doubles(keys: Sequence[object], text: str) -> None:
    if len(set(keys)) < len(keys):
        raise UsageError(f"{text!r} names the same thing twice; name each once, or give each its own name@checkpoint")


def _list(entries: dict[str, CatalogueEntry[SpecT]], planned: bool) -> str:
    return ", ".join(sorted(name for name, entry in entries.items() if (entry.state == "planned") == planned)) or "none"


def _cause(error: BaseException) -> str:
    return str(error) if isinstance(error, SeldfuseError) else f"{type(error).__name__}: {error}"
