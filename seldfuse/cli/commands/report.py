"""`seldfuse report`: pages that show and play what a run found."""

from pathlib import Path
from typing import Annotated

import typer

from seldfuse.cli.console import print_note
from seldfuse.cli.labels import Labels


def report(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that run or fuse wrote.", show_default=False)],
    reference: Annotated[
        Path | None, typer.Option(help="Folder of reference CSV files: marks matches, misses and false alarms.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Folder that another run wrote, or of another system's CSV files, shown beside.")
    ] = None,
    recordings: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT", help="Where the recordings are, if not where they were: files, folders, patterns."
        ),
    ] = None,
    labels: Labels = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the pages. [default: OUT/report]", show_default=False)
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put recordings and scripts into the pages: each is one file to send.")
    ] = False,
) -> None:
    """Make pages that show and play the results of a run; nothing is heard again."""
    from seldfuse.core.label_sets import resolve_labels
    from seldfuse.core.labels import DCASE2025
    from seldfuse.report.read import ReportSources
    from seldfuse.report.write import write_report

    numbering = resolve_labels(labels) or DCASE2025
    sources = ReportSources(folder, reference, against, tuple(recordings or ()), numbering)
    print_note(f"open {write_report(sources, embed, out)} in a browser")
