"""`seldfuse eval`: how good predictions are."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seldfuse.cli.console import print_json, print_note, print_result
from seldfuse.core.labels import DCASE2025

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.metrics.counts import Counts
    from seldfuse.metrics.jackknife import Interval
    from seldfuse.metrics.scores import Scores

MEANINGS = {
    "f20_1": "F: at most 20° off and distance off by at most itself",
    "f20_1_on": "F: the same, and on-screen right",
    "f20": "F: at most 20° off",
    "f1": "F: distance off by at most itself",
    "f_class": "F: class and frame only",
    "doae_deg": "azimuth error (°)",
    "rde": "relative distance error",
    "distance_error_m": "distance error (m)",
    "osa": "on-screen accuracy",
}


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of predicted CSV files.", show_default=False)],
    reference: Annotated[Path, typer.Argument(help="Folder of reference CSV files.", show_default=False)],
    mode: Annotated[
        Literal["official", "strict"],
        typer.Option(help="Count like the challenge's scorer, or every frame of every clip."),
    ] = "official",
    average: Annotated[
        Literal["macro", "micro"], typer.Option(help="Mean over classes, or all classes pooled.")
    ] = "macro",
    against: Annotated[
        Path | None, typer.Option(help="Folder of another system's CSV files, to be compared with.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Score predicted events against a reference.

    Files are paired by name, whatever folder they are in; intervals are at a level of 95 %.
    """
    from seldfuse.evaluation import Reference
    from seldfuse.metrics.jackknife import compare_systems, compute_intervals
    from seldfuse.metrics.scores import compute_scores

    truth = Reference(reference)
    counts = truth.count(predictions, mode, print_note)
    result, bounds = compute_scores(counts, average), compute_intervals(counts, average)
    compared = compare_systems(counts, truth.count(against, mode, print_note), average) if against else None
    if as_json:
        print_json(_document(result, bounds, compared, mode=mode, average=average, clips=len(truth.files)))
    else:
        print_result(
            f"{len(truth.files)} clips, {mode} counting, {average} average",
            _score_table(bounds, compared),
            "",
            _class_table(result, counts),
        )


def _document(
    result: "Scores", bounds: Mapping[str, "Interval"], compared: Mapping[str, "Interval"] | None, **settings: Any
) -> dict[str, Any]:
    classes = {
        label: {name: _plain(score[index]) for name, score in result.classes.items()}
        for index, label in enumerate(DCASE2025.names)
    }
    document: dict[str, Any] = {name: _plain(getattr(result, name)) for name in MEANINGS}
    document |= {**settings, "classes": classes, "intervals": _plain_bounds(bounds, "value")}
    return document | ({"against": _plain_bounds(compared, "difference")} if compared else {})


def _plain_bounds(bounds: Mapping[str, "Interval"], value: str) -> dict[str, Any]:
    return {
        name: {
            value: _plain(bound.value),
            "estimate": _plain(bound.estimate),
            "low": _plain(bound.low),
            "high": _plain(bound.high),
        }
        for name, bound in bounds.items()
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _score_table(bounds: Mapping[str, "Interval"], compared: Mapping[str, "Interval"] | None) -> "Table":
    from rich.table import Table

    table = Table("score", "", box=None, pad_edge=False)
    for heading in ("value", "95 % interval", *(("difference", "95 % interval") if compared else ())):
        table.add_column(heading, justify="right")
    for name, meaning in MEANINGS.items():
        difference = _cells(name, compared[name], sign="+") if compared else ()
        table.add_row(name, meaning, *_cells(name, bounds[name]), *difference)
    return table


def _cells(name: str, bound: "Interval", sign: str = "") -> tuple[str, str]:
    return (
        _text(name, bound.value, sign),
        f"{_text(name, bound.low, sign)} … {_text(name, bound.high, sign)}",
    )


def _class_table(result: "Scores", counts: "Counts") -> "Table":
    from rich.table import Table

    table = Table("class", box=None, pad_edge=False)
    for heading in ("frames", *MEANINGS):
        table.add_column(heading, justify="right")
    frames = (counts.pairs + counts.misses).sum(axis=0)
    for index, label in enumerate(DCASE2025.names):
        cells = [_text(name, result.classes[name][index]) for name in MEANINGS]
        table.add_row(label, f"{frames[index]:.0f}", *cells)
    return table


def _text(name: str, value: float, sign: str = "") -> str:
    if math.isnan(value):
        return "–"
    decimals = {"doae_deg": 1, "distance_error_m": 2}.get(name, 3)
    return f"{value:{sign}.{decimals}f}"
