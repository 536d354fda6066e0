"""`seldfuse tune events`: fits what people are shown as an event on held-out data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.console import print_json, print_note, print_result
from seldfuse.cli.force import Force
from seldfuse.cli.labels import Labels

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.metrics.event_scores import EventScores
    from seldfuse.tune.events import EventFit


def tune_events(
    folders: Annotated[
        list[str], typer.Argument(help="A folder of posteriors for each member, or NAME=FOLDER.", show_default=False)
    ],
    reference: Annotated[Path, typer.Option(help="Folder of label files of the same clips.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file of the settings.")] = Path("fusion.toml"),
    fusion: Annotated[str, typer.Option(help="How members are merged, as for seldfuse run.")] = "mean",
    folds: Annotated[int, typer.Option(min=2, help="Parts of the recordings for cross-validation.")] = 5,
    labels: Labels = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit which events people are shown; what is scored frame by frame stays.

    Writes the settings of --fusion with a table [events] that was fitted to the events of the labels.
    """
    from dataclasses import replace

    import tomli_w

    from seldfuse.checks.findings import refuse
    from seldfuse.core.label_sets import resolve_labels
    from seldfuse.fusion.fitted import choose_fusion
    from seldfuse.inference.member_folders import open_members
    from seldfuse.storage.atomic import write_atomically
    from seldfuse.tune.agreement import check_members
    from seldfuse.tune.events import fit_events
    from seldfuse.tune.tuning_data import read_tuning_data

    settings = choose_fusion(fusion, open_members(folders).list_bundled()).settings
    data = read_tuning_data(folders, reference, print_note, resolve_labels(labels))
    refuse(check_members(data), force, print_note, "posteriors and labels")
    fit = fit_events(data, settings, folds, lambda parts: print_note(f"fitting {parts}"))
    settings = replace(settings, events=fit.settings)
    with write_atomically(out) as draft:
        draft.write_text(tomli_w.dumps(settings.to_json()), encoding="utf-8")
    if as_json:
        print_json({"scores": {name: _plain(one) for name, one in _list_scores(fit).items()}, **settings.to_json()})
    else:
        print_result(_table(fit))
    print_note(f"use it with --fusion {out}")


def _list_scores(fit: "EventFit") -> "dict[str, EventScores]":
    return {
        "stretches of active frames": fit.frames,
        "defaults": fit.default,
        "fitted, cross-validated": fit.cross_validated,
        "fitted, on what was fitted on": fit.resubstituted,
    }


def _table(fit: "EventFit") -> "Table":
    from rich.table import Table

    table = Table("events", "event_f", "error of the number in a clip", "events", "true events")
    for name, scores in _list_scores(fit).items():
        f_score, error = (scores.values[key] for key in ("event_f", "event_count_error"))
        spreads = (f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in (f_score, error))
        table.add_row(name, *spreads, f"{scores.predicted.sum():.0f}", f"{scores.true.sum():.0f}")
    return table


def _plain(scores: "EventScores") -> dict[str, Any]:
    numbers = {"predicted": int(scores.predicted.sum()), "true": int(scores.true.sum())}
    return {name: vars(interval) for name, interval in scores.values.items()} | numbers
