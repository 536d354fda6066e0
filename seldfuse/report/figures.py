"""The plots of a clip's page, as Plotly takes them, without colors of text and ground: those are the page's.

Plain dictionaries, for Plotly's classes take seconds to check what a test checks once.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float64

from seldfuse.core.azimuth_text import format_azimuth
from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.report.clip_report import FALSE_ALARM, MATCH, MISS, ClipReport, Layer
from seldfuse.report.palette import SYSTEM_COLORS, build_color_scale
from seldfuse.report.sound import RANGE_DB, SoundPicture

Figure = dict[str, Any]

COLOR_STEP_DEG = 5.0
"""The path of an event is drawn as bars within which the azimuth changes by less."""

BAR_COLUMNS = 600
"""A bar of the timeline is cut at most at so many places over the length of the clip."""

HEAT_COLUMNS = 1500
"""At most so many columns are drawn of a posterior: more than a screen has for them."""

ACTIVE = 0.2
"""Directions are drawn where the activity exceeds it; elsewhere they mean nothing."""

ROW_PX, MARGINS_PX = 26, 70
SOUND_MARGINS_PX = {"l": 60, "r": 8, "t": 6, "b": 26}
"""The same for both plots of a sound, which stand one below the other."""

PATTERN = {"fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.75, "size": 7, "solidity": 0.25}
"""How a pattern lies on a bar whose color says something."""

LEAST_RADIUS_M = 3.0
LONGEST_NAME = 14
"""Signs of another result's name that stand in the timeline."""

OUTCOME_SIGNS = {MATCH: "✓ match", MISS: "✗ miss", FALSE_ALARM: "! false alarm"}


def name_rows(report: ClipReport) -> list[tuple[int, int, int]]:
    """List the rows of the timeline, from top to bottom: class, layer and source of each."""
    rows = {
        (cls, number, source)
        for number, layer in enumerate(report.layers)
        for cls, source in zip(layer.events["cls"].tolist(), layer.events["source"].tolist(), strict=True)
    }
    return sorted(rows)


def draw_timeline(report: ClipReport) -> Figure:
    """Draw a row per class, side and source; bars are colored by azimuth, and `customdata` is layer and event."""
    rows = name_rows(report)
    places = {row: place for place, row in enumerate(rows)}
    traces = [_bars(layer, number, report, places) for number, layer in enumerate(report.layers)]
    traces += [
        _signs(layer, number, places) for number, layer in enumerate(report.layers) if layer.outcomes and layer.size
    ]
    labels = [_name_row(report, row) for row in rows]
    layout = {
        "height": ROW_PX * max(1, len(rows)) + MARGINS_PX,
        "barmode": "overlay",
        "showlegend": False,
        "xaxis": _time_axis(report),
        "yaxis": {
            "tickvals": list(range(len(rows))),
            "ticktext": labels,
            "range": [len(rows) - 0.5, -0.5],
            "fixedrange": True,
            "zeroline": False,
        },
        "coloraxis": {
            "colorscale": build_color_scale(),
            "cmin": -90,
            "cmax": 90,
            "colorbar": {
                "tickvals": [-90, -45, 0, 45, 90],
                "ticktext": ["90° right", "45° right", "front", "45° left", "90° left"],
                "thickness": 12,
                "len": 1.0,
                "outlinewidth": 0,
            },
        },
    }
    return {"data": traces, "layout": layout}


def draw_top_view(report: ClipReport) -> Figure:
    """Draw the empty top view: what the page moves in it comes behind the field of view, trace by trace."""
    radius_m = _radius_m(report.layers)
    whole_circle = any(np.any(np.abs(layer.paths.azimuth_deg) > 90) for layer in report.layers)
    traces: list[Figure] = []
    if report.has_picture:
        half, yaw = report.camera.horizontal_fov_deg / 2, report.camera.yaw_deg
        arc = np.linspace(yaw - half, yaw + half, 41)
        traces.append(
            {
                "type": "scatterpolar",
                "name": "field of view",
                "r": [0.0, *[radius_m] * len(arc), 0.0],
                "theta": [0.0, *np.round(arc, 1).tolist(), 0.0],
                "mode": "lines",
                "fill": "toself",
                "fillcolor": "rgba(128, 128, 128, 0.13)",
                "line": {"width": 1, "dash": "dot", "color": "rgba(128, 128, 128, 0.9)"},
                "hoverinfo": "skip",
            }
        )
    layout = {
        "showlegend": False,
        "height": 420 if whole_circle else 300,
        "margin": {"l": 40, "r": 40, "t": 30, "b": 24},
        "polar": {
            "sector": [0, 360] if whole_circle else [0, 180],
            "angularaxis": {
                "rotation": 90,
                "direction": "counterclockwise",
                "tickvals": [-90, -60, -30, 0, 30, 60, 90, *([180] if whole_circle else [])],
                "ticktext": ["right", "60°", "30°", "front", "30°", "60°", "left", *(["rear"] if whole_circle else [])],
            },
            "radialaxis": {"range": [0, radius_m], "angle": 90, "tickangle": 90, "ticksuffix": " m", "nticks": 5},
        },
    }
    return {"data": traces, "layout": layout}


def draw_posterior(posterior: Posterior, report: ClipReport) -> dict[str, Figure]:
    """Draw the activity of each class, and, where the backend gives directions, the azimuth of its strongest track."""
    activity = posterior.activity[0].double()  # (frame, cls, track)
    strongest, track = activity.max(dim=-1)  # (frame, cls)
    values, step = _pool(strongest.numpy())
    column_s = step * posterior.hop_s
    names = [_title(name) for name in posterior.labels.names]
    figures = {"activity": _heat_map(values.round(2), column_s, names, report, "activity", (0.0, 1.0))}
    if posterior.direction is not None:
        azimuths = azimuth_from_direction(posterior.direction[0].double())  # (frame, cls, track)
        folded = fold_azimuth(azimuths.gather(-1, track.unsqueeze(-1)).squeeze(-1).numpy())
        shown = _take_strongest(folded, strongest.numpy(), step)
        shown = np.where(values > ACTIVE, shown.round(0), np.nan)
        figures["azimuth"] = _heat_map(shown, column_s, names, report, "azimuth (°)", (-90.0, 90.0))
    return figures


def draw_waveform(sound: SoundPicture, report: ClipReport) -> Figure:
    """Draw the peaks of the left channel upward and of the right one downward."""
    times_s = (np.arange(sound.peaks.shape[1]) * sound.column_s).round(3).tolist()
    channels = [("left", sound.peaks[0], SYSTEM_COLORS[0]), ("right", -sound.peaks[-1], SYSTEM_COLORS[1])]
    traces = [
        {
            "type": "scatter",
            "name": name,
            "x": times_s,
            "y": peaks.round(3).tolist(),
            "mode": "lines",
            "line": {"width": 1, "shape": "hvh", "color": color},
            "fill": "tozeroy",
            "hoverinfo": "skip",
        }
        for name, peaks, color in channels
    ]
    loudest = max(0.01, float(sound.peaks.max(initial=0.0)))
    layout = {
        "height": 130,
        "margin": dict(SOUND_MARGINS_PX),
        "showlegend": False,
        "xaxis": _time_axis(report),
        "yaxis": {
            "tickvals": [loudest / 2, -loudest / 2],
            "ticktext": ["left", "right"],
            "range": [-loudest, loudest],
            "fixedrange": True,
        },
    }
    return {"data": traces, "layout": layout}


def draw_spectrogram(sound: SoundPicture, report: ClipReport) -> Figure:
    """Draw the level of frequency bands over time, decibels below the loudest."""
    names = [f"{hertz:.0f} Hz" if hertz < 1000 else f"{hertz / 1000:.1f} kHz" for hertz in sound.bands_hz]
    figure = _heat_map(sound.level_db.T.round(0), sound.column_s, names, report, "level (dB)", (-RANGE_DB, 0.0))
    figure["data"][0]["showscale"] = False
    ticks = range(0, len(names), len(names) // 6)
    figure["layout"] |= {"height": 210, "margin": dict(SOUND_MARGINS_PX)}
    figure["layout"]["yaxis"] |= {
        "range": [-0.5, len(names) - 0.5],
        "tickvals": list(ticks),
        "ticktext": [names[tick] for tick in ticks],
    }
    return figure


def to_list(values: np.ndarray) -> list[Any]:
    """Convert to lists with None for NaN, which JSON has not."""
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return list(plain.tolist())


def _title(name: str) -> str:
    """A class's name for a plot; Plotly takes some tags in texts for markup, and entities for what they stand for."""
    return escape(name.replace("_", " "), quote=False)


def _name_row(report: ClipReport, row: tuple[int, int, int]) -> str:
    cls, number, source = row
    layer = report.layers[number]
    by = {"result": "", "truth": " · truth", "other": f" · {escape(layer.name[:LONGEST_NAME], quote=False)}"}[
        layer.kind
    ]
    return f"{_title(report.labels[cls])} {source + 1}{by}"


def _time_axis(report: ClipReport) -> Figure:
    return {"range": [0, report.duration_s], "ticksuffix": " s", "zeroline": False, "autorange": False}


def _bars(layer: Layer, number: int, report: ClipReport, places: Mapping[tuple[int, int, int], int]) -> Figure:
    """The bars of a layer: each event is cut where its color changes."""
    paths, events = layer.paths, layer.events
    step = np.nan_to_num(np.rint(fold_azimuth(paths.azimuth_deg) / COLOR_STEP_DEG), nan=99)
    first_of_event = np.searchsorted(paths.event, np.arange(layer.size))
    # A bar is not cut more finely than a screen shows.
    block = max(1, int(np.ceil(report.duration_s / report.hop_s / BAR_COLUMNS)))
    first = first_of_event[paths.event]
    step = step[first + (np.arange(len(step)) - first) // block * block]
    cut = np.flatnonzero(np.r_[True, (np.diff(paths.event) != 0) | (np.diff(step) != 0)][: len(step)])
    event = paths.event[cut]
    begin_s = events["start_s"][event] + (cut - first_of_event[event]) * report.hop_s
    frames = np.diff(np.r_[cut, len(step)])
    azimuth_deg = np.add.reduceat(paths.azimuth_deg, cut) / frames if len(cut) else np.zeros(0)
    rows = [
        places[cls, number, source]
        for cls, source in zip(events["cls"][event].tolist(), events["source"][event].tolist(), strict=True)
    ]
    return {
        "type": "bar",
        "orientation": "h",
        "base": begin_s.round(3).tolist(),
        "x": (frames * report.hop_s).round(3).tolist(),
        "y": rows,
        "width": 0.72,
        "customdata": [[number, one] for one in event.tolist()],
        "hovertext": _describe(layer, event),
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {
            "color": to_list(fold_azimuth(azimuth_deg).round(1)),
            "coloraxis": "coloraxis",
            "line": {"width": 0},
            "pattern": {**PATTERN, "shape": {"result": "", "other": ".", "truth": "/"}[layer.kind]},
        },
    }


def _describe(layer: Layer, event: np.ndarray) -> list[str]:
    """What the pointer shows: plain words, for the page would take markup in it for markup."""
    events = layer.events
    texts = [
        f"{begin:.1f} – {end:.1f} s, {format_azimuth(azimuth)}{'' if np.isnan(distance) else f', {distance:.1f} m'}"
        for begin, end, azimuth, distance in zip(
            *(events[name].tolist() for name in ("start_s", "end_s", "azimuth_deg", "distance_m")), strict=True
        )
    ]
    return [texts[one] for one in event.tolist()]


def _signs(layer: Layer, number: int, places: Mapping[tuple[int, int, int], int]) -> Figure:
    """What became of each event, as a sign with words, behind its end."""
    keys = zip(layer.events["cls"].tolist(), layer.events["source"].tolist(), strict=True)
    return {
        "type": "scatter",
        "mode": "text",
        "x": layer.events["end_s"].round(3).tolist(),
        "y": [places[cls, number, source] for cls, source in keys],
        "text": [OUTCOME_SIGNS[outcome].split()[0] for outcome in layer.outcomes],
        "textposition": "middle right",
        "textfont": {"size": 15},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def _radius_m(layers: Sequence[Layer]) -> float:
    distances = np.concatenate([layer.paths.distance_m for layer in layers])
    known = distances[~np.isnan(distances)]
    return max(LEAST_RADIUS_M, float(np.ceil(known.max(initial=0.0) * 1.1)))


def _pool(values: Float64[np.ndarray, "frame cls"]) -> tuple[Float64[np.ndarray, "column cls"], int]:
    """The largest value of every few frames, so few that the columns fit a screen; and how many frames those are."""
    step = max(1, -(-len(values) // HEAT_COLUMNS))
    return np.maximum.reduceat(values, np.arange(0, len(values), step), axis=0), step


def _take_strongest(
    values: Float64[np.ndarray, "frame cls"], activity: Float64[np.ndarray, "frame cls"], step: int
) -> Float64[np.ndarray, "column cls"]:
    """The value where the activity is largest, of every few frames."""
    surplus = -len(values) % step
    padded = [np.pad(array, ((0, surplus), (0, 0)), constant_values=-1.0) for array in (activity, values)]
    weight, value = (array.reshape(-1, step, values.shape[1]) for array in padded)
    return np.take_along_axis(value, weight.argmax(axis=1)[:, None], axis=1)[:, 0]


def _heat_map(
    values: Float64[np.ndarray, "column row"],
    column_s: float,
    names: Sequence[str],
    report: ClipReport,
    title: str,
    limits: tuple[float, float],
) -> Figure:
    trace = {
        "type": "heatmap",
        "z": to_list(values.T),
        "x0": column_s / 2,
        "dx": column_s,
        "zmin": limits[0],
        "zmax": limits[1],
        "colorscale": build_color_scale() if limits[0] == -90 else "Cividis",
        "hovertemplate": "%{x:.1f} s: %{z}<extra></extra>",
        "colorbar": {"title": {"text": title, "side": "right"}, "thickness": 12, "outlinewidth": 0},
    }
    layout = {
        "height": 16 * len(names) + MARGINS_PX,
        "xaxis": _time_axis(report),
        "yaxis": {
            "tickvals": list(range(len(names))),
            "ticktext": list(names),
            "range": [len(names) - 0.5, -0.5],
            "fixedrange": True,
        },
    }
    return {"data": [trace], "layout": layout}
