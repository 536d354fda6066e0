"""The flat picture that the challenge's camera takes of a panorama."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from av.video.frame import VideoFrame
from jaxtyping import Float64, UInt8

from seldfuse.synth.from_foa.labels import CAMERA


class PanoramaBand(NamedTuple):
    """Of an equirectangular picture (YUV 4:2:0) the rows that a level camera can see.

    `colours` are what FFmpeg says of their meaning: colour space and range.
    """

    luma: UInt8[np.ndarray, "1 row column"]
    chroma: UInt8[np.ndarray, "2 half_row half_column"]
    colours: tuple[int, int]


def copy_band(picture: VideoFrame) -> PanoramaBand:
    """Copy the rows that are used, less than two fifths of the picture."""
    picture = picture.reformat(format="yuv420p")
    planes, (top, bottom) = picture.to_ndarray(), _rows(picture.height)
    luma = planes[None, : picture.height]
    chroma = planes[picture.height :].reshape(2, picture.height // 2, picture.width // 2)
    return PanoramaBand(
        luma[:, top:bottom].copy(),
        chroma[:, top // 2 : bottom // 2].copy(),
        (int(picture.colorspace), int(picture.color_range)),
    )


class PanoramaView:
    """What the camera sees of panoramas `width_px` wide at one viewing angle: a source at azimuth θ lies at θ + angle.

    Pixels are sampled bilinearly at their middles. Chroma lies on the even columns of luma and between its rows, as
    H.264 has it where it does not say otherwise.
    """

    def __init__(self, width_px: int, angle_deg: int) -> None:
        across, down = np.arange(CAMERA.width_px), np.arange(CAMERA.height_px)
        self._luma = _Sampler(width_px, angle_deg, across + 0.5, down + 0.5, step=1, offset_px=(0.5, 0.5))
        self._chroma = _Sampler(width_px, angle_deg, across[::2] + 0.5, down[::2] + 1.0, step=2, offset_px=(0.5, 1.0))

    def render(self, band: PanoramaBand) -> VideoFrame:
        """Render the picture, YUV 4:2:0 as the panorama was."""
        rows, columns = CAMERA.height_px, CAMERA.width_px
        planes = np.empty((rows * 3 // 2, columns), np.uint8)
        planes[:rows] = self._luma.of(band.luma)[0]
        planes[rows:] = self._chroma.of(band.chroma).reshape(rows // 2, columns)
        picture = VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.colorspace, picture.color_range = band.colours
        return picture


class _Sampler:
    """Takes planes of a band to the places (x, y) of the camera's picture, given in its pixels.

    A sample of the planes stands for `step` pixels of the panorama, the first one's middle is at `offset_px` of it.
    The camera is level, so a column of its picture has one azimuth, which is one column of the panorama.
    """

    def __init__(
        self,
        width_px: int,
        angle_deg: int,
        x_px: Float64[np.ndarray, " column"],
        y_px: Float64[np.ndarray, " row"],
        step: int,
        offset_px: tuple[float, float],
    ) -> None:
        height_px = width_px // 2
        top, bottom = _rows(height_px)
        columns = ((0.5 - (CAMERA.azimuth_from_x(x_px) - angle_deg) / 360) * width_px - offset_px[0]) / step
        left, up = CAMERA.width_px / 2 - x_px, CAMERA.height_px / 2 - y_px
        elevation_deg = np.degrees(np.arctan2(up[:, None], np.hypot(left, CAMERA.focal_px)))
        rows = ((0.5 - elevation_deg / 180) * height_px - offset_px[1] - top) / step

        first, last = math.floor(columns[0]), math.ceil(columns[-1])
        # The panorama goes round.
        self._columns = np.arange(first, last + 1) % (width_px // step)
        across = (columns - first) / (last - first) * 2 - 1
        down = rows / ((bottom - top) // step - 1) * 2 - 1
        self._grid = torch.from_numpy(np.stack(np.broadcast_arrays(across, down), axis=-1).astype(np.float32))[None]

    def of(self, planes: UInt8[np.ndarray, "plane row column"]) -> UInt8[np.ndarray, "plane out_row out_column"]:
        picture = torch.from_numpy(planes.take(self._columns, axis=2)).float()[None]
        return F.grid_sample(picture, self._grid, align_corners=True)[0].round_().to(torch.uint8).numpy()


def _rows(height_px: int) -> tuple[int, int]:
    """The first row that the camera can see, and the one behind the last, both even; rows of samples are to spare."""
    reach_deg = math.degrees(math.atan(CAMERA.height_px / 2 / CAMERA.focal_px))
    top = math.floor((0.5 - reach_deg / 180) * height_px) // 2 * 2 - 2
    return top, height_px - top
