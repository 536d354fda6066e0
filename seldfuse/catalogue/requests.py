"""What a user asked for by name, ready to be loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.models import BackendModel, DetectorModel
from seldfuse.catalogue.values import Backend, Detector, PostProcessor
from seldfuse.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch


@dataclass(frozen=True)
class BackendRequest:
    """One backend as a user asked for it.

    `instance` is the text as typed (`sce`, `sce@runs/best`); it keys posteriors, weights and tune files. `checkpoint`
    is the reference after the `@`, or else the backend's own default, which may be None.
    """

    value: Backend
    instance: str
    checkpoint: str | None
    distribution: str

    @property
    def reference(self) -> str | None:
        """The checkpoint to open: of a bundled backend that was named alone the bundled one, whatever folders
        there are."""
        default = self.checkpoint is not None and "@" not in self.instance and self.distribution == "seldfuse"
        return f"bundled:{self.checkpoint}" if default else self.checkpoint

    def load(self, device: "torch.device") -> BackendModel:
        """Load the backend onto `device`. Raises PluginError where its code fails, and any SeldfuseError it raises."""
        assert self.value.load is not None, "what is planned is refused when it is looked up"
        return _call(  # type: ignore[no-any-return]
            self, self.value.load, "--backends", self._check, self.reference, device
        )

    def _check(self, model: object) -> None:
        """Check what loading gave. Raises PluginError."""
        if not isinstance(model, BackendModel):
            raise PluginError(
                f"{self.value.load} must return an object with features, encoders and infer(batch), got "
                f"{_name_with_lacks(model, 'features', 'encoders', 'infer')}; tell the makers of {self.distribution}"
            )
        features, encoders = model.features, model.encoders
        if not (isinstance(features, tuple | list) and all(isinstance(name, str) for name in features)):
            raise PluginError(
                f"{self.instance}: features must be a tuple of names, got {features!r:.60}; "
                f"tell the makers of {self.distribution}"
            )
        if not (isinstance(encoders, Mapping) and all(isinstance(one, str) for two in encoders.items() for one in two)):
            raise PluginError(
                f"{self.instance}: encoders must be versions by name, got {encoders!r:.60}; "
                f"tell the makers of {self.distribution}"
            )


@dataclass(frozen=True)
class DetectorRequest:
    """One detector as a user asked for it.

    `instance` is its own name, however it was typed, with the engine (`keypoint`, `keypoint@movenet`); it names what is
    stored and the stage of the run. `engine` is what stands after the `@`, None where the plugin is to choose.
    """

    value: Detector
    instance: str
    engine: str | None
    distribution: str

    def load(self, device: "torch.device", rules: "Path | None" = None) -> DetectorModel:
        """Load the detector onto `device`, with its own rules or those of a file.

        Raises PluginError where its code fails, and any SeldfuseError it raises.
        """
        return _call(  # type: ignore[no-any-return]
            self, self.value.load, "--post", self._check, self.engine, device, rules
        )

    def _check(self, model: object) -> None:
        """Check what loading gave. Raises PluginError."""
        if not isinstance(model, DetectorModel):
            raise PluginError(
                f"{self.value.load} must return an object with rules, engine_id, cacheable and detect(clip, frames, "
                f"seen), got {_name_with_lacks(model, 'rules', 'engine_id', 'cacheable', 'detect')}; "
                f"tell the makers of {self.distribution}"
            )
        # Imported here, for listing needs no tables.
        from seldfuse.core.rules import Rules

        if not (isinstance(model.rules, Rules) and isinstance(model.engine_id, str)):
            raise PluginError(
                f"{self.instance}: rules must be Rules and engine_id a text, got {type(model.rules).__name__} and "
                f"{type(model.engine_id).__name__}; tell the makers of {self.distribution}"
            )


@dataclass(frozen=True)
class PostProcessorRequest:
    """One post-processor as a user asked for it; `options` is the text after the `@`, None where there is none."""

    value: PostProcessor
    instance: str
    options: str | None
    distribution: str

    def load(self) -> "Callable[[Any, Any], Any]":
        """Load the function that changes events or posteriors. Raises PluginError, and any SeldfuseError it raises."""
        return _call(self, self.value.load, "--post", self._check, self.options)  # type: ignore[no-any-return]

    def _check(self, function: object) -> None:
        """Check what loading gave. Raises PluginError."""
        if not callable(function):
            raise PluginError(
                f"{self.value.load} must return a function (value, clip), got {type(function).__name__}; "
                f"tell the makers of {self.distribution}"
            )


def _name_with_lacks(model: object, *needs: str) -> str:
    """The type of an object, and which of some attributes it lacks."""
    return f"{type(model).__name__} without {', '.join(name for name in needs if not hasattr(model, name))}"


def _call(
    request: BackendRequest | DetectorRequest | PostProcessorRequest,
    reference: str,
    option: str,
    check: "Callable[[Any], None]",
    *arguments: Any,
) -> Any:
    """Import and call what a request's value names, and have `check` look at what it gave, which may be code too."""
    load = load_reference(reference)
    with guard_plugin(
        f"{request.value.kind} {request.instance!r} failed while it was loaded",
        f"tell the makers of {request.distribution}, or leave it out of {option}",
    ):
        loaded = load(*arguments)
        check(loaded)
        return loaded
