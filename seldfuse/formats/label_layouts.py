"""What the columns of a label file mean: by its header, or by what its numbers can be.

Layouts are those of the DCASE Challenges 2019 to 2025, Task 3, labels and outputs of baselines alike: with a header in
2025, without one before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

ROW = ("frame", "class", "source", "azimuth", "distance", "onscreen")
"""The columns of a file of 2025."""

VECTOR = ("x", "y", "z")

SYNONYMS = {
    "frame": ("frame", "frames", "frame_index", "frame_idx", "frame_number"),
    "class": ("class", "cls", "class_id", "class_index", "class_idx"),
    "source": ("source", "source_id", "source_index", "track", "track_id"),
    "azimuth": ("azimuth", "azimuth_deg", "azi", "az"),
    "elevation": ("elevation", "elevation_deg", "ele", "el"),
    "distance": ("distance", "distance_cm", "dist"),
    "distance_m": ("distance_m",),
    "onscreen": ("onscreen", "on_screen", "onscreen_flag"),
    "x": ("x",),
    "y": ("y",),
    "z": ("z",),
}
_MEANS = {word: name for name, words in SYNONYMS.items() for word in words}

UNREAD = "-"
"""Stands for a column that is passed over."""

GREATEST_ELEVATION_DEG = 90.0
VECTOR_SLACK = 0.1
"""How far from 1 the length of a direction may be; rounded to two decimals it is nearer."""


@dataclass(frozen=True)
class Layout:
    """What each column holds; `name` says whose layout it is, `why` by what it was recognized where no header says
    it, and `certain` whether the numbers leave no other."""

    name: str
    columns: tuple[str, ...]
    certain: bool = True
    why: str = ""

    @property
    def official(self) -> bool:
        """Tell whether the challenge's scorer of 2025 reads the same columns."""
        return self.columns[: len(ROW)] == ROW

    def find(self, column: str) -> int | None:
        """Find the place of a column; None where there is none."""
        return self.columns.index(column) if column in self.columns else None


class UnknownLayoutError(ValueError):
    """Numbers that fit no layout; `row` is the first of which that can be said."""

    def __init__(self, reason: str, row: int = 0) -> None:
        super().__init__(reason)
        self.row = row


OFFICIAL = Layout("2025", ROW)


def read_header(cells: Sequence[str]) -> Layout | None:
    """Read the names of columns, in any order; None where they do not say frame, class and direction.

    Columns of other names are passed over.
    """
    words = [cell.strip().lower().replace("-", "_").replace(" ", "_") for cell in cells]
    columns = tuple(_MEANS.get(word, UNREAD) for word in words)
    known = [column for column in columns if column != UNREAD]
    if len(set(known)) < len(known) or not {"frame", "class"} <= set(known):
        return None
    if "azimuth" not in known and not {"x", "y"} <= set(known):
        return None
    return Layout("2025" if columns == ROW else "its header", columns)


def recognize(values: Float64[np.ndarray, "row column"]) -> Layout:
    """Recognize the layout of numbers without a header. Raises UnknownLayoutError."""
    width = values.shape[1]
    first, last = values[:, 2 : width - 1], values[:, -1]
    if width == 4:
        return _check_elevation(
            Layout("2019", ("frame", "class", "azimuth", "elevation"), False, "it has four columns"), values
        )
    if width in (5, 6) and _are_vectors(values[:, -3:]):
        columns = ("frame", "class", *(("source",) if width == 6 else ()), *VECTOR)
        return Layout(
            "Cartesian outputs of older baselines", columns, False, "its last three columns are vectors of length 1"
        )
    if width == 7 and _are_vectors(values[:, 3:6]):
        columns = ("frame", "class", "source", *VECTOR, "distance")
        return Layout("Cartesian outputs of 2024", columns, False, "its columns 4 to 6 are vectors of length 1")
    if width == 5:
        return _recognize_five(values)
    if width == 6:
        return _recognize_six(values)
    if width == 7 and _are_flags(last) and _are_elevations(first[:, 2]):
        columns = ("frame", "class", "source", "azimuth", "elevation", "distance", "onscreen")
        return Layout("2023 with on-screen", columns, False, "its seventh column holds 0 and 1 alone")
    if width == 7 and _are_flags(values[:, 5]):
        return Layout("2025", (*ROW, UNREAD), False, "its sixth column holds 0 and 1 alone")
    raise UnknownLayoutError(f"expected the header {','.join(ROW)}, or 4 to 7 numbers without one, got {width}")


def _recognize_five(values: Float64[np.ndarray, "row 5"]) -> Layout:
    elevation = Layout("2020 to 2022", ("frame", "class", "source", "azimuth", "elevation"))
    last = values[:, 4]
    if _are_elevations(last):
        if len(last) and last.min() > 0:
            why = f"its fifth column holds {last.min():g} to {last.max():g}, which elevations can be"
            return Layout(elevation.name, elevation.columns, False, why)
        return elevation
    if (last >= 0).all():
        why = f"its fifth column holds {last.max():g}, which no elevation can be"
        return Layout("2025 without on-screen", ROW[:5], False, why)
    return _check_elevation(elevation, values)


def _recognize_six(values: Float64[np.ndarray, "row 6"]) -> Layout:
    fifth, last = values[:, 4], values[:, 5]
    place = Layout("2023 and 2024", ("frame", "class", "source", "azimuth", "elevation", "distance"))
    if len(values) and _are_flags(last) and (fifth >= 0).all():
        if _are_elevations(fifth):
            return Layout("2025", ROW, False, "its sixth column holds 0 and 1 alone, which no distance can be")
        return Layout("2025", ROW, False, f"its fifth column holds {fifth.max():g}, which no elevation can be")
    return _check_elevation(place, values)


def _check_elevation(layout: Layout, values: Float64[np.ndarray, "row column"]) -> Layout:
    place = layout.columns.index("elevation")
    beyond = ~(np.abs(values[:, place]) <= GREATEST_ELEVATION_DEG)
    if beyond.any():
        row = int(beyond.argmax())
        raise UnknownLayoutError(
            f"without a header column {place + 1} is the elevation (the layout of {layout.name}), expected from -90 to "
            f"90, got {values[row, place]:g}",
            row,
        )
    return layout


def _are_elevations(values: Float64[np.ndarray, "row"]) -> bool:
    return bool((np.abs(values) <= GREATEST_ELEVATION_DEG).all())


def _are_flags(values: Float64[np.ndarray, "row"]) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _are_vectors(values: Float64[np.ndarray, "row 3"]) -> bool:
    """Tell whether rows are directions of length 1, most of them with fractions, or shorter ones with fractions."""
    if not len(values) or not (np.abs(values) <= 1 + VECTOR_SLACK).all():
        return False
    length = np.linalg.norm(values, axis=1)
    fractions = (values % 1 != 0).any(axis=1)
    if (np.abs(length - 1) <= VECTOR_SLACK).all():
        # Of whole numbers (1, 0, 0) alone is one: an azimuth of 1° and a distance of 0 is less likely still.
        return True
    # Networks give vectors as long as they are sure of them.
    return bool(fractions.mean() > 0.5 and (length <= 1 + VECTOR_SLACK).all() and np.median(length) > 0.3)
