"""The report on an ensemble's members as JSON and pictures."""

import json
import math
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically
from seldfuse.tune.explain import EnsembleReport, ReliabilityDiagram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


DARK = 0.6
"""Beyond this correlation the colours of a matrix need white letters."""


def check_matplotlib() -> None:
    """Check that matplotlib is installed. Raises UsageError where it is not."""
    if find_spec("matplotlib") is None:
        raise UsageError('pictures need matplotlib: pip install "seldfuse[plots]", or leave --explain out')


def write_report(report: EnsembleReport, folder: Path) -> list[Path]:
    """Write `explain.json`, `members.svg` and `reliability.svg`. Raises UsageError where the disk is full."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("explain.json", "members.svg", "reliability.svg")]
    with write_atomically(paths[0]) as draft:
        draft.write_text(json.dumps(to_plain_json(asdict(report)), indent=1) + "\n", encoding="utf-8")
    for path, figure in zip(paths[1:], (_members(report), _reliability(report)), strict=True):
        with write_atomically(path) as draft:
            figure.savefig(draft, format="svg", metadata={"Date": None})
    return paths


def to_plain_json(value: Any) -> Any:
    """Replace NaN, which JSON does not know, by null."""
    if isinstance(value, dict):
        return {key: to_plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain_json(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _members(report: EnsembleReport) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    (alone, loss, growth), below = figure.subplots(2, 3)
    _bars_alone(alone, report)
    names = list(report.loss)
    values = [report.loss[name].value for name in names]
    errors = [
        [report.loss[name].value - report.loss[name].low for name in names],
        [report.loss[name].high - report.loss[name].value for name in names],
    ]
    loss.barh(names, values, xerr=errors, capsize=3)
    loss.set(title="left out", xlabel=f"{report.criterion} that is lost")
    steps = [f"{'+ ' if number else ''}{name}" for number, (name, _) in enumerate(report.growth)]
    growth.plot(steps, [score for _, score in report.growth], marker="o")
    growth.set(title="added one by one", ylabel=report.criterion)
    for axes, (field, matrix) in zip(below, report.correlation.items(), strict=True):
        _matrix(axes, matrix, report, f"correlation of errors: {field}")
    return figure


def _bars_alone(axes: "Axes", report: EnsembleReport) -> None:
    width = 0.8 / len(report.by_class)
    for number, score in enumerate(report.by_class):
        at = [member + number * width for member in range(len(report.members))]
        axes.bar(at, [report.alone[member][score] for member in report.members], width, label=score)
    axes.set_xticks([member + 0.4 - width / 2 for member in range(len(report.members))], report.members)
    axes.set(title="alone", ylabel="F")
    axes.legend(fontsize="small", loc="upper left")


def _matrix(axes: "Axes", matrix: Any, report: EnsembleReport, title: str) -> None:
    axes.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu")
    axes.set_xticks(range(len(report.members)), report.members)
    axes.set_yticks(range(len(report.members)), report.members)
    axes.set(title=title)
    for row, values in enumerate(matrix):
        for column, value in enumerate(values):
            ink = "white" if abs(value) > DARK else "black"
            axes.text(column, row, "–" if math.isnan(value) else f"{value:.2f}", ha="center", va="center", color=ink)


def _reliability(report: EnsembleReport) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(report.diagrams), 3.6), layout="constrained")
    columns = figure.subplots(1, len(report.diagrams), sharey=True, squeeze=False)[0]
    for axes, (name, diagrams) in zip(columns, report.diagrams.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for diagram, label in zip(diagrams, ("before", "after"), strict=True):
            _curve(axes, diagram, f"{label}, error {diagram.expected_error:.3f}")
        axes.set(title=name, xlabel="probability")
        axes.legend(fontsize="small")
    columns[0].set(ylabel="share that sounds")
    return figure


def _curve(axes: "Axes", diagram: ReliabilityDiagram, label: str) -> None:
    points = [
        (probability, frequency)
        for probability, frequency, share in zip(diagram.said, diagram.frequency, diagram.share, strict=True)
        if share > 0
    ]
    axes.plot(*zip(*points, strict=True), marker=".", label=label)
