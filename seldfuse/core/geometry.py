"""Directions, angles and the pinhole camera.

Seen from above, x points to the front, y to the left; azimuth is positive to the left::

               x, front (0°)
                    |
        +45°  .     |     .  −45°            picture, seen from the microphone:
                .   |   .
                  . | .                      +50°      0°      −50°     azimuth
    y, left --------+-------- right           |--------|--------|
     (+90°)         |        (−90°)           0       320      640      pixel x
                    |
              rear (±180°)

A coincident stereo pair cannot tell front from rear: the challenge folds the rear to the front (`fold_azimuth`).
A pixel belongs to an azimuth by the pinhole law, `azimuth = atan((centre − x) / focal)`, never by a linear map,
which is wrong by up to 5.8° at a field of view of 100°.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Angles = TypeVar("Angles")
"""A float, a NumPy array or a torch tensor; what goes in comes out."""


def fold_azimuth(azimuth_deg: Angles) -> Angles:
    """Fold an azimuth to [−90, 90]: a rear source gets the azimuth of its mirror image in front.

    Any real angle is wrapped first; 150° becomes 30°, −150° becomes −30°, 180° becomes 0°.
    """
    return 90.0 - abs((azimuth_deg + 90.0) % 360.0 - 180.0)  # type: ignore[operator, return-value]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along the microphone's front, level.

    Shape: the picture has `width_px` by `height_px` pixels and sees `horizontal_fov_deg` degrees. `yaw_deg` turns the
    camera to the left of the microphone. The challenge's pictures are 640×360 at 100°.

    >>> from seldfuse import Camera
    >>> camera = Camera(horizontal_fov_deg=100.0)
    >>> float(camera.azimuth_from_x(320.0)), round(float(camera.azimuth_from_x(0.0)), 3)
    (0.0, 50.0)
    """

    width_px: int = 640
    height_px: int = 360
    horizontal_fov_deg: float = 100.0
    yaw_deg: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.horizontal_fov_deg < 180.0:
            raise ValueError(f"horizontal_fov_deg must lie between 0 and 180, got {self.horizontal_fov_deg}")
        if self.width_px < 1 or self.height_px < 1:
            raise ValueError(f"a picture needs at least one pixel, got {self.width_px}×{self.height_px}")

    @property
    def focal_px(self) -> float:
        return self.width_px / 2 / math.tan(math.radians(self.horizontal_fov_deg / 2))

    def azimuth_from_x(self, x_px: "np.ndarray | float") -> "np.ndarray":
        """Compute the azimuth in degrees of a pixel column."""
        return np.asarray(np.degrees(np.arctan((self.width_px / 2 - np.asarray(x_px)) / self.focal_px)) + self.yaw_deg)

    def x_from_azimuth(self, azimuth_deg: "np.ndarray | float") -> "np.ndarray":
        """Compute the pixel column of an azimuth; NaN for directions behind the camera's plane."""
        relative = (np.asarray(azimuth_deg, dtype=float) - self.yaw_deg + 180.0) % 360.0 - 180.0
        x_px = self.width_px / 2 - self.focal_px * np.tan(np.radians(relative))
        return np.where(np.abs(relative) < 90.0, x_px, np.nan)

    def y_from_direction(self, azimuth_deg: "np.ndarray | float", elevation_deg: "np.ndarray | float") -> "np.ndarray":
        """Compute the pixel row of a direction in front of the camera."""
        relative = np.radians(np.asarray(azimuth_deg, dtype=float) - self.yaw_deg)
        return np.asarray(self.height_px / 2 - self.focal_px * np.tan(np.radians(elevation_deg)) / np.cos(relative))

    def contains(self, azimuth_deg: "np.ndarray | float", elevation_deg: "np.ndarray | float" = 0.0) -> "np.ndarray":
        """Test whether an unfolded direction falls inside the picture."""
        x_px = self.x_from_azimuth(azimuth_deg)
        y_px = self.y_from_direction(azimuth_deg, elevation_deg)
        return np.asarray((x_px >= 0) & (x_px < self.width_px) & (y_px >= 0) & (y_px < self.height_px))


def column_azimuths_deg(columns: int) -> list[float]:
    """Compute the azimuth of the middle of each of so many columns of the challenge's picture, from left to right."""
    camera = Camera(columns, 1)
    return [float(camera.azimuth_from_x(column + 0.5)) for column in range(columns)]
