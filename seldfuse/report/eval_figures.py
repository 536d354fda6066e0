"""The plots of an evaluation's page, as Plotly takes them; see `figures`."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float64

from seldfuse.catalogue.values import Score
from seldfuse.core.geometry import fold_azimuth
from seldfuse.metrics.counts import Counts
from seldfuse.metrics.event_scores import EVENT_F, count_events
from seldfuse.metrics.jackknife import Interval, compute_class_intervals
from seldfuse.report.eval_report import EvaluatedSystem, EvaluationReport
from seldfuse.report.figures import PATTERN, Figure, to_list
from seldfuse.report.palette import SYSTEM_COLORS

AZIMUTH_EDGES_DEG = np.arange(-90.0, 91.0, 15.0)
DISTANCE_EDGES_M = np.geomspace(0.3, 10.0, 13)
LEAST_PAIRS = 5
"""A bin with fewer pairs of frames says nothing."""

LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
PATTERNS = ("", "/")


def draw_classes(report: EvaluationReport) -> Figure:
    """Draw the F score of whole events of each class, with intervals of 95 %, the systems side by side."""
    return _bars(report, EVENT_F, [count_events(system.event_matches) for system in report.systems])


def draw_class_frames(report: EvaluationReport) -> Figure:
    """Draw the first score of frames that is an F score, likewise."""
    score = next(one for one in report.systems[0].counts.scores if one.limits is not None)
    return _bars(report, score, [system.counts for system in report.systems])


def draw_confusions(system: EvaluatedSystem, report: EvaluationReport) -> Figure:
    """Draw which share of each true class was heard as which; the last column was missed, the last row is made up."""
    names = [_title(name) for name in report.labels]
    counts = system.confusions
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [[f"{value:.0%}" if value >= 0.005 else "" for value in row] for row in share]
    trace = {
        "type": "heatmap",
        "z": share.round(4).tolist(),
        "text": labels,
        "texttemplate": "%{text}",
        "customdata": counts.tolist(),
        "hovertemplate": "%{customdata} frames<extra></extra>",
        "x": list(range(len(counts))),
        "y": list(range(len(counts))),
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Cividis",
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    ticks = list(range(len(counts)))
    layout = {
        "height": 26 * len(counts) + 170,
        "dragmode": False,
        "xaxis": {"tickvals": ticks, "ticktext": [*names, "nothing (missed)"], "tickangle": -50, "side": "bottom",
                  "title": {"text": "heard as"}, "automargin": True, "fixedrange": True},
        "yaxis": {"tickvals": ticks, "ticktext": [*names, "nothing (false alarm)"], "autorange": "reversed",
                  "title": {"text": "true"}, "fixedrange": True},
    }  # fmt: skip
    return {"data": [trace], "layout": layout}


def draw_azimuth(report: EvaluationReport) -> Figure:
    """Draw the median error of azimuth over the true azimuth, with quartiles, left on the left."""
    traces = [
        _quartiles(
            fold_azimuth(system.matches.truth.azimuth_deg),
            np.abs(
                fold_azimuth(system.matches.truth.azimuth_deg) - fold_azimuth(system.matches.prediction.azimuth_deg)
            ),
            AZIMUTH_EDGES_DEG,
            system.name,
            number,
        )
        for number, system in enumerate(report.systems)
    ]
    ticks = [90, 60, 30, 0, -30, -60, -90]
    layout = {
        "height": 320,
        "legend": LEGEND,
        "showlegend": len(traces) > 1,
        "xaxis": {"range": [95, -95], "tickvals": ticks, "title": {"text": "true azimuth"}, "fixedrange": True,
                  "ticktext": ["90° left", "60°", "30°", "front", "30°", "60°", "90° right"]},
        "yaxis": {"title": {"text": "error of azimuth (°)"}, "rangemode": "tozero", "fixedrange": True},
    }  # fmt: skip
    return {"data": traces, "layout": layout}


def draw_distance(report: EvaluationReport) -> Figure:
    """Draw the median stated distance over the true one, with quartiles, beside the line where they are the same."""
    traces = [
        _quartiles(
            system.matches.truth.distance_m,
            system.matches.prediction.distance_m,
            DISTANCE_EDGES_M,
            system.name,
            number,
        )
        for number, system in enumerate(report.systems)
    ]
    ends = [float(DISTANCE_EDGES_M[0]), float(DISTANCE_EDGES_M[-1])]
    same = {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "name": "right", "hoverinfo": "skip",
            "line": {"dash": "dot", "width": 1, "color": "rgba(128, 128, 128, 0.9)"}}  # fmt: skip
    axis = {"type": "log", "tickvals": [0.3, 0.5, 1, 2, 3, 5, 10], "ticksuffix": " m", "fixedrange": True}
    layout = {
        "height": 320,
        "legend": LEGEND,
        "showlegend": len(traces) > 1,
        "xaxis": {**axis, "title": {"text": "true distance"}},
        "yaxis": {**axis, "title": {"text": "stated distance"}},
    }
    return {"data": [*traces, same], "layout": layout}


def _bars(report: EvaluationReport, score: Score, counts: Sequence[Counts]) -> Figure:
    names = [_title(name) for name in report.labels]
    traces = [
        _bar(compute_class_intervals(counts[number], score.name), system.name, number)
        for number, system in enumerate(report.systems)
    ]
    layout = {
        "height": (14 + 12 * len(traces)) * len(names) + 80,
        "barmode": "group",
        "legend": {**LEGEND, "traceorder": "normal"},
        "showlegend": len(traces) > 1,
        "xaxis": {"range": [0, 1], "title": {"text": score.title}, "fixedrange": True},
        "yaxis": {"tickvals": list(range(len(names))), "ticktext": names, "autorange": "reversed", "fixedrange": True},
    }
    return {"data": traces, "layout": layout}


def _bar(intervals: Sequence[Interval], name: str, number: int) -> Figure:
    values, low, high = (
        np.array([getattr(one, part) for one in intervals], dtype=np.float64) for part in ("value", "low", "high")
    )
    return {
        "type": "bar",
        "orientation": "h",
        "name": escape(name, quote=False),
        "x": to_list(values.round(4)),
        "y": list(range(len(values))),
        "marker": {"color": SYSTEM_COLORS[number], "pattern": {**PATTERN, "shape": PATTERNS[number]}},
        "error_x": _errors(values, np.clip(low, 0, None), np.clip(high, None, 1)),
        "hovertemplate": "%{x:.3f}<extra></extra>",
    }


def _quartiles(
    true: Float64[np.ndarray, "pair"],
    value: Float64[np.ndarray, "pair"],
    edges: Float64[np.ndarray, "edge"],
    name: str,
    number: int,
) -> Figure:
    """A line through the medians of bins, with bars from quartile to quartile."""
    known = ~np.isnan(true + value)
    true, value = true[known], value[known]
    place = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, len(edges) - 2)
    bins = [one for one in range(len(edges) - 1) if (place == one).sum() >= LEAST_PAIRS]
    low, middle, high = (
        np.array([np.quantile(value[place == one], share) for one in bins]) for share in (0.25, 0.5, 0.75)
    )
    at = np.array([np.median(true[place == one]) for one in bins])
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escape(name, quote=False),
        "x": at.round(3).tolist(),
        "y": middle.round(3).tolist(),
        "customdata": [int((place == one).sum()) for one in bins],
        "hovertemplate": "%{y:.2f}, %{customdata} frames<extra></extra>",
        "marker": {"color": SYSTEM_COLORS[number], "symbol": ("circle", "square")[number], "size": 9},
        "line": {"color": SYSTEM_COLORS[number], "dash": ("solid", "dash")[number]},
        "error_y": _errors(middle, low, high),
    }


def _errors(middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, Any]:
    below, above = (np.nan_to_num(np.clip(part, 0, None)).round(4).tolist() for part in (middle - low, high - middle))
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.2, "width": 3}


def _title(name: str) -> str:
    return escape(name.replace("_", " "), quote=False)
