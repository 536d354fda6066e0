"""The labels of first-order recordings, and those of a clip."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

from seldfuse.core.events import Events
from seldfuse.core.geometry import Camera, fold_azimuth
from seldfuse.core.grid import WINDOW_FRAMES
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import UsageError
from seldfuse.formats.dcase import PLACE, list_positions
from seldfuse.formats.label_files import LabelFileError, read_label_file

CAMERA = Camera()
"""The challenge's, which points along the viewing angle."""


class NoDistanceError(UsageError):
    """Labels have no distances, and none was given for them."""


def read_labels(
    path: Path, distance_m: float | None = None, note: Callable[[str], None] = lambda _: None
) -> Float64[np.ndarray, "row 6"]:
    """Read the rows of a label file of 2022, 2023 or 2024, columns as in `PLACE`, azimuth not folded.

    `distance_m` stands in where the file has no distances; `note` is told what was assumed. Raises UsageError where the
    file is no such file, and NoDistanceError.
    """
    file = read_label_file(path, DCASE2025)
    for text in file.notes:
        note(f"{text}: {path}")
    rows = list_positions(file)
    elevation_deg, distances_m = rows[:, PLACE.index("elevation")], rows[:, PLACE.index("distance")]
    if np.isnan(elevation_deg).any():
        raise UsageError(
            "expected labels of a first-order recording (frame,class,source,azimuth,elevation,distance and no "
            f"header), got those of a stereo one, which have no elevation: {path}"
        )
    if (distances_m <= 0).any():
        line = int(file.lines[(distances_m <= 0).argmax()])
        raise LabelFileError(path, "expected a distance of more than 0, which a source has, got 0", line)
    unknown = np.isnan(distances_m)
    if unknown.any() and distance_m is None:
        raise NoDistanceError(
            "the labels have no distances, as those of 2022; take the labels of STARSS23, which holds the same "
            f"recordings, or say how far away all sources are, --distance 2.0: {path}"
        )
    rows[unknown, PLACE.index("distance")] = distance_m
    return rows


def cut_events(rows: Float64[np.ndarray, "row 6"], start_frame: int, angle_deg: int) -> Events:
    """Cut the events of the five seconds from a frame on, seen at a viewing angle.

    Turning by the angle adds it to the azimuth. On-screen is what the camera sees of the direction before it is folded
    to the front, by the pinhole law; the challenge's own table of whole degrees differs within 1° of the border.
    """
    frame = rows[:, PLACE.index("frame")] - start_frame
    frame, cls, source, azimuth_deg, elevation_deg, distance_m = np.column_stack([frame, rows[:, 1:]])[
        (frame >= 0) & (frame < WINDOW_FRAMES)
    ].T
    turned_deg = azimuth_deg + angle_deg
    columns = {
        "frame": frame.astype(np.int64),
        "cls": cls.astype(np.int64),
        "source": source.astype(np.int64),
        "azimuth_deg": fold_azimuth(turned_deg),
        "distance_m": distance_m,
        "onscreen": CAMERA.contains(turned_deg, elevation_deg).astype(np.float64),
    }
    return Events(pd.DataFrame(columns), DCASE2025)
