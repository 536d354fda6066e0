"""Points and lines over two axes, as a small SVG picture."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 20, 50


APART = 6
"""Points of several series that lie over one value stand so far beside each other."""
COLORS = ("#2a78d6", "#d6492a", "#2a9d5c", "#a04fc4", "#c48a00", "#5a6b7b")


class Axis(NamedTuple):
    """An axis: its name, its ends, the values that are written beside it, and whether it is logarithmic."""

    name: str
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def share(self, value: float) -> float:
        """Compute where a value lies, 0 at the low end and 1 at the high one; beyond the ends it lies at the end."""
        value, low, high = (math.log(max(x, 1e-9)) if self.log else x for x in (value, self.low, self.high))
        return min(1.0, max(0.0, (value - low) / (high - low)))


class SpreadPoint(NamedTuple):
    """A point over `x` with a bar from `low` to `high` through it."""

    x: float
    low: float
    middle: float
    high: float


def plot(x: Axis, y: Axis, points: Sequence[tuple[float, float]], line: Sequence[tuple[float, float]]) -> str:
    """Plot the picture, for a white or a dark page."""
    dots = [f'<circle cx="{_x(x, a)}" cy="{_y(y, b)}" r="2.5"/>' for a, b in points]
    return _frame(
        x,
        y,
        [
            '<g fill="#2a78d6" fill-opacity="0.45">',
            *dots,
            "</g>",
            f'<polyline points="{_path(x, y, line)}" fill="none" stroke="#d6492a" stroke-width="2.5"/>',
        ],
    )


def plot_series(
    x: Axis,
    y: Axis,
    series: Mapping[str, Sequence[SpreadPoint]],
    guides: Mapping[str, Sequence[tuple[float, float]]],
) -> str:
    """Plot named series of points with bars, joined by lines, and dashed guides, for a white or a dark page.

    Names stand in the upper left corner.
    """
    drawn: list[str] = []
    for number, (name, line) in enumerate(guides.items()):
        dashes = ("7 4", "2 3")[number % 2]
        drawn += [
            f'<polyline points="{_path(x, y, line)}" fill="none" stroke="#888" stroke-dasharray="{dashes}"/>',
            f'<path d="M{LEFT + 8} {_row(number) - 4}h20" stroke="#888" stroke-dasharray="{dashes}"/>',
            f'<text x="{LEFT + 34}" y="{_row(number)}">{name}</text>',
        ]
    for number, (name, points) in enumerate(series.items()):
        color, shift = COLORS[number % len(COLORS)], round(APART * (number - (len(series) - 1) / 2), 1)
        row = _row(len(guides) + number)
        drawn += [
            f'<g fill="{color}" stroke="{color}">',
            *_bars(x, y, points, shift),
            f'<circle cx="{LEFT + 18}" cy="{row - 4}" r="3.5"/>',
            "</g>",
            f'<text x="{LEFT + 34}" y="{row}">{name}</text>',
        ]
    return _frame(x, y, drawn)


def _bars(x: Axis, y: Axis, points: Sequence[SpreadPoint], shift: float) -> Iterator[str]:
    path = " ".join(f"{_x(x, point.x) + shift:.1f},{_y(y, point.middle)}" for point in points)
    yield f'<polyline points="{path}" fill="none" stroke-width="1.5" stroke-opacity="0.7"/>'
    for point in points:
        at = f"{_x(x, point.x) + shift:.1f}"
        yield f'<path d="M{at} {_y(y, point.low)}V{_y(y, point.high)}" stroke-width="1.5" stroke-opacity="0.6"/>'
        yield f'<circle cx="{at}" cy="{_y(y, point.middle)}" r="3.5"/>'


def _row(number: int) -> int:
    return TOP + 16 + 17 * number


def _path(x: Axis, y: Axis, line: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_x(x, a)},{_y(y, b)}" for a, b in line)


def _frame(x: Axis, y: Axis, drawn: Sequence[str]) -> str:
    """The picture with its axes."""
    across = [_tick(_x(x, tick), HEIGHT - BOTTOM + 18, tick, "middle") for tick in x.ticks]
    upward = [_tick(LEFT - 8, _y(y, tick) + 4, tick, "end") for tick in y.ticks]
    grid = [f'<path d="M{LEFT} {_y(y, tick)}H{WIDTH - RIGHT}" stroke="#8888" stroke-width="0.5"/>' for tick in y.ticks]
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    names = [
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{x.name}</text>',
        f'<text transform="translate(16 {centre}) rotate(-90)" text-anchor="middle">{y.name}</text>',
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            'font-size="13" fill="#777">',
            *grid,
            *drawn,
            *across,
            *upward,
            *names,
            "</svg>\n",
        ]
    )


def _x(axis: Axis, value: float) -> float:
    return round(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def _tick(x: float, y: float, value: float, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{value:g}</text>'
