"""From a reference in a catalogue value to the object that it names."""

import importlib
from typing import Any

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.errors import PluginError


def load_reference(reference: str) -> Any:
    """Import the object that `module:attribute` names. Raises PluginError, whatever goes wrong."""
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise PluginError(f"a plugin's reference must be 'module:attribute', got {reference!r}")
    with guard_plugin(f"cannot load {reference!r}", f'to see where it fails: `python -c "import {module}"`'):
        return getattr(importlib.import_module(module), attribute)
