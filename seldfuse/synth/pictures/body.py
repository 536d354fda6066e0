"""What the COCO-17 keypoints of a person tell: where mouth, hands and feet are, and how tall the cut-out is."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8

from seldfuse.synth.pictures.cutout import FEET, HANDS, MOUTH, POINT

NOSE, EYES, EARS, SHOULDERS = 0, (1, 2), (3, 4), (5, 6)
WRISTS, HIPS, ANKLES = (9, 10), (11, 12), (15, 16)
LEFT_AND_RIGHT = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""Which point takes a point's place in a mirror."""

STATURE_M = 1.7
LIMBS_M = {(5, 6): 0.36, (5, 7): 0.29, (6, 8): 0.29, (7, 9): 0.26, (8, 10): 0.26, (5, 11): 0.5, (6, 12): 0.5,
           (11, 13): 0.43, (12, 14): 0.43, (13, 15): 0.42, (14, 16): 0.42}  # fmt: skip
"""Distances between the joints of someone of `STATURE_M`."""

FACE_M = {(1, 2): 0.065, (3, 4): 0.155, (5, 6): 0.36}
"""The same for eyes, ears and shoulders, of whom nothing else is shown."""

Keypoints = Float[np.ndarray, "17 3"]
Place = tuple[float, float]


def find_sound_points(rgba: UInt8[np.ndarray, "height width 4"], keypoints: Keypoints | None) -> dict[str, Place]:
    """Find mouth, hands and feet in pixels: hands only where a wrist is known, the others from the outline if need
    be."""
    known = np.full((17, 3), np.nan) if keypoints is None else keypoints
    found = {MOUTH: _mouth(known), HANDS: _middle(known, WRISTS), FEET: _middle(known, ANKLES)}
    points = {MOUTH: _band(rgba, 0.06, 0.14), FEET: _band(rgba, 0.93, 1.0)}
    points |= {kind: place for kind, place in found.items() if place is not None}
    points[POINT] = points[MOUTH]
    return {kind: (float(place[0]), float(place[1])) for kind, place in points.items()}


def estimate_height_m(rows: int, keypoints: Keypoints | None) -> float:
    """Estimate how tall a cut-out of `rows` pixels is, when the person is of middle stature, standing, sitting or cut
    off.

    A limb that points at the camera looks short, so the longer ones count.
    """
    if keypoints is None:
        return STATURE_M
    px_per_m = _scales(keypoints, LIMBS_M)
    if len(px_per_m) < 3:
        px_per_m = _scales(keypoints, FACE_M)
    if not px_per_m:
        return STATURE_M
    return float(np.clip(rows / np.quantile(px_per_m, 0.75), 0.25, 2.1))


def _scales(keypoints: Keypoints, lengths_m: Mapping[tuple[int, int], float]) -> list[float]:
    """Pixels per metre by each pair of points of which both are known."""
    lengths = {pair: float(np.linalg.norm(keypoints[pair[0], :2] - keypoints[pair[1], :2])) for pair in lengths_m}
    return [length / lengths_m[pair] for pair, length in lengths.items() if length > 0]


def _mouth(keypoints: Keypoints) -> Float[np.ndarray, "2"] | None:
    nose, eyes, shoulders = keypoints[NOSE, :2], _middle(keypoints, EYES), _middle(keypoints, SHOULDERS)
    if not np.isnan(nose[0]) and eyes is not None:
        return np.asarray(nose + 0.7 * (nose - eyes))
    face = _middle(keypoints, (NOSE, *EYES, *EARS))
    if face is not None and shoulders is not None:
        return np.asarray(face + 0.25 * (shoulders - face))
    return face


def _middle(keypoints: Keypoints, indices: tuple[int, ...]) -> Float[np.ndarray, "2"] | None:
    """The mean of those points that are known."""
    places = keypoints[list(indices), :2]
    known = places[~np.isnan(places[:, 0])]
    return np.asarray(known.mean(axis=0)) if len(known) else None


def _band(rgba: UInt8[np.ndarray, "height width 4"], top: float, bottom: float) -> Float[np.ndarray, "2"]:
    """The middle of the outline between two heights (shares of the whole)."""
    height, width = rgba.shape[:2]
    first = int(top * height)
    weight = rgba[first : max(int(bottom * height), first + 1), :, 3].sum(axis=0, dtype=float) + 1e-9
    return np.array([(weight * (np.arange(width) + 0.5)).sum() / weight.sum(), (top + bottom) / 2 * height])
