"""The hooks that a plugin may implement, one for each kind of value; each is handed a function that takes one value.

>>> from seldfuse.sdk import Writer, hookimpl
>>> @hookimpl
... def seldfuse_register_writers(register):
...     register(Writer(name="srt", api_version=2, summary="subtitles", write="acme.srt:write", suffix=".srt"))
>>> seldfuse_register_writers(lambda value: print(value.name))
srt
"""

from collections.abc import Callable

import pluggy

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

GROUP = "seldfuse"
"""The entry-point group of plugins."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    """Call `register(Backend(...))` once for each backend."""


@hookspec
def seldfuse_register_detectors(register: Callable[[Detector], None]) -> None:
    """Call `register(Detector(...))` once for each detector."""


@hookspec
def seldfuse_register_postprocessors(register: Callable[[PostProcessor], None]) -> None:
    """Call `register(PostProcessor(...))` once for each post-processor."""


@hookspec
def seldfuse_register_encoders(register: Callable[[Encoder], None]) -> None:
    """Call `register(Encoder(...))` once for each encoder."""


@hookspec
def seldfuse_register_features(register: Callable[[Feature], None]) -> None:
    """Call `register(Feature(...))` once for each feature."""


@hookspec
def seldfuse_register_augmentations(register: Callable[[Augmentation], None]) -> None:
    """Call `register(Augmentation(...))` once for each augmentation."""


@hookspec
def seldfuse_register_scores(register: Callable[[Score], None]) -> None:
    """Call `register(Score(...))` once for each score."""


@hookspec
def seldfuse_register_writers(register: Callable[[Writer], None]) -> None:
    """Call `register(Writer(...))` once for each output format."""


HOOKS: dict[str, type[CatalogueValue]] = {
    f"seldfuse_register_{kind.kind}s": kind
    for kind in (Backend, Detector, PostProcessor, Encoder, Feature, Augmentation, Score, Writer)
}
"""The kind of value that each hook registers."""
