"""Functions of rooms above, which a value's methods offer: they are imported when they are called."""

from importlib import import_module
from typing import Any


def import_by_name(reference: str) -> Any:
    """Import what `reference` names, as "module:attribute"."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
