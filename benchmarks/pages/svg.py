"""Points and lines over two axes, as a small SVG picture, by matplotlib; the same numbers give the same bytes."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from seldfuse.plots.figure import make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN = 6.4, 4.0
APART_PT = 4.5
"""Points of several series that lie over one value stand so far beside each other."""
COLORS = ("#2a78d6", "#d6492a", "#2a9d5c", "#a04fc4", "#c48a00", "#5a6b7b")
GREY = "#777777"
"""Can be read on a white and on a dark page."""

STYLE: Any = {
    # Names inside of the file come from this text, not from chance, and text stays text.
    "svg.hashsalt": "seldfuse",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "legend.fontsize": 8,
    **{f"{part}.color": GREY for part in ("text", "xtick", "ytick")},
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


class Axis(NamedTuple):
    """An axis: its name, its ends, the values that are written beside it, and whether it is logarithmic."""

    name: str
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def clip(self, value: float) -> float:
        """Return a value, or the end of the axis that it lies beyond."""
        return min(self.high, max(self.low, value))


class SpreadPoint(NamedTuple):
    """A point over `x` with a bar from `low` to `high` through it."""

    x: float
    low: float
    middle: float
    high: float


def plot(x: Axis, y: Axis, points: Sequence[tuple[float, float]], line: Sequence[tuple[float, float]]) -> str:
    """Plot the picture, for a white or a dark page."""
    with _picture(x, y) as (axes, file):
        axes.scatter(*_clip(x, y, points), s=14, color=COLORS[0], alpha=0.45, linewidths=0)
        axes.plot(*_clip(x, y, line), color=COLORS[1], linewidth=2)
    return file.getvalue()


def plot_series(
    x: Axis,
    y: Axis,
    series: Mapping[str, Sequence[SpreadPoint]],
    guides: Mapping[str, Sequence[tuple[float, float]]],
) -> str:
    """Plot named series of points with bars, joined by lines, and dashed guides, for a white or a dark page."""
    with _picture(x, y) as (axes, file):
        for number, (name, line) in enumerate(guides.items()):
            axes.plot(*_clip(x, y, line), color=GREY, linestyle=("--", ":")[number % 2], linewidth=1, label=name)
        for number, (name, points) in enumerate(series.items()):
            _draw_spread(axes, x, y, points, APART_PT * (number - (len(series) - 1) / 2), COLORS[number % len(COLORS)])
            axes.plot([], [], "o-", color=COLORS[number % len(COLORS)], markersize=4, linewidth=1, label=name)
        axes.legend(loc="upper left", frameon=False)
    return file.getvalue()


def _draw_spread(axes: "Axes", x: Axis, y: Axis, points: Sequence[SpreadPoint], shift_pt: float, color: str) -> None:
    from matplotlib.transforms import ScaledTranslation

    # A shift on paper is the same everywhere on a logarithmic axis.
    figure = axes.get_figure(root=True)
    assert figure is not None
    beside = axes.transData + ScaledTranslation(shift_pt / 72, 0, figure.dpi_scale_trans)
    across, middle = _clip(x, y, [(point.x, point.middle) for point in points])
    axes.plot(across, middle, "o-", color=color, markersize=4, linewidth=1, transform=beside)
    low, high = (
        [y.clip(value) for value in bound] for bound in zip(*((one.low, one.high) for one in points), strict=True)
    )
    axes.vlines(across, low, high, color=color, linewidth=1, alpha=0.6, transform=beside)


def _clip(x: Axis, y: Axis, points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x.clip(a) for a, _ in points], [y.clip(b) for _, b in points]


@contextmanager
def _picture(x: Axis, y: Axis) -> Iterator[tuple["Axes", io.StringIO]]:
    """Axes to draw on, and the file that holds the picture when the block has ended."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = make_figure(WIDTH_IN, HEIGHT_IN)
        axes = figure.add_subplot()
        axes.grid(axis="y", linewidth=0.5, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        yield axes, file
        for axis, scale, ticks, limits, name in (
            (x, axes.set_xscale, axes.set_xticks, axes.set_xlim, axes.set_xlabel),
            (y, axes.set_yscale, axes.set_yticks, axes.set_ylim, axes.set_ylabel),
        ):
            if axis.log:
                scale("log")
            ticks(axis.ticks, [f"{tick:g}" for tick in axis.ticks])
            ticks([], minor=True)
            limits(axis.low, axis.high)
            name(axis.name)
        figure.savefig(file, format="svg", transparent=True, metadata=NO_METADATA)
