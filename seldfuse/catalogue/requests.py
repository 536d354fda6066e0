"""What a user asked for by name, ready to be loaded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seldfuse.catalogue.load import describe_cause, load_reference
from seldfuse.catalogue.models import BackendModel, DetectorModel
from seldfuse.catalogue.values import Backend, Detector, PostProcessor
from seldfuse.errors import PluginError, SeldfuseError

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
        model = _call(self, self.value.load, "--backends", self.reference, device)
        if not isinstance(model, BackendModel):
            raise PluginError(
                f"{self.value.load} must return an object with features, encoders and infer(batch), got "
                f"{_name_with_lacks(model, 'features', 'encoders', 'infer')}; tell the makers of {self.distribution}"
            )
        return model


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
        model = _call(self, self.value.load, "--post", self.engine, device, rules)
        if not isinstance(model, DetectorModel):
            raise PluginError(
                f"{self.value.load} must return an object with rules, engine_id, cacheable and detect(clip, frames, "
                f"seen), got {_name_with_lacks(model, 'rules', 'engine_id', 'cacheable', 'detect')}; "
                f"tell the makers of {self.distribution}"
            )
        return model


@dataclass(frozen=True)
class PostProcessorRequest:
    """One post-processor as a user asked for it; `options` is the text after the `@`, None where there is none."""

    value: PostProcessor
    instance: str
    options: str | None
    distribution: str

    def load(self) -> "Callable[[Any, Any], Any]":
        """Load the function that changes events or posteriors. Raises PluginError, and any SeldfuseError it raises."""
        function = _call(self, self.value.load, "--post", self.options)
        if not callable(function):
            raise PluginError(
                f"{self.value.load} must return a function (value, clip), got {type(function).__name__}; "
                f"tell the makers of {self.distribution}"
            )
        return function  # type: ignore[no-any-return]


def _name_with_lacks(model: object, *needs: str) -> str:
    """The type of an object, and which of some attributes it lacks."""
    return f"{type(model).__name__} without {', '.join(name for name in needs if not hasattr(model, name))}"


def _call(
    request: BackendRequest | DetectorRequest | PostProcessorRequest, reference: str, option: str, *arguments: Any
) -> Any:
    """Import and call what a request's value names."""
    load = load_reference(reference)
    try:
        return load(*arguments)
    except SeldfuseError:
        raise
    except Exception as error:
        raise PluginError(
            f"{request.value.kind} {request.instance!r} failed while it was loaded ({describe_cause(error)}); "
            f"tell the makers of {request.distribution}, or leave it out of {option}"
        ) from error
