"""The door for plugins. A plugin imports its names from here."""

from seldfuse.plugin.doors import Backend, PostProcessor
from seldfuse.plugin.hookspecs import hookimpl
from seldfuse.plugin.specs import API_VERSION, BackendSpec, FeatureSpec, PostProcessorSpec, WriterSpec

__all__ = [
    "API_VERSION",
    "Backend",
    "BackendSpec",
    "FeatureSpec",
    "PostProcessor",
    "PostProcessorSpec",
    "WriterSpec",
    "hookimpl",
]
