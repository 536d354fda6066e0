"""The reference of TOML files, made of the dataclasses that read them."""

import dataclasses
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from seldfuse.core.class_values import ClassValues, Number
from seldfuse.core.labels import Label
from seldfuse.core.rules import Rule
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.settings import PRESETS, FusionSettings
from seldfuse.settings.bounds import Bounds, Expected, Names
from seldfuse.train.recipe import Recipe
from seldfuse.vision.settings import MODES, VisionSettings

TEXT = """# Settings

Every key of the TOML files that seldfuse reads, as the code knows it: what it may be, and what holds where it is left
out. A key that is not here is an error, which names the nearest one. *By class* means one number, or a table of numbers
by class name with `default` for the others.
"""

FILES: dict[str, tuple[str, type]] = {
    "Fusion, decoding and events": ("`seldfuse run --fusion FILE`, `seldfuse fuse --fusion FILE`", FusionSettings),
    "Visual correction": ("`seldfuse run --vision FILE`", VisionSettings),
    "Recipes": ("`seldfuse train --preset`, `--set section.key=value`", Recipe),
    "Rules of a detector": ("`seldfuse run --rules DETECTOR=FILE`, a table `[class_name]` for each class", Rule),
    "Label sets": ("`--labels FILE`, a table `[[classes]]` for each class", Label),
}
"""By title: where the file is named, and the dataclass that reads it."""

UNLIMITED = 1e9
"""Limits from here on keep arithmetic sound and say nothing to a reader."""

CHOICES = {"preset": PRESETS, "combine": tuple(COMBINERS), "mode": MODES}
"""Keys whose names are checked after their types."""


def describe_settings() -> str:
    """Describe every key of every TOML file as a page of Markdown."""
    lines = [TEXT]
    for title, (where, kind) in FILES.items():
        lines += [f"## {title}\n", f"{where}.\n", *_describe(kind, "")]
    return "\n".join(lines)


def _describe(kind: type, section: str) -> Iterator[str]:
    """The table of one section, then its sections."""
    if section:
        yield f"### `[{section}]` {{: #{kind.__name__.lower()}-{_slug(section)} }}\n"
    yield f"{_describe_class(kind)}\n"
    hints = get_type_hints(kind, include_extras=True)
    sections: list[tuple[type, str]] = []
    rows = []
    for one in dataclasses.fields(kind):
        inner, name = _find_section(hints[one.name], one.name)
        if inner is not None:
            sections.append((inner, f"{section}.{name}" if section else name))
        else:
            choices = ", ".join(f'`"{name}"`' for name in CHOICES.get(one.name, ()))
            rows.append(f"| `{one.name}` | {choices or _describe_type(hints[one.name])} | {_default(one)} |")
    if rows:
        yield "| key | what it may be | default |\n|---|---|---|"
        yield "\n".join(rows) + "\n"
    for inner, name in sections:
        yield from _describe(inner, name)


def _find_section(hint: Any, name: str) -> tuple[type | None, str]:
    """The dataclass of a key that is a section, or a table or a list of such; and how the section is written."""
    hint = _strip(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return hint, name
    if get_origin(hint) in (types.UnionType, Union):
        inner = [_find_section(one, name)[0] for one in get_args(hint)]
        return next((one for one in inner if one is not None), None), name
    if get_origin(hint) in (Mapping, dict):
        inner_kind = _strip(get_args(hint)[1])
        return (inner_kind, f"{name}.NAME") if dataclasses.is_dataclass(inner_kind) else (None, name)  # type: ignore[return-value]
    if get_origin(hint) is tuple:
        inner_kind = _strip(get_args(hint)[0])
        return (inner_kind, f"[{name}]") if dataclasses.is_dataclass(inner_kind) else (None, name)  # type: ignore[return-value]
    return None, name


def _strip(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _describe_class(kind: type) -> str:
    """The docstring, without what is raised, which a page on one key needs not."""
    parts = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    return "\n\n".join(part for part in parts if not part.startswith(("Raises", ">>>")))


def _describe_type(hint: Any) -> str:
    kind, notes = hint, []
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
    said = [note.text for note in notes if isinstance(note, Bounds | Expected)]
    said += [_describe_field(kind, note) for note in notes if isinstance(note, FieldInfo)]
    if not said and any(isinstance(note, Names) for note in notes):
        said = [f"one of {', '.join(f'`{name}`' for note in notes if isinstance(note, Names) for name in note.known)}"]
    if kind == ClassValues:
        return f"{' '.join(said) or 'a number'}; by class"
    return " ".join(said) or _describe_plain(kind)


def _describe_plain(kind: Any) -> str:
    origin, inside = get_origin(kind), get_args(kind)
    if kind == Number:
        return "a number"
    if origin is Literal:
        return ", ".join(f"`{value!r}`" for value in inside).replace("'", '"')
    if origin in (types.UnionType, Union):
        return " or ".join(_describe_type(one) for one in inside if one is not types.NoneType)
    if origin in (Mapping, dict):
        key = _describe_type(inside[0])
        names = "names" if key == "a text" else key.removeprefix("one of ").removesuffix(" a text")
        return f"a table: {names} to {_describe_type(inside[1])}"
    if origin is tuple:
        return f"a list of: {_describe_type(inside[0])}"
    return {bool: "`true` or `false`", str: "a text", int: "a whole number", float: "a number"}.get(kind, "anything")


def _describe_field(kind: Any, note: FieldInfo) -> str:
    limits = {type(one).__name__.lower(): one for one in note.metadata}
    words = {"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    said = [
        words[name].format(f"{getattr(one, name):g}")
        for name, one in limits.items()
        if name in words and getattr(one, name) < UNLIMITED
    ]
    return f"{_describe_plain(kind)}, {', '.join(said)}" if said else _describe_plain(kind)


def _default(field: Any) -> str:
    if field.name == "title":
        return "the name"
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "required"
    if value is None or (not isinstance(value, bool | int | float) and not value):
        return ""
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    text = text.replace("'", '"')
    return f"`{text.replace('(', '[').replace(',)', ']').replace(')', ']') if isinstance(value, tuple) else text}`"


def _slug(section: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in section).strip("-").lower()
