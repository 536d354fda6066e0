"""What light, lens and compression do to the pictures of a scene, as far as it is cheap."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import numpy as np
import torch
import torch.nn.functional as F
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from jaxtyping import Float, UInt8

from seldfuse.synth.pictures.cutout import Cutout
from seldfuse.synth.scene import PictureLook

PLANNED_WIDTH_PX = 640
"""The width in whose pixels a plan counts."""

MIDDLE = 118.0
"""The grey that contrast leaves as it is."""

LIGHT_GAINS = (0.5, 1.7)
"""How much darker and brighter a figure becomes at most."""

TINT_SHARE = 0.5
"""Of the share by which figures take the light of the background, that of its colour."""

FOOT_WIDTH, FOOT_HEIGHT, FOOT_PX = 0.55, 0.22, 2
"""Half the width of a shadow, of its figure's width; half its height, of that; and the least that is drawn."""

WORST_SCALE, BEST_SCALE = 31, 2
"""Of FFmpeg's JPEG quantizers, for a quality of 1 and of 100."""

Rgb = UInt8[np.ndarray, "height width 3"]


def make_finisher(look: PictureLook, width_px: int, height_px: int) -> Callable[[Rgb], Rgb]:
    """Make what turns the picture of a scene into what a camera records: exposure, white balance and contrast, soft
    focus, grain (the same in all pictures, as compression hardly lets it change), compression.
    """
    tables = _tables(look)
    blur_px = look.blur_px * width_px / PLANNED_WIDTH_PX
    rng = np.random.default_rng(look.start)
    grain = rng.normal(0.0, look.noise_levels, (height_px, width_px, 1)).astype(np.float32)
    encoder = None if look.quality is None else _JpegCodec(look.quality, width_px, height_px)

    def finish(picture: Rgb) -> Rgb:
        graded = np.stack([table[picture[..., channel]] for channel, table in enumerate(tables)], axis=2)
        if blur_px > 0.3:
            graded = _blur(graded, blur_px)
        done = (graded + grain).clip(0, 255).round().astype(np.uint8)
        return done if encoder is None else encoder.pass_through(done)

    return finish


def measure_light(picture: Rgb) -> Float[np.ndarray, "3"]:
    """Measure the mean colour of a picture."""
    return np.asarray(picture.reshape(-1, 3).mean(axis=0, dtype=float))


def find_gains(cutout: Cutout, light: Float[np.ndarray, "3"], matching: float) -> tuple[float, float, float]:
    """Find the gains of red, green and blue with which a figure takes a share of the light around it, in log."""
    smallest = cutout.pyramid[-1][0].flatten(1).mean(dim=1).double().numpy()
    own = (smallest[:3] / max(smallest[3], 1e-6) * 255).clip(12, 243)
    ratio = light.clip(12, 243) / own
    level = ratio.mean()
    gains = level**matching * (ratio / level) ** (TINT_SHARE * matching)
    red, green, blue = gains.clip(*LIGHT_GAINS).tolist()
    return red, green, blue


def cast_shadow(picture: Rgb, x_px: float, y_px: float, width_px: float, strength: float) -> None:
    """Darken the floor around a place where a figure of some width stands."""
    across = FOOT_WIDTH * width_px
    down = max(FOOT_HEIGHT * across, FOOT_PX)
    height, width = picture.shape[:2]
    top, bottom = (int(np.clip(y_px + side * 1.6 * down, 0, height)) for side in (-1, 1))
    left, right = (int(np.clip(x_px + side * 1.6 * across, 0, width)) for side in (-1, 1))
    if across < FOOT_PX or top >= bottom or left >= right:
        return
    y = (np.arange(top, bottom) + 0.5 - y_px)[:, None] / down
    x = (np.arange(left, right) + 0.5 - x_px)[None, :] / across
    clear = 1.0 - strength * np.exp(-(x * x + y * y) * 1.5)
    part = picture[top:bottom, left:right]
    part[...] = (part * clear[..., None]).astype(np.uint8)


def _tables(look: PictureLook) -> Sequence[Float[np.ndarray, "256"]]:
    """What becomes of each level, by channel; light adds up before the eye's curve, which is taken for a square."""
    levels = np.arange(256, dtype=np.float32) / 255
    gains = (look.red * 2**look.exposure_ev, 2**look.exposure_ev, look.blue * 2**look.exposure_ev)
    curved = [255 * np.sqrt(gain * levels**2) for gain in gains]
    # The brightest levels run into white, as film does, instead of being cut off.
    soft = [np.where(curve < 220, curve, 220 + 35 * np.tanh((curve - 220) / 35)) for curve in curved]
    return [((one - MIDDLE) * look.contrast + MIDDLE).clip(0, 255).astype(np.float32) for one in soft]


def _blur(picture: Float[np.ndarray, "height width 3"], deviation_px: float) -> Float[np.ndarray, "height width 3"]:
    reach = max(1, round(2.5 * deviation_px))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation_px) ** 2)
    kernel = torch.from_numpy((weights / weights.sum()).astype(np.float32))
    pixels = F.pad(torch.from_numpy(picture).permute(2, 0, 1)[:, None], (reach,) * 4, mode="replicate")
    smeared = F.conv2d(F.conv2d(pixels, kernel.reshape(1, 1, 1, -1)), kernel.reshape(1, 1, -1, 1))
    return np.asarray(smeared[:, 0].permute(1, 2, 0).numpy())


class _JpegCodec:
    """Each picture as a JPEG of some quality gives it back."""

    def __init__(self, quality: int, width_px: int, height_px: int) -> None:
        self._encoder = self._open("mjpeg", "w")
        self._encoder.width, self._encoder.height, self._encoder.pix_fmt = width_px, height_px, "yuvj420p"
        self._encoder.time_base = Fraction(1, 25)
        scale = round(np.interp(quality, [1, 100], [WORST_SCALE, BEST_SCALE]))
        self._encoder.options = {"qmin": str(scale), "qmax": str(scale)}
        self._decoder = self._open("mjpeg", "r")
        self._number = 0

    def pass_through(self, picture: Rgb) -> Rgb:
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p")
        frame.pts = self._number
        self._number += 1
        (packet,) = self._encoder.encode(frame)
        (decoded,) = self._decoder.decode(packet)
        return np.asarray(decoded.to_ndarray(format="rgb24"))

    @staticmethod
    def _open(name: str, mode: str) -> VideoCodecContext:
        context = av.CodecContext.create(name, mode)  # type: ignore[call-overload]
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        return context
