"""The hooks that a plugin may implement; each is handed a function that takes one spec."""

from collections.abc import Callable

import pluggy

from seldfuse.catalogue.values import Backend, Detector, Feature, Writer

hookspec = pluggy.HookspecMarker("seldfuse")
hookimpl = pluggy.HookimplMarker("seldfuse")


@hookspec
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    """Call `register(BackendSpec(...))` once per backend."""


@hookspec
def seldfuse_register_postprocessors(register: Callable[[Detector], None]) -> None:
    """Call `register(PostProcessorSpec(...))` once per post-processor."""


@hookspec
def seldfuse_register_features(register: Callable[[Feature], None]) -> None:
    """Call `register(FeatureSpec(...))` once per feature."""


@hookspec
def seldfuse_register_writers(register: Callable[[Writer], None]) -> None:
    """Call `register(WriterSpec(...))` once per output format."""
