"""Pictures as players show them: pixels made square, then turned and mirrored as the container says.

Phones store what the sensor saw, and beside it a display matrix (ISO/IEC 14496-12, 8.3.2). Angles of sources and the
field of view belong to the picture as it is shown.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

NARROWEST = Fraction(1, 4)
"""Pixels narrower or lower than that come from damaged headers, and are taken for square."""


def show_picture(picture: VideoFrame, pixel_aspect: Fraction | None) -> UInt8[np.ndarray, "height width 3"]:
    """Convert a picture to RGB as it is shown; `pixel_aspect` is the width of a pixel over its height."""
    width, height = _square_size(picture, pixel_aspect)
    rgb = picture.to_ndarray(format="rgb24", width=width, height=height)
    return read_turn(picture).apply(rgb)


def measure_shown(picture: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Measure the width and height of a picture as it is shown, in pixels."""
    width, height = _square_size(picture, pixel_aspect)
    return (height, width) if read_turn(picture).transposed else (width, height)


def describe_change(picture: VideoFrame, pixel_aspect: Fraction | None) -> str:
    """Describe how what is shown differs from what is stored, for keys of what is computed of it; else ""."""
    size, stored = _square_size(picture, pixel_aspect), (picture.width, picture.height)
    matrix = read_turn(picture)
    if size == stored and not any(matrix):
        return ""
    return f"shown {size[0]}x{size[1]} {''.join('01'[on] for on in matrix)}"


def _square_size(picture: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    aspect = pixel_aspect or Fraction(1)
    if aspect == 1 or not NARROWEST <= aspect <= 1 / NARROWEST:
        return picture.width, picture.height
    # The shorter side grows, so that nothing that was seen is lost.
    if aspect > 1:
        return round(picture.width * aspect), picture.height
    return picture.width, round(picture.height / aspect)


class Turn(NamedTuple):
    """Whether rows become columns, and whether the order within each row and that of the rows is then reversed."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    def apply(self, plane: UInt8[np.ndarray, "row column *channel"]) -> UInt8[np.ndarray, "height width *channel"]:
        """Turn and mirror a plane."""
        turned = plane.swapaxes(0, 1) if self.transposed else plane
        turned = turned[:, ::-1] if self.mirrored else turned
        return np.ascontiguousarray(turned[::-1] if self.flipped else turned)


def read_turn(picture: VideoFrame) -> Turn:
    """Read how a picture is turned: the nearest of the eight ways to turn and mirror."""
    found: Any = picture.side_data.get("DISPLAYMATRIX")
    if found is None:
        return Turn()
    # A point (x, y) is shown at (a x + c y, b x + d y).
    a, b, _, c, d, *_ = np.frombuffer(bytes(found), "=i4").astype(np.int64).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0)
