"""Scores of an evaluation: by class, the reliability of probabilities, and where errors are."""

from typing import TYPE_CHECKING

import numpy as np

from seldfuse.core.geometry import fold_azimuth
from seldfuse.errors import UsageError
from seldfuse.metrics.error_bins import ErrorBins, bin_errors
from seldfuse.metrics.evaluated import EvaluatedScores
from seldfuse.metrics.pairs import PairErrors
from seldfuse.metrics.registered import with_unit
from seldfuse.metrics.reliability import ReliabilityBins
from seldfuse.plots.figure import BLUE, GREY, ORANGE, hide_frame, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AZIMUTH_EDGES_DEG = np.arange(-90.0, 91.0, 15.0)
DISTANCE_EDGES_M = np.array([0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0])
RT60_EDGES_S = np.array([0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5])


TITLES = {
    "azimuth": ("true azimuth (°), left to right", "azimuth error (°)"),
    "distance": ("true distance (m)", "distance error (%)"),
    "reverberation": ("reverberation time RT60 (s)", "azimuth error (°)"),
}
"""What the axes of errors are called."""


def plot_scores(evaluated: EvaluatedScores, score: str = "f20_1") -> "Figure":
    """Draw what `EvaluatedScores.plot` says. Raises UsageError."""
    if score not in evaluated:
        raise UsageError(f"there is no score {score!r}; there are {', '.join(evaluated)}")
    errors = PairErrors.from_rows(evaluated.matches.truth, evaluated.matches.prediction)
    truth = evaluated.matches.truth
    in_percent = 100 * errors.relative_distance
    panels = {
        "azimuth": bin_errors(fold_azimuth(truth.azimuth_deg), errors.azimuth_deg, AZIMUTH_EDGES_DEG),
        "distance": bin_errors(truth.distance_m, in_percent, DISTANCE_EDGES_M),
    }
    if evaluated.rt60_s is not None:
        panels["reverberation"] = bin_errors(evaluated.rt60_s[truth.clip], errors.azimuth_deg, RT60_EDGES_S)
    below = len(panels) + (evaluated.reliability is not None)
    figure = make_figure(max(8.5, 3.6 * below), 6.5)
    above, row = figure.subfigures(2, 1, squeeze=False)[:, 0]
    _draw_classes(above.subplots(), evaluated, score)
    axes = list(row.subplots(1, below))
    if evaluated.reliability is not None:
        _draw_reliability(axes.pop(0), evaluated.reliability)
    for one, (name, bins) in zip(axes, panels.items(), strict=True):
        _draw_errors(one, bins, *TITLES[name])
    axes[0].set_title("errors: median and middle half")
    axes[0].set_xticks(range(-90, 91, 45))
    axes[0].invert_xaxis()
    return figure


def _draw_classes(axes: "Axes", evaluated: EvaluatedScores, score: str) -> None:
    value = next(one for one in evaluated.scores if one.name == score)
    intervals = evaluated.class_intervals[score]
    values = np.array([one.value for one in intervals])
    bounds = np.array([[one.low, one.high] for one in intervals])
    at = np.arange(len(values))
    axes.bar(at, np.nan_to_num(values), color=BLUE, width=0.6)
    # Bounds lie around an estimate of less bias, and may be a little above or below the bar.
    known = np.isfinite(bounds).all(axis=1)
    axes.vlines(at[known], *bounds[known].T, color="black", linewidth=1.5)
    for number in evaluated.coverage.absent:
        axes.text(number, 0, "absent", ha="center", va="bottom", color=GREY, fontsize="small")
    mean = evaluated[score]
    axes.axhline(mean, color=ORANGE, linestyle="--", linewidth=1.5, label=f"{evaluated.average} average {mean:.3g}")
    names = [name.replace("_", "\n", 1) for name in evaluated.labels.names]
    axes.set_xticks(at, names, fontsize="small", parse_math=False)
    axes.set(title=with_unit(value.meaning, value), ylabel=score, ylim=(min(0, axes.get_ylim()[0]), None))
    if value.limits is not None:
        # An interval by few clips may reach beyond what an F score can be.
        axes.set_ylim(0, min(1.02, axes.get_ylim()[1]))
    axes.legend(loc="upper right", frameon=False, fontsize="small")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    hide_frame(axes)


def _draw_reliability(axes: "Axes", reliability: ReliabilityBins) -> None:
    there = reliability.cells > 0
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    share = reliability.cells[there] / max(reliability.cells.sum(), 1)
    axes.plot(reliability.probability[there], reliability.frequency[there], color=BLUE, linewidth=1.5)
    axes.scatter(reliability.probability[there], reliability.frequency[there], s=20 + 300 * share, color=BLUE)
    axes.set(
        title=f"reliability (mean gap {reliability.calibration_error:.2f})",
        xlabel="stated probability",
        ylabel="share that sounds",
        xlim=(0, 1.03),
        ylim=(0, 1.03),
    )
    hide_frame(axes)


def _draw_errors(axes: "Axes", bins: ErrorBins, quantity: str, error: str) -> None:
    """Draw medians and the range of the middle half."""
    there = np.flatnonzero(bins.pairs > 0)
    low, median, high = bins.quartiles[:, there]
    edges = (bins.edges[there], bins.edges[there + 1])
    middle = (edges[0] + edges[1]) / 2
    axes.bar(edges[0], high - low, bottom=low, width=edges[1] - edges[0], align="edge", color=BLUE, alpha=0.3,
             edgecolor="white")  # fmt: skip
    axes.plot(middle, median, color=BLUE, marker="o", markersize=4)
    axes.set(xlabel=quantity, ylabel=error, ylim=(0, None))
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    hide_frame(axes)
