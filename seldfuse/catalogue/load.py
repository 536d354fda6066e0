"""From a reference in a catalogue value to the object that it names."""

import importlib
from typing import Any

from seldfuse.errors import PluginError, SeldfuseError


def load_reference(reference: str) -> Any:
    """Import the object that `module:attribute` names. Raises PluginError, whatever goes wrong."""
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise PluginError(f"a plugin's reference must be 'module:attribute', got {reference!r}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise PluginError(
            f'cannot load {reference!r} ({describe_cause(error)}); to see where it fails: `python -c "import {module}"`'
        ) from error


def describe_cause(error: BaseException) -> str:
    """Say what went wrong in one line."""
    return str(error) if isinstance(error, SeldfuseError) else f"{type(error).__name__}: {error}"
