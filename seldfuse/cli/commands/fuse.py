"""`seldfuse fuse`: merges posteriors and events that other runs or other systems wrote."""

from pathlib import Path
from typing import Annotated

import typer

from seldfuse.cli.labels import Labels
from seldfuse.cli.limits import MaxGap, MinDuration, Threshold
from seldfuse.cli.output import OutputWriter


def fuse(
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]FOLDER...", help="One per member, which NAME= may name: posteriors, or DCASE CSV files."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is written.")] = Path("out"),
    fusion: Annotated[str, typer.Option(help="Merges members: auto, tuned, mean, nercslip, or a TOML file.")] = "auto",
    threshold: Threshold = None,
    min_duration: MinDuration = None,
    max_gap: MaxGap = None,
    labels: Labels = None,
    formats: Annotated[str, typer.Option(help="Output formats; see `seldfuse plugins`.")] = "dcase,json",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    frames: Annotated[bool, typer.Option("--frames", help="With --json: every frame, too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone, and JSON.")] = False,
) -> None:
    """Merge folders of posteriors or of DCASE CSV files; no backend runs."""
    from seldfuse.catalogue.host import load_registry
    from seldfuse.core.label_sets import resolve_labels
    from seldfuse.fusion.fitted import choose_fusion
    from seldfuse.inference.member_folders import open_members
    from seldfuse.pipeline import fuse_and_decode

    classes, passed_over = resolve_labels(labels), list[str]()
    members = open_members(folders, passed_over.append, classes)
    output = OutputWriter(out, formats, members.list_fields(), load_registry(), as_json, quiet=quiet, frames=frames)
    for text in passed_over:
        output.note(text)
    chosen = choose_fusion(fusion, members.list_bundled())
    if chosen.note:
        output.note(chosen.note)
    settings = chosen.settings.with_limits(threshold, min_duration, max_gap)
    for posteriors in members.read_clips():
        output.write_result(fuse_and_decode(posteriors, settings, "cpu", labels=classes))
    output.finish()
