"""The hooks that a plugin may implement; each is handed a function that takes one spec."""

from collections.abc import Callable

import pluggy

from seldfuse.plugin.specs import BackendSpec, FeatureSpec, PostProcessorSpec, WriterSpec

hookspec = pluggy.HookspecMarker("seldfuse")
hookimpl = pluggy.HookimplMarker("seldfuse")


@hookspec
def seldfuse_register_backends(register: Callable[[BackendSpec], None]) -> None:
    """Call `register(BackendSpec(...))` once per backend."""


@hookspec
def seldfuse_register_postprocessors(register: Callable[[PostProcessorSpec], None]) -> None:
    """Call `register(PostProcessorSpec(...))` once per post-processor."""


@hookspec
def seldfuse_register_features(register: Callable[[FeatureSpec], None]) -> None:
    """Call `register(FeatureSpec(...))` once per feature."""


@hookspec
def seldfuse_register_writers(register: Callable[[WriterSpec], None]) -> None:
    """Call `register(WriterSpec(...))` once per output format."""
