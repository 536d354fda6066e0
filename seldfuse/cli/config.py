"""`--config FILE`: defaults of any command in a TOML file, a table for each; what is typed wins.

A file may say::

    [run]
    backends = "cmc,sce"
    detector-fps = 4
    explain = true

    [tune.fusion]
    device = "cpu"
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seldfuse.errors import UsageError

OPTION = "--config"


def split_config(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Take `--config FILE` out of a command line, wherever it stands. Raises UsageError where no file follows."""
    rest = list(arguments)
    end = rest.index("--") if "--" in rest else len(rest)
    place = next((place for place, one in enumerate(rest[:end]) if one.partition("=")[0] == OPTION), None)
    if place is None:
        return rest, None
    _, equals, file = rest.pop(place).partition("=")
    if not equals and place < len(rest):
        file = rest.pop(place)
    if not file:
        raise UsageError(f"{OPTION} expects a TOML file, such as {OPTION} seldfuse.toml")
    return rest, Path(file)


def read_defaults(path: Path, app: Any) -> dict[str, Any]:
    """Read the defaults of the options of a click application, as its `default_map`.

    Raises UsageError where the file cannot be read, or names a command or an option that there is not.
    """
    from seldfuse.settings.toml import read_settings

    return read_settings(path, "a TOML file of defaults", lambda table: _map(table, app, ""))


def _map(table: Mapping[str, Any], command: Any, name: str) -> dict[str, Any]:
    """Defaults by the names of a command's parameters, and of the commands in it by their names."""
    from seldfuse.settings.known import check_known

    commands = getattr(command, "commands", {})
    options = {
        typed.lstrip("-"): one
        for one in command.params
        if one.param_type_name == "option" and not one.is_eager
        for typed in (*one.opts, *one.secondary_opts)
        if typed.startswith("--")
    }
    if not name:
        options = {}
    found: dict[str, Any] = {}
    for key, value in table.items():
        typed = key.replace("_", "-")
        noun = (
            f"option of `seldfuse {name}`" if name and not commands else f"command of `seldfuse{name and ' ' + name}`"
        )
        check_known(typed, [*commands, *options], noun)
        if typed in commands:
            if not isinstance(value, Mapping):
                raise UsageError(f"{key} must be a table, as in [{key}], got {value!r}")
            found[typed] = _map(value, commands[typed], f"{name} {typed}".strip())
        else:
            found[options[typed].name] = _check(value, options[typed], f"{name}.{key}".replace(" ", "."))
    return found


def _check(value: Any, option: Any, name: str) -> Any:
    """A value as click takes it: one for each time that an option may be given. Raises UsageError for a table or
    list where it cannot be."""
    if option.multiple and not isinstance(value, list):
        value = [value]
    if isinstance(value, Mapping) or (isinstance(value, list) and not option.multiple):
        raise UsageError(f"{name} must be one value, got {value!r}")
    return value
