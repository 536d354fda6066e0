"""The option of the classes, which several commands have in common."""

from typing import Annotated

import typer

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        help="The classes: DCASE2025, STARSS23, 'TAU-NIGENS 2021', or a TOML or JSON file.",
        show_default=False,
    ),
]
