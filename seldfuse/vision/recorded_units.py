"""Recorded boxes in other units than pixels and seconds: what gives them away."""

import numpy as np
from jaxtyping import Float

from seldfuse.core.detections import Detections
from seldfuse.vision.track import BOX

FEWEST = 3
OUTSIDE = 1.1
"""So many widths and heights a box that a tracker estimates may reach without being one of another picture."""

CORNER_AND_SIZE = "boxes as corner and size"
EDGE_PX, MANY, OFTEN = 0.1, 20, 0.3
"""So many boxes that so often end so exactly at an edge do not do so by chance."""

MOST_BROKEN = 0.05
"""So large a share of boxes may be upside down or beyond the picture by rounding and tracking."""


def describe_wrong_units(
    recorded: Detections, width_px: int | None, height_px: int | None, duration_s: float | None
) -> tuple[str, str] | None:
    """Describe what cannot be right about recorded detections: what it is, and what was found; None where all may be.

    The size of the picture and the length of the clip are None where they are not known.
    """
    if len(recorded) < FEWEST:
        return None
    box = recorded.table[BOX].to_numpy(dtype=float)
    box = box[np.isfinite(box).all(axis=1)]
    times_s = recorded.table["time_s"].to_numpy(dtype=float)
    times_s = times_s[np.isfinite(times_s)]
    return _describe_boxes(box, width_px, height_px) or _describe_times(times_s, duration_s)


def _describe_boxes(
    box: Float[np.ndarray, "row 4"], width_px: int | None, height_px: int | None
) -> tuple[str, str] | None:
    """Boxes are left, top, right and bottom."""
    if not len(box):
        return None
    if np.abs(box).max() <= 1.5:
        return (
            "boxes as shares",
            "all recorded boxes lie within one pixel: are they shares of the picture? multiply them",
        )
    left, top, right, bottom = box.T
    upside_down = float(((right <= left) | (bottom <= top)).mean())
    if upside_down > MOST_BROKEN:
        return (
            CORNER_AND_SIZE,
            f"in {upside_down:.0%} of the recorded boxes right is not beyond left, or bottom not below top: are they "
            "corner and size? add the corner",
        )
    if width_px and height_px and _reach_the_edge_as_sizes(box, width_px, height_px):
        return (
            CORNER_AND_SIZE,
            "recorded boxes reach an edge of the picture exactly if they are corner and size, and never as they are: "
            "add the corner",
        )
    if width_px and height_px:
        beyond = float(((right > OUTSIDE * width_px) | (bottom > OUTSIDE * height_px)).mean())
        if beyond > MOST_BROKEN:
            return (
                "boxes outside the picture",
                f"{beyond:.0%} of the recorded boxes reach beyond the picture of {width_px}×{height_px}: do "
                "they count pixels of another size, or are they in another order than left, top, right, bottom?",
            )
        if len(box) >= MANY and width_px > 200 and right.max() < 105 and bottom.max() < 105:
            return "boxes in percent", f"no recorded box reaches beyond 100 of {width_px} pixels: are they percent?"
    return None


def _reach_the_edge_as_sizes(box: Float[np.ndarray, "row 4"], width_px: int, height_px: int) -> bool:
    """Detectors cut boxes at the edges of the picture, right and bottom among them."""
    size = np.array([width_px, height_px])
    as_sizes, as_they_are = box[:, :2] + box[:, 2:], box[:, 2:]
    at_edge = np.abs(as_sizes - size) < EDGE_PX
    touches = np.abs(as_they_are - size) < 1
    return len(box) >= MANY and bool(at_edge.any(axis=1).mean() > OFTEN) and not touches.any()


def _describe_times(times_s: Float[np.ndarray, "row"], duration_s: float | None) -> tuple[str, str] | None:
    if duration_s is None or not len(times_s):
        return None
    late = float((times_s > duration_s + 0.5).mean())
    if late <= MOST_BROKEN:
        return None
    ratio = times_s.max() / max(duration_s, 1e-9)
    unit = "milliseconds" if ratio > 200 else "numbers of pictures" if ratio > 3 else "times of a longer clip"
    return (
        "times of boxes",
        f"{late:.0%} of the recorded boxes are later than the clip's end at {duration_s:.1f} s: are they {unit} in "
        "place of seconds?",
    )
