"""`seldfuse submission`: packs predictions as the challenge wants them."""

from pathlib import Path
from typing import Annotated

import typer

from seldfuse.cli.console import print_json, print_note


def pack_submission(
    predictions: Annotated[
        Path, typer.Argument(help="Folder of predicted CSV files, as `run` and `fuse` write them.", show_default=False)
    ],
    evaluation: Annotated[
        Path,
        typer.Option(
            metavar="LIST",
            help="The clips of the evaluation set: a text or CSV file with a name a line, or the folder of its clips.",
            show_default=False,
        ),
    ],
    label: Annotated[
        str,
        typer.Option(
            metavar="NAME_task3_N", help="The label of the submission, such as Muster_XY_task3_1.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is packed.")] = Path("submission"),
    reference: Annotated[
        Path | None,
        typer.Option(help="Label files of the development set, to score --development against.", show_default=False),
    ] = None,
    development: Annotated[
        Path | None, typer.Option(help="Predictions on the development set, to be scored.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary.")] = False,
) -> None:
    """Check predictions and pack them for the challenge, with metadata filled as far as they are known.

    Every clip of the evaluation set must have one CSV file in the layout of 2025 and within its ranges. What a person
    must write into the metadata is marked TODO.
    """
    from seldfuse.submission import find_evaluation_clips, pack

    clips = find_evaluation_clips(evaluation)
    packed = pack(predictions, clips, label, out, development, reference, print_note)
    if as_json:
        print_json(packed.to_json())
    print_note(f"packed {len(clips)} clips as {packed.folder}/")
    print_note(f"write what is marked TODO ({packed.todo} places): {packed.metadata}")
