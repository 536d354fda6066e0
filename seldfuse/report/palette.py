"""Colors and marks that colour-blind people can tell apart, in light and in dark."""

import numpy as np

AZIMUTH_COLORS = ("#2b416e", "#4f576d", "#6f7073", "#8e8977", "#aea371", "#d6c35c", "#fee838")
"""From 90° right to 90° left: the middle of cividis, whose ends would be lost on a dark and a white page. J. R. Nuñez,
C. R. Anderton and R. S. Renslow, Optimizing colormaps with consideration for color vision deficiency, PLoS ONE 13(7),
2018."""

MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x", "triangle-down", "pentagon", "hexagram",
         "bowtie", "hourglass", "star-diamond", "hexagon")  # fmt: skip
"""Marks of classes; none is told by its color alone, and every one has its name beside it."""

SYSTEM_COLORS = ("#0072b2", "#e69f00")
"""Two systems side by side: blue and orange of M. Okabe and K. Ito, Color universal design, 2008."""


def build_color_scale(colors: tuple[str, ...] = AZIMUTH_COLORS) -> list[list[float | str]]:
    """Build a scale as Plotly takes it."""
    return [[float(at), color] for at, color in zip(np.linspace(0, 1, len(colors)), colors, strict=True)]


def choose_mark(cls: int) -> str:
    """Choose the mark of a class."""
    return MARKS[cls % len(MARKS)]
