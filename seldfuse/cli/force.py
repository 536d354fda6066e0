"""The option that goes on in spite of what the checks of a data set found."""

from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Go on though labels and sound seem not to belong together.")]
