"""Someone or something cut out of a picture, to be pasted into others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

PERSON = "person"
MOUTH, HANDS, FEET, POINT = "mouth", "hands", "feet", "point"
"""Kinds of places that a sound may come from; `point` is the one place of a thing, or of anyone by default."""

SMALLEST_PX = 8


@dataclass(frozen=True, eq=False)
class Cutout:
    """A cut-out that ends where its outermost pixels do.

    `points` says where sounds come from, by kind, `keypoints` the COCO-17 points of a person with a score (NaN where
    unknown); both in pixels of `rgba`, whose top left corner is (0, 0). `height_m` is the height of what is
    shown when it is of ordinary size. `phrase` is what a detector calls it. With `cut_below` the picture that it
    is from ended within it, so that its lower edge must be hidden.
    """

    rgba: UInt8[np.ndarray, "height width 4"]
    phrase: str
    height_m: float
    points: Mapping[str, tuple[float, float]]
    keypoints: Float[np.ndarray, "17 3"] | None = None
    cut_below: bool = False

    @property
    def is_person(self) -> bool:
        return self.phrase == PERSON

    def get_sound_position(self, kind: str) -> tuple[float, float]:
        """Return where a sound of this kind comes from."""
        return self.points.get(kind, self.points[POINT])

    @cached_property
    def pyramid(self) -> tuple[Float32[Tensor, "1 4 rows columns"], ...]:
        """Compute colours times alpha, and alpha, 0 to 255: at full size, at half of it, and so on."""
        rgba = torch.from_numpy(self.rgba).permute(2, 0, 1)[None].float()
        levels = [torch.cat([rgba[:, :3] * (rgba[:, 3:] / 255), rgba[:, 3:]], dim=1)]
        while min(levels[-1].shape[2:]) >= 2 * SMALLEST_PX:
            rows, columns = levels[-1].shape[2:]
            levels.append(F.interpolate(levels[-1], size=((rows + 1) // 2, (columns + 1) // 2), mode="area"))
        return tuple(levels)

    def trim(self) -> "Cutout":
        """Cut off the empty rows and columns around it."""
        rows, columns = (np.flatnonzero(self.rgba[..., 3].any(axis=axis)) for axis in (1, 0))
        (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
        points = {kind: (float(x - left), float(y - top)) for kind, (x, y) in self.points.items()}
        keypoints = None if self.keypoints is None else self.keypoints - (left, top, 0)
        return replace(self, rgba=self.rgba[top:bottom, left:right], points=points, keypoints=keypoints)
