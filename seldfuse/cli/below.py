"""Commands that stand below a command which works by itself as well."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command


def with_below(name: str, function: Callable[..., Any]) -> type[TyperCommand]:
    """A kind of command that hands `name`, where it is the first argument, on to `function`.

    What else may begin with that word, such as a folder, is written `./name`.
    """

    class WithBelow(TyperCommand):
        def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
            if args[:1] != [name]:
                return super().make_context(info_name, args, parent, **extra)
            app = typer.Typer(add_completion=False, rich_markup_mode=None)
            app.command(name)(function)
            return get_command(app).make_context(f"{info_name} {name}", args[1:], parent, **extra)

    return WithBelow
