"""Points and a line over two axes, as a small SVG picture."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 20, 50


class Axis(NamedTuple):
    """An axis: its name, its ends, and the values that are written beside it."""

    name: str
    low: float
    high: float
    ticks: Sequence[float]

    def share(self, value: float) -> float:
        """Compute where a value lies, 0 at the low end and 1 at the high one; beyond the ends it lies at the end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def plot(x: Axis, y: Axis, points: Sequence[tuple[float, float]], line: Sequence[tuple[float, float]]) -> str:
    """Plot the picture, for a white or a dark page."""
    dots = [f'<circle cx="{_x(x, a)}" cy="{_y(y, b)}" r="2.5"/>' for a, b in points]
    path = " ".join(f"{_x(x, a)},{_y(y, b)}" for a, b in line)
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
            '<g fill="#2a78d6" fill-opacity="0.45">',
            *dots,
            "</g>",
            f'<polyline points="{path}" fill="none" stroke="#d6492a" stroke-width="2.5"/>',
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
