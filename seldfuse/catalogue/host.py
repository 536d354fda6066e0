"""Finds installed plugins and takes in what they register; what fails is kept as data, and the rest goes on.

pluggy calls a hook for all plugins in one sweep, and the first that raises ends it; so each plugin gets a manager of
its own.
"""

import functools
import importlib.util
import re
from collections.abc import Callable
from dataclasses import fields
from importlib.metadata import Distribution, EntryPoint, entry_points
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pluggy

import seldfuse
from seldfuse.catalogue import hooks
from seldfuse.catalogue.hooks import GROUP, HOOKS
from seldfuse.catalogue.registry import CatalogueEntry, PluginFailure, Registry, Stage, is_same_name
from seldfuse.catalogue.values import (
    API_VERSION,
    Augmentation,
    CatalogueValue,
    Detector,
    Encoder,
    Feature,
    PostProcessor,
)
from seldfuse.errors import PluginError

GUIDE = "docs/plugins.md"

NAMESPACES: tuple[tuple[type[CatalogueValue], ...], ...] = ((Detector, PostProcessor), (Feature, Encoder))
"""Kinds that share their names: what stands after --post, and what a batch of clips is asked for."""

MIRRORS = ("same", "negate", "swap")

Origin = tuple[str, str]
"""Name and version of a distribution."""

TYPEABLE = re.compile(r"[A-Za-z0-9][\w.-]*")
"""Names stand in comma lists, before an `@`, and in file names."""


@functools.cache
def load_registry() -> Registry:
    """Load everything that the installed plugins register, seldfuse's own first, then by entry point.

    Read once per process. Never raises for a plugin's fault: `failures` of the result tells them.
    """
    entries: list[CatalogueEntry[Any]] = []
    failures: list[PluginFailure] = []
    # Every look at a distribution's name or version reads and parses its whole METADATA anew.
    origins = functools.cache(_origin)
    found = [(point, origins(point.dist)) for point in entry_points(group=GROUP)]
    for point, origin in sorted(found, key=_order):
        _register_plugin(point, origin, entries, failures)
    return Registry(tuple(entries), tuple(failures))


def _order(found: tuple[EntryPoint, Origin]) -> tuple[bool, str, str]:
    point, (distribution, _) = found
    return (not is_same_name(distribution, "seldfuse"), point.name, distribution)


def _origin(distribution: Distribution | None) -> Origin:
    if distribution is None:
        return "unknown", "unknown"
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def _register_plugin(
    point: EntryPoint, origin: Origin, entries: list[CatalogueEntry[Any]], failures: list[PluginFailure]
) -> None:
    stage: Stage = "import"
    try:
        plugin = point.load()
        stage = "hook"
        manager = _manager_of(plugin)
        stage = "call"
        for hook, kind in HOOKS.items():
            getattr(manager.hook, hook)(register=_register(kind, point, origin, entries, failures))
    # A module that is a script in truth may call sys.exit.
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "seldfuse.plugin":
            # Refused like a value, for the sentence says what to type.
            what = "the plugin imports seldfuse.plugin and"
            stage, error = "register", PluginError(_describe_old(what, 1, origin[0]))
        failures.append(PluginFailure(*origin, point.name, stage, error))


def _manager_of(plugin: object) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hooks)
    manager.register(plugin)
    try:
        # `register` takes a misspelt hook in silence.
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"expected the hooks {', '.join(HOOKS)}: {error}") from error
    if not manager.get_hookcallers(plugin):
        raise PluginError(f"expected one of the hooks {', '.join(HOOKS)}, marked with @hookimpl, found none")
    return manager


def _register(
    kind: type[CatalogueValue],
    point: EntryPoint,
    origin: Origin,
    entries: list[CatalogueEntry[Any]],
    failures: list[PluginFailure],
) -> Callable[[Any], None]:
    distribution, version = origin

    def register(value: Any) -> None:
        try:
            check_value(value, kind, distribution, entries)
            entries.append(CatalogueEntry(value, distribution, version, _missing(value)))
        except PluginError as error:
            name = str(value.name) if isinstance(value, kind) else ""
            failures.append(PluginFailure(distribution, version, point.name, "register", error, name))

    return register


def check_value(value: Any, kind: type[CatalogueValue], distribution: str, entries: list[CatalogueEntry[Any]]) -> None:
    """Check a value that a distribution registers beside `entries`. Raises PluginError that says what is wrong."""
    if not isinstance(value, kind):
        raise PluginError(
            f"register expected a {kind.__name__}, got {type(value).__name__}; tell the makers of {distribution}"
        )
    what = f"{value.kind} {value.name!r}"
    if isinstance(value.api_version, int):
        _check_api(value.api_version, what, distribution)
    _check_form(value, what, distribution)
    _check_statements(value, what, distribution)
    for entry in entries:
        taken = [name for name in (value.name, *value.aliases) if entry.matches(name)]
        if isinstance(entry.value, find_namespace(kind)) and taken:
            raise PluginError(
                f"{what}: the name {taken[0]!r} is taken by {entry.distribution} {entry.version}; "
                f"to be rid of the newcomer, `pip uninstall {distribution}`"
            )


def find_namespace(kind: type[CatalogueValue]) -> tuple[type[CatalogueValue], ...]:
    """Find the kinds, itself among them, with which a kind shares its names."""
    return next((kinds for kinds in NAMESPACES if kind in kinds), (kind,))


def _check_api(version: int, what: str, distribution: str) -> None:
    if version < API_VERSION:
        raise PluginError(_describe_old(what, version, distribution))
    if version > API_VERSION:
        raise PluginError(
            f"{what} is written for plugin API {version}, seldfuse {seldfuse.__version__} expects {API_VERSION}; "
            "upgrade with `pip install -U seldfuse`"
        )


def _describe_old(what: str, version: int, distribution: str) -> str:
    return (
        f"{what} is written for plugin API {version}, seldfuse {seldfuse.__version__} expects {API_VERSION}; "
        f"upgrade with `pip install -U {distribution}`, or change the plugin as {GUIDE} says"
    )


def _check_form(value: CatalogueValue, what: str, distribution: str) -> None:
    loose = [field.name for field in fields(value) if _is_loose(getattr(value, field.name), field.type)]
    if loose:
        raise PluginError(
            f"{what} must give tuples for {', '.join(loose)}: ('one',), not 'one'; tell the makers of {distribution}"
        )
    for one in fields(value):
        given = getattr(value, one.name)
        if not _fits(given, one.type):
            raise PluginError(
                f"{what}: {one.name} must be {_describe_type(one.type)}, got {given!r}; "
                f"tell the makers of {distribution}"
            )
    for name in (value.name, *value.aliases):
        if not TYPEABLE.fullmatch(name):
            raise PluginError(
                f"{what}: a name may hold letters, digits, '.', '-' and '_', got {name!r}; "
                f"tell the makers of {distribution}"
            )


def _check_statements(value: CatalogueValue, what: str, distribution: str) -> None:
    """Check what values of some kinds state of themselves."""
    if isinstance(value, Feature) and value.mirror == "swap" and value.channels % 2:
        raise PluginError(
            f"{what}: mirror='swap' exchanges two halves of the channels, got {value.channels}; "
            f"tell the makers of {distribution}"
        )
    if isinstance(value, Feature) and value.mirror not in (None, *MIRRORS) and ":" not in value.mirror:
        raise PluginError(
            f"{what}: mirror must be {', '.join(map(repr, MIRRORS))} or a reference 'module:attribute', "
            f"got {value.mirror!r}; tell the makers of {distribution}"
        )
    if isinstance(value, Augmentation) and value.default and not is_same_name(distribution, "seldfuse"):
        raise PluginError(
            f"{what}: to install it must not change a training, so its default must be 0, got {value.default}; "
            f"tell the makers of {distribution}"
        )


def _fits(value: object, annotation: Any) -> bool:
    """Whether a value is what the annotation of its field says."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(part, parts[0]) for part in value)
    return isinstance(value, (int, float) if annotation is float else origin or annotation)


def _describe_type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_describe_type(part) for part in parts)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is tuple:
        return f"a tuple of {_describe_type(parts[0])}"
    return "None" if annotation is NoneType else getattr(annotation, "__name__", str(annotation))


def _is_loose(value: object, annotation: object) -> bool:
    return annotation == tuple[str, ...] and not isinstance(value, tuple)


def _missing(value: CatalogueValue) -> tuple[str, ...]:
    # `find_spec` of a dotted name would import the parent.
    return tuple(name for name in value.requires if importlib.util.find_spec(name.partition(".")[0]) is None)
