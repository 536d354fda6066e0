"""The bundled YOLOX-nano (Ge et al. 2021) on whole pictures, run once for each, whoever asks.

An encoder and a detector that look at the same picture share what the network made of it.
"""

from collections import OrderedDict
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.checkpoint import find_bundled_file
from seldfuse.compat.onnx import open_session

BUNDLED = ("yolox", "nano.onnx")
STRIDES = (8, 16, 32)
AT_ONCE = 4
"""Pictures in one pass. More take memory and save no time on a CPU."""

GREY = 114.0
"""What a picture is filled up with below or at the right."""

FLOOR = 0.02
"""Candidates whose best score is lower are not remembered."""

REMEMBERED = 2048
"""Pictures whose candidates are remembered: 17 minutes at two a second, some 10 kB each."""

LONGEST_PX = 416
"""Of what the network was trained on, and is shown."""

Pictures = UInt8[Tensor, "picture 3 height width"]


class YoloxNetwork:
    """The network on a device, and what it found in the last pictures."""

    def __init__(self, device: torch.device) -> None:
        self.session = open_session(find_bundled_file(*BUNDLED), device, "YOLOX")
        self._found: OrderedDict[bytes, Float32[Tensor, "kept 85"]] = OrderedDict()

    def compute_candidates(self, pictures: Pictures) -> Float32[Tensor, "picture candidate 85"]:
        """Compute the candidates of RGB pictures of one size, and remember those that are likely.

        For each cell of three grids, row by row: middle and size in pixels, whether anything is there, and 80 scores.
        """
        rows, columns = pictures.shape[2:]
        # Blue, green, red from 0 to 255, as it was trained; sides are multiples of the largest stride.
        padded = F.pad(pictures.flip(1).float(), (0, -columns % 32, 0, -rows % 32), value=GREY)
        parts = [self._run(padded[first : first + AT_ONCE]) for first in range(0, len(padded), AT_ONCE)]
        candidates = decode(torch.cat(parts), *padded.shape[2:])
        for picture, found in zip(pictures, candidates, strict=True):
            self._remember(_digest(picture), found)
        return candidates

    def find_in_frame(self, rgb: UInt8[np.ndarray, "height width 3"]) -> Float32[Tensor, "kept 85"]:
        """Find the candidates of a picture of any size as `find` does, in its pixels.

        Of the challenge's camera it is shown what encoders of `LONGEST_PX` are shown.
        """
        height, width = rgb.shape[:2]
        scale = LONGEST_PX / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        pixels = torch.tensor(rgb).permute(2, 0, 1)[None].float()
        shown = F.interpolate(pixels, size, mode="area" if scale <= 1 else "bilinear").round().to(torch.uint8)
        (found,) = self.find(shown)
        return torch.cat([found[:, :4] / scale, found[:, 4:]], dim=1)

    def find(self, pictures: Pictures) -> list[Float32[Tensor, "kept 85"]]:
        """Find the candidates of each picture whose best score is `FLOOR` at least."""
        keys = [_digest(picture) for picture in pictures]
        new = [number for number, key in enumerate(keys) if key not in self._found]
        if new:
            self.compute_candidates(pictures[new])
        return [self._found[key] for key in keys]

    def _run(self, pictures: Float32[Tensor, "picture 3 height width"]) -> Tensor:
        (found,) = self.session.run(["candidates"], {"pictures": pictures.numpy()})
        return torch.from_numpy(found)

    def _remember(self, key: bytes, candidates: Float32[Tensor, "candidate 85"]) -> None:
        best = candidates[:, 4] * candidates[:, 5:].amax(dim=1)
        self._found[key] = candidates[best >= FLOOR].clone()
        self._found.move_to_end(key)
        while len(self._found) > REMEMBERED:
            self._found.popitem(last=False)


def decode(
    raw: Float32[Tensor, "picture candidate value"], height_px: int, width_px: int
) -> Float32[Tensor, "picture candidate value"]:
    """Compute middles and sizes in pixels: middles come as cells from corners, sizes as the logarithm of cells."""
    cells, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height_px // stride), torch.arange(width_px // stride), indexing="ij")
        cells.append(torch.stack([x, y], dim=2).reshape(-1, 2))
        strides.append(torch.full((x.numel(), 1), stride))
    corners, stride_px = torch.cat(cells), torch.cat(strides)
    return torch.cat([(raw[..., :2] + corners) * stride_px, raw[..., 2:4].exp() * stride_px, raw[..., 4:]], dim=2)


def load_yolox(device: str) -> YoloxNetwork:
    """Load the network once in each process. Raises CheckpointError."""
    return _load(device)


@lru_cache(maxsize=2)
def _load(device: str) -> YoloxNetwork:
    return YoloxNetwork(torch.device(device))


def _digest(picture: UInt8[Tensor, "3 height width"]) -> bytes:
    return blake2b(picture.contiguous().numpy().tobytes() + str(tuple(picture.shape)).encode(), digest_size=16).digest()
