"""How contracts find what they test, and registries that hold a few values more."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from seldfuse.catalogue.host import TakenNames, check_value, load_registry, take_names
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.values import CatalogueValue
from seldfuse.errors import SeldfuseError

ValueT = TypeVar("ValueT", bound=CatalogueValue)


def find_value(kind: type[ValueT], named: str | ValueT) -> ValueT:
    """Find an installed value by its name; a value itself is taken as it is. Raises PluginError."""
    return named if isinstance(named, kind) else load_registry().find(kind, str(named)).value


def registry_with(*values: CatalogueValue) -> Registry:
    """Make a registry of everything that is installed and of `values`, as if a plugin had registered them.

    Raises PluginError for a value that the engine would refuse.
    """
    installed = load_registry()
    entries, names = list(installed.entries), TakenNames()
    for entry in entries:
        take_names(entry, names)
    for value in values:
        check_value(value, type(value), "tests", names)
        entries.append(CatalogueEntry(value, "tests", "0"))
        take_names(entries[-1], names)
    return Registry(tuple(entries), installed.failures)


def expect_refusal(call: Callable[[], object], named: str) -> None:
    """Expect a SeldfuseError whose message names what was wrong."""
    with pytest.raises(SeldfuseError) as caught:
        call()
    assert named in str(caught.value), f"the message must name {named!r}, got {caught.value}"
