"""What is drawn into a picture: lines, labels, marks, boxes, a view from above, a timeline; each a `Patch`."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seldfuse.errors import UsageError
from seldfuse.overlay.patch import Patch

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Color = tuple[int, int, int]

COLORS: Sequence[Color] = (
    (230, 159, 0),
    (86, 180, 233),
    (240, 228, 66),
    (204, 121, 167),
    (0, 158, 115),
    (213, 94, 0),
    (255, 255, 255),
)
"""Bright colours that colour-blind people can tell apart (M. Okabe and K. Ito, Color universal design, 2008), and
white; what has one has its name beside it, too."""

SHADE = (0, 0, 0, 150)
"""Behind text and insets, so that they can be read on any picture."""

BOX_COLOR = (210, 210, 210)
LINE_OPACITY = 220

LEAST_ROW_PX = 9
"""Lower rows of a timeline have no names."""

MARGIN_PX = 4

SMOOTHING = 3
"""Curves are drawn so many times as large, and made smaller."""


class Bar(NamedTuple):
    """A stretch of a row of the timeline, in shares of its width."""

    row: int
    begin: float
    end: float


def check_pillow() -> None:
    """Check that Pillow is installed. Raises UsageError where it is not."""
    if find_spec("PIL") is None:
        raise UsageError('--overlay needs Pillow: pip install "seldfuse[overlay]", or leave --overlay out')


def choose_color(row: int) -> Color:
    """Choose the colour of a source."""
    return COLORS[row % len(COLORS)]


@lru_cache(maxsize=512)
def draw_label(text: str, color: Color, size_px: int) -> Patch:
    """Draw a line of text on a dark ground."""
    font = _find_font(size_px)
    left, _, right, _ = font.getbbox(text)
    pad = max(2, size_px // 4)
    image, pen = _make_canvas(round(right - left) + 2 * pad, round(size_px * 1.2) + pad, SHADE)
    pen.text((pad - left, pad / 2), text, font=font, fill=(*color, 255))
    return _to_patch(image)


@lru_cache(maxsize=64)
def draw_line(height_px: int, color: Color, width_px: int, dashed: bool) -> Patch:
    """Draw an upright line with a dark edge."""
    image, pen = _make_canvas(width_px + 2, height_px)
    dash = 6 * width_px if dashed else height_px
    for top in range(0, height_px, 2 * dash):
        pen.rectangle((0, top, width_px + 1, top + dash - 1), fill=(0, 0, 0, 120))
        pen.rectangle((1, top, width_px, top + dash - 1), fill=(*color, LINE_OPACITY))
    return _to_patch(image)


@lru_cache(maxsize=64)
def draw_mark(size_px: int, color: Color, filled: bool) -> Patch:
    """Draw a disc, or a ring where it is not filled."""
    side = size_px * SMOOTHING
    image, pen = _make_canvas(side, side)
    edge = max(1, side // 8)
    pen.ellipse((0, 0, side - 1, side - 1), fill=(0, 0, 0, 180))
    inner = (edge, edge, side - 1 - edge, side - 1 - edge)
    pen.ellipse(inner, fill=(*color, 255) if filled else None, outline=(*color, 255), width=edge)
    return _to_patch(_shrink(image))


@lru_cache(maxsize=64)
def draw_arrow(size_px: int, color: Color, to_left: bool) -> Patch:
    """Draw an arrow that points out of the picture."""
    side = size_px * SMOOTHING
    image, pen = _make_canvas(side, side)
    tip, back = (0, side - 1) if to_left else (side - 1, 0)
    pen.polygon(((tip, side // 2), (back, 0), (back, side - 1)), fill=(*color, 255), outline=(0, 0, 0, 200))
    return _to_patch(_shrink(image))


@lru_cache(maxsize=512)
def draw_edge(width_px: int, height_px: int) -> Patch:
    """Draw an edge of a detection's box."""
    image, _ = _make_canvas(width_px, height_px, (*BOX_COLOR, 200))
    return _to_patch(image)


@lru_cache(maxsize=4)
def draw_top_view(radius_px: int, reach_m: float, fov_deg: float | None) -> Patch:
    """Draw the half in front of the microphone from above: rings of whole metres, and what the picture shows."""
    radius, margin = radius_px * SMOOTHING, 4 * SMOOTHING
    image, pen = _make_canvas(2 * (radius + margin), radius + 2 * margin, SHADE)
    center = (radius + margin, radius + margin)

    def circle(share: float) -> tuple[float, float, float, float]:
        return (*(axis - share * radius for axis in center), *(axis + share * radius for axis in center))  # type: ignore[return-value]

    if fov_deg is not None:
        pen.pieslice(circle(1.0), -90 - fov_deg / 2, -90 + fov_deg / 2, fill=(255, 255, 255, 60))
    ring_m = 1.0 if reach_m <= 4 else 2.0 if reach_m <= 10 else 5.0
    for distance_m in np.arange(ring_m, reach_m + 0.01, ring_m):
        pen.arc(circle(float(distance_m) / reach_m), 180, 360, fill=(255, 255, 255, 110), width=SMOOTHING)
    pen.line((margin, center[1], margin + 2 * radius, center[1]), fill=(255, 255, 255, 110), width=SMOOTHING)
    pen.ellipse((*(axis - 2 * SMOOTHING for axis in center), *(axis + 2 * SMOOTHING for axis in center)),
                fill=(255, 255, 255, 255))  # fmt: skip
    return _to_patch(_shrink(image))


def measure_names(row_px: int, names: Sequence[str]) -> int:
    """Measure the width of the names in a timeline; 0 where its rows are too low for text."""
    if row_px < LEAST_ROW_PX:
        return 0
    font = _find_font(row_px - 2)
    return round(max(font.getlength(name) for name in names)) + 2 * MARGIN_PX


def draw_timeline(width_px: int, row_px: int, names: Sequence[str], bars: Sequence[Bar]) -> Patch:
    """Draw a row for each source, with its name where there is space for text, and when it sounds."""
    image, pen = _make_canvas(width_px, row_px * len(names) + 4, SHADE)
    left = measure_names(row_px, names)
    for row, begin, end in bars:
        top = 2 + row * row_px
        first, last = (left + share * (width_px - left) for share in (begin, end))
        bottom = top + max(row_px - 2, 1)
        pen.rectangle((first, top + 1, max(last - 1, first + 1), bottom), fill=(*choose_color(row), 200))
    if left:
        font = _find_font(row_px - 2)
        for row, name in enumerate(names):
            pen.text((MARGIN_PX, 1 + row * row_px), name, font=font, fill=(*choose_color(row), 255))
    return _to_patch(image)


@lru_cache(maxsize=8)
def _find_font(size_px: int) -> "FreeTypeFont | ImageFont":
    """The font that comes with Pillow, which is the same on every machine."""
    from PIL.ImageFont import load_default

    return load_default(max(7, size_px))


def _make_canvas(
    width_px: int, height_px: int, ground: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> "tuple[Image, ImageDraw]":
    from PIL import Image, ImageDraw

    image = Image.new("RGBA", (width_px, height_px), ground)
    return image, ImageDraw.Draw(image)


def _shrink(image: "Image") -> "Image":
    return image.reduce(SMOOTHING)


def _to_patch(image: "Image") -> Patch:
    """A patch of an image, with a clear line more where a side is odd."""
    rgba = np.asarray(image)
    height, width = rgba.shape[:2]
    return Patch(np.pad(rgba, ((0, height % 2), (0, width % 2), (0, 0))))
