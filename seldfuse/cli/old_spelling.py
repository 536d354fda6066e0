"""Command lines of version 0.1.0, in which `synth` and `tune` were commands and no groups."""

from collections.abc import Mapping, Sequence

GROUPS: Mapping[str, tuple[str, ...]] = {
    "synth": ("scenes", "from-foa", "bank"),
    "tune": ("fusion", "events", "vision"),
}
"""The groups that were commands, with the commands in them; the first is what the group did."""


def update_spelling(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Return a command line as it is typed today, and a note that says so where it was not.

    What follows a group and is none of its commands was an argument of the command that the group was. A folder that
    is called like a command is written `./scenes`.
    """
    group, *rest = arguments or [""]
    if group not in GROUPS or not rest or rest[0] in (*GROUPS[group], "--help"):
        return list(arguments), None
    command = GROUPS[group][0]
    if group == "tune" and any(argument.partition("=")[0] == "--post" for argument in rest):
        command = "vision"
    note = f"`seldfuse {group} …` is now `seldfuse {group} {command} …`; the old spelling still works"
    return [group, command, *rest], note
