"""The list of what plugins may import, made of `seldfuse.sdk` itself; mkdocstrings fills in what each name is."""

import inspect
from typing import Any

import seldfuse
from seldfuse import sdk

TEXT = """# For plugins

What the files of a plugin import from `seldfuse.sdk`, and all that they may rely on. [Writing a
plugin](../plugins.md) shows how it is used.

- Described under [Python](../api.md): {known}
- Numbers and names: {constants}
"""
ON_THE_PAGE_ON_PYTHON = {*seldfuse.__all__, "Label"}


def describe_sdk() -> str:
    """List every public name of `seldfuse.sdk` for mkdocstrings as a page of Markdown."""
    found = {name: getattr(sdk, name) for name in sdk.__all__}
    entries = [name for name, value in found.items() if _has_docstring(value)]
    known = [name for name in entries if name in ON_THE_PAGE_ON_PYTHON or _is_error(found[name])]
    text = TEXT.format(
        known=", ".join(f"[{name}][{_find_home(found[name])}]" for name in known),
        constants=", ".join(f"`{name}`" for name in found if name not in entries),
    )
    return "\n".join([text, *(f"::: {_find_home(found[name])}\n" for name in entries if name not in known)])


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, seldfuse.SeldfuseError)


def _has_docstring(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def _find_home(value: Any) -> str:
    return f"{value.__module__}.{value.__name__}"
