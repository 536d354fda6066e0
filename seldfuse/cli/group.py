"""Groups of commands that do something by themselves."""

import typer
from typer.core import TyperGroup


class CallableGroup(TyperGroup):
    """A group whose callback asks its context whether a command of the group was named."""

    # Typer promises callbacks this class and hands them its parent.
    context_class = typer.Context
