"""Finds installed plugins and takes in what they register; what fails is kept as data, and the rest goes on.

pluggy calls a hook for all plugins in one sweep, and the first that raises ends it; so each plugin gets a manager of
its own.
"""

import functools
import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pluggy

import seldfuse
from seldfuse.catalogue import hooks
from seldfuse.catalogue.guard import ProcessState
from seldfuse.catalogue.hooks import GROUP, HOOKS
from seldfuse.catalogue.registry import CatalogueEntry, PluginFailure, Registry, Stage, is_same_name, normalize_name
from seldfuse.catalogue.values import (
    API_VERSION,
    Augmentation,
    CatalogueValue,
    Detector,
    Encoder,
    Feature,
    PostProcessor,
    Writer,
)
from seldfuse.errors import PluginError
from seldfuse.interruption import was_interrupted

GUIDE = "docs/plugins.md"

NAMESPACES: tuple[tuple[type[CatalogueValue], ...], ...] = ((Detector, PostProcessor), (Feature, Encoder))
"""Kinds that share their names: what stands after --post, and what a batch of clips is asked for."""

MIRRORS = ("same", "negate", "swap")

Origin = tuple[str, str]
"""Name and version of a distribution."""

TYPEABLE = re.compile(r"[A-Za-z0-9][\w.-]*")
"""Names stand in comma lists, before an `@`, and in file names."""

LONGEST_NAME = 100

SUFFIX = re.compile(r"\.[A-Za-z0-9][\w.-]*")
"""What stands behind a clip's name, within its folder."""

UNKNOWN = "unknown"


@functools.cache
def load_registry() -> Registry:
    """Load everything that the installed plugins register, seldfuse's own first, then by entry point.

    Read once per process. Never raises for a plugin's fault: `failures` of the result tells them.
    """
    catalogue = _Catalogue()
    for point, origin in sorted(_find_entry_points(catalogue), key=_order):
        _register_plugin(point, origin, catalogue)
    return Registry(tuple(catalogue.entries), tuple(catalogue.failures))


class _Catalogue:
    """What was taken in so far, with its names, and what failed."""

    def __init__(self) -> None:
        self.entries: list[CatalogueEntry[Any]] = []
        self.failures: list[PluginFailure] = []
        self.names: TakenNames = {}

    def add(self, entry: CatalogueEntry[Any]) -> None:
        self.entries.append(entry)
        take_names(entry, self.names)


def _find_entry_points(catalogue: _Catalogue) -> list[tuple[EntryPoint, Origin]]:
    """Find the entry points of plugins, whatever else stands on the path: installations are torn, and not all are ours.

    Of two distributions of one name the first counts, as for Python. One that names a plugin and cannot be read is a
    failure, as is one without a name.
    """
    found: list[tuple[EntryPoint, Origin]] = []
    seen: set[str] = set()
    for distribution in _list_distributions():
        folder = _describe_place(distribution)
        try:
            text = distribution.read_text("entry_points.txt")
            if not text or GROUP not in text:
                continue
            # Every look at a distribution's name or version reads and parses its whole METADATA anew.
            origin = _origin(distribution)
            key = normalize_name(origin[0])
            if key in seen:
                continue
            points = [point for point in distribution.entry_points if point.group == GROUP]
        except Exception as error:
            catalogue.failures.append(PluginFailure(folder, UNKNOWN, folder, "metadata", error))
            continue
        seen.add(key)
        found += [(point, origin) for point in points]
    return found


def _list_distributions() -> Iterator[Distribution]:
    """List what is installed as far as it can be listed."""
    with suppress(Exception):
        yield from distributions()


def _describe_place(distribution: Distribution) -> str:
    """Name a distribution that may have no name: by its folder of metadata."""
    return Path(str(getattr(distribution, "_path", UNKNOWN))).name


def _order(found: tuple[EntryPoint, Origin]) -> tuple[bool, str, str]:
    point, (distribution, _) = found
    return (not is_same_name(distribution, "seldfuse"), point.name, distribution)


def _origin(distribution: Distribution) -> Origin:
    """Name and version; of a torn installation the folder's name, which begins with its name."""
    try:
        metadata: Any = distribution.metadata
        name, version = metadata["Name"], metadata["Version"]
    except Exception:
        name, version = None, None
    return name or _describe_place(distribution).partition("-")[0] or UNKNOWN, version or UNKNOWN


def _register_plugin(point: EntryPoint, origin: Origin, catalogue: _Catalogue) -> None:
    stage: Stage = "import"

    def is_old(error: BaseException) -> bool:
        return isinstance(error, ModuleNotFoundError) and error.name == "seldfuse.plugin"

    state = ProcessState()
    try:
        plugin = point.load()
        stage = "hook"
        manager = _manager_of(plugin)
        stage = "call"
        for hook, kind in HOOKS.items():
            getattr(manager.hook, hook)(register=_register(kind, point, origin, catalogue))
    # A module that is a script in truth may call sys.exit, and others have exceptions that are no Exception.
    except BaseException as error:
        if was_interrupted(error):
            raise
        failed = error
        if is_old(error):
            # Refused like a value, for the sentence says what to type.
            what = "the plugin imports seldfuse.plugin and"
            stage, failed = "register", PluginError(_describe_old(what, 1, origin[0]))
        catalogue.failures.append(PluginFailure(*origin, point.name, stage, failed))
    finally:
        state.restore()


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
    kind: type[CatalogueValue], point: EntryPoint, origin: Origin, catalogue: _Catalogue
) -> Callable[[Any], None]:
    distribution, version = origin

    def register(value: Any) -> None:
        try:
            check_value(value, kind, distribution, catalogue.names)
            catalogue.add(CatalogueEntry(value, distribution, version, _missing(value)))
        except PluginError as error:
            name = str(value.name) if isinstance(value, kind) else ""
            catalogue.failures.append(PluginFailure(distribution, version, point.name, "register", error, name))

    return register


TakenNames = dict[tuple[str, str], CatalogueEntry[Any]]
"""Entries by the kinds that share their names, and by name: so that many thousand values are no slower than few."""


def take_names(entry: CatalogueEntry[Any], names: TakenNames) -> None:
    """Enter the names of an entry."""
    for name in entry.names:
        names.setdefault(_make_key(type(entry.value), name), entry)


def check_value(value: Any, kind: type[CatalogueValue], distribution: str, names: TakenNames) -> None:
    """Check a value that a distribution registers beside those that took `names`. Raises PluginError that says what is
    wrong.
    """
    if not isinstance(value, kind):
        raise PluginError(
            f"register expected a {kind.__name__}, got {type(value).__name__}; tell the makers of {distribution}"
        )
    what = f"{value.kind} {value.name!r}"
    if isinstance(value.api_version, int):
        _check_api(value.api_version, what, distribution)
    _check_form(value, what, distribution)
    _check_statements(value, what, distribution)
    for name in (value.name, *value.aliases):
        if taken := names.get(_make_key(kind, name)):
            raise PluginError(
                f"{what}: the name {name!r} is taken by {taken.distribution} {taken.version}; "
                f"to be rid of the newcomer, `pip uninstall {distribution}`"
            )


def _make_key(kind: type[CatalogueValue], name: str) -> tuple[str, str]:
    return find_namespace(kind)[0].kind, normalize_name(name)


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
        if not TYPEABLE.fullmatch(name) or len(name) > LONGEST_NAME:
            raise PluginError(
                f"{what}: a name may hold letters, digits, '.', '-' and '_', got {name!r:.{LONGEST_NAME}}; "
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
    if isinstance(value, Writer) and not SUFFIX.fullmatch(value.suffix):
        raise PluginError(
            f"{what}: suffix must be a dot and letters, such as '.srt', got {value.suffix!r}; "
            f"tell the makers of {distribution}"
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
    return tuple(name for name in value.requires if not _is_installed(name))


@functools.cache
def _is_installed(module: str) -> bool:
    try:
        # `find_spec` of a dotted name would import the parent.
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False
