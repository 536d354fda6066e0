"""The events of a result: when they sound, and where."""

from typing import TYPE_CHECKING, Any

import numpy as np

from seldfuse.core.result import Result
from seldfuse.formats.event_text import format_class, to_printable
from seldfuse.plots.figure import GREY, MARKERS, hide_frame, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes

AZIMUTHS = "cividis"
"""A scale of colours for azimuths from 90° right to 90° left that colour-blind people read as others do (Nuñez et al.,
PLoS ONE 13(7), 2018)."""

LEAST_REACH_M = 2.0
"""The top view shows at least this distance."""

BAR = 0.7
"""Height of a bar of the timeline, as a share of its row's."""


def plot_result(result: Result) -> "Figure":
    """Draw a timeline, a row per class and source, and a top view of what sounds where; both colour azimuths.

    In the timeline a black line above a bar says that the source is on-screen, and grey that its azimuth is unknown.
    The top view has the path of each event, with a mark for its class at its mean, hollow where its distance is
    unknown. Raises UsageError where matplotlib is not installed.
    """
    rows = _list_rows(result)
    figure = make_figure(11.0, max(3.2, 1.6 + 0.32 * len(rows)))
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colors = ScalarMappable(Normalize(-90, 90), AZIMUTHS)
    grid = figure.add_gridspec(1, 2, width_ratios=(1.7, 1))
    timeline = figure.add_subplot(grid[0])
    top_view: Any = figure.add_subplot(grid[1], projection="polar")
    _draw_timeline(timeline, result, rows, colors)
    _draw_top_view(top_view, result, colors)
    bar = figure.colorbar(colors, ax=timeline, ticks=(-90, -45, 0, 45, 90), pad=0.02, aspect=30)
    bar.ax.set_yticklabels(["90° right", "45°", "front", "45°", "90° left"])
    figure.suptitle(_plain(result.name))
    return figure


def _list_rows(result: Result) -> list[tuple[int, int]]:
    """Class and source of each row of the timeline, in the order of classes."""
    columns = result.events.columns
    return sorted(set(zip(columns["cls"].tolist(), columns["source"].tolist(), strict=True)))


def _draw_timeline(axes: "Axes", result: Result, rows: list[tuple[int, int]], colors: Any) -> None:
    columns, hop_s = result.events.columns, result.events.hop_s
    frames = max(round(result.duration_s / hop_s), int(columns["frame"].max(initial=0)) + 1)
    azimuth_deg = np.full((len(rows), frames), np.nan)
    active, onscreen = (np.zeros((len(rows), frames), dtype=bool) for _ in range(2))
    for row, (cls, source) in enumerate(rows):
        mine = (columns["cls"] == cls) & (columns["source"] == source)
        frame = columns["frame"][mine]
        azimuth_deg[row, frame] = columns["azimuth_deg"][mine]
        active[row, frame] = True
        onscreen[row, frame] = columns["onscreen"][mine] == 1
    for row in range(len(rows)):
        extent = (0.0, frames * hop_s, row + BAR / 2, row - BAR / 2)
        bar: dict[str, Any] = {"extent": extent, "aspect": "auto", "interpolation": "nearest", "zorder": 2}
        axes.imshow(np.where(active[row], 0.5, np.nan)[None], cmap="Greys", vmin=0, vmax=1, **bar)
        axes.imshow(azimuth_deg[row][None], cmap=colors.cmap, norm=colors.norm, **bar)
        edges = np.flatnonzero(np.diff(np.r_[0, onscreen[row], 0])) * hop_s
        axes.hlines([row - BAR / 2 - 0.08] * (len(edges) // 2), edges[::2], edges[1::2], color="black", linewidth=2)
    several = {cls for cls, _ in rows if sum(other == cls for other, _ in rows) > 1}
    names = result.events.labels.names
    labels = [_format_class(names[cls]) + (f" ({source + 1})" if cls in several else "") for cls, source in rows]
    axes.set_yticks(range(len(rows)), labels)
    legend = ", a line above: on-screen" if onscreen.any() else ""
    axes.set(xlim=(0, frames * hop_s), ylim=(len(rows) - 0.4, -0.7), xlabel=f"time (s){legend}")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    hide_frame(axes)
    if not rows:
        axes.text(0.5, 0.5, "no events", transform=axes.transAxes, ha="center", color=GREY)


def _draw_top_view(axes: "PolarAxes", result: Result, colors: "ScalarMappable") -> None:
    events = result.events.list_segments()
    columns, hop_s = result.events.columns, result.events.hop_s
    reach_m = max(LEAST_REACH_M, float(np.nanmax(columns["distance_m"], initial=0)) * 1.15)
    axes.set_theta_zero_location("N")
    folded = not len(columns["azimuth_deg"]) or not np.nanmax(np.abs(columns["azimuth_deg"]), initial=0) > 90
    axes.set(thetamin=-90 if folded else -180, thetamax=90 if folded else 180, ylim=(0, reach_m))
    ticks = np.arange(-90, 91, 30) if folded else np.arange(-180, 180, 45)
    axes.set_thetagrids(ticks, [f"{tick}°" for tick in ticks])
    axes.set_rlabel_position(-90)
    if result.clip is not None and result.clip.video is not None:
        half = np.radians(result.clip.camera.horizontal_fov_deg / 2)
        yaw = np.radians(result.clip.camera.yaw_deg)
        axes.bar(yaw, reach_m, width=2 * half, color="0.93", zorder=0, label="picture")
    seen = set()
    for number, cls in enumerate(events["cls"].tolist()):
        azimuth_deg = events["azimuth_deg"][number]
        if np.isnan(azimuth_deg):
            continue
        known = not np.isnan(events["distance_m"][number])
        color = colors.to_rgba(azimuth_deg)
        frame = columns["frame"] * hop_s
        mine = (columns["cls"] == cls) & (columns["source"] == events["source"][number])
        mine &= (frame >= events["start_s"][number] - hop_s / 2) & (frame < events["end_s"][number] - hop_s / 2)
        axes.plot(np.radians(columns["azimuth_deg"][mine]), columns["distance_m"][mine], color=color, linewidth=1.5)
        axes.plot(
            [np.radians(azimuth_deg)],
            [events["distance_m"][number] if known else reach_m],
            MARKERS[cls % len(MARKERS)],
            color=color,
            markerfacecolor=color if known else "white",
            markeredgecolor="black",
            markersize=8,
            linestyle="none",
            clip_on=False,
            label=None if cls in seen else _format_class(result.events.labels.names[cls]),
        )
        seen.add(cls)
    axes.set_title("from above (m)", fontsize="medium")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, 0.06 if folded else -0.08),
            ncols=2,
            frameon=False,
            fontsize="small",
        )


def _format_class(name: str) -> str:
    return _plain(format_class(name))


def _plain(text: str) -> str:
    """Text that matplotlib takes for no formula and that stands on one line."""
    return to_printable(text).replace("$", r"\$")
