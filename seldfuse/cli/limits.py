"""Options of fusion that `seldfuse run` and `seldfuse fuse` have in common."""

from typing import Annotated

import typer

Threshold = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="What is active exceeds it, in frames and events.", show_default=False),
]
MinDuration = Annotated[
    float | None,
    typer.Option(metavar="S", min=0.0, help="Drop events that are shorter; frames stay.", show_default=False),
]
MaxGap = Annotated[
    float | None,
    typer.Option(metavar="S", min=0.0, help="Close pauses of events up to so long; frames stay.", show_default=False),
]
