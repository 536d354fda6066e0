"""`yolox`: YOLOX (Ge et al. 2021), an ONNX file that finds COCO's 80 things, quickly on a CPU.

Its vocabulary is closed: things whose names no phrase of the rules matches are passed over.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.sdk import CheckpointError, Clip, Detections, Frame, WeightFiles, get_device_name, open_session
from seldfuse_gdino.coco import THINGS
from seldfuse_gdino.engine import PhraseBoxes, to_corners, to_detections
from seldfuse_gdino.needs import require
from seldfuse_gdino.vocabulary import Vocabulary

VARIABLE = "SELDFUSE_YOLOX"
STRIDES = (8, 16, 32)
GREY = 114.0
"""What a picture is filled up with below or at the right."""

VALUES = 5 + len(THINGS)
"""Of each candidate: middle and size, whether anything is there, and which thing."""


def find(reference: str | None) -> WeightFiles:
    """Find the file that is named, or that the variable names. Raises CheckpointError where something is missing."""
    require("yolox", "onnxruntime")
    named = reference or os.environ.get(VARIABLE)
    if not named:
        raise CheckpointError(
            f"yolox needs a file of YOLOX in ONNX; name it as in `gdino@yolox:FILE`, or in {VARIABLE}"
        )
    if not Path(named).is_file():
        raise CheckpointError(f"there is no such file of YOLOX: {named}")
    return WeightFiles(Path(named), None)


class YoloX:
    """YOLOX with the weights of a file. Raises CheckpointError where that is something else."""

    def __init__(self, weights: WeightFiles, vocabulary: Vocabulary, device: torch.device) -> None:
        self.session, self.vocabulary = _session(weights.file, device), vocabulary
        self.side_px = self.session.get_inputs()[0].shape[-1]
        known = [(thing, vocabulary.match(name)) for thing, name in enumerate(THINGS)]
        self.things = torch.tensor([thing for thing, phrase in known if phrase is not None], dtype=torch.long)
        self.phrases = torch.tensor([vocabulary.phrases.index(phrase) for _, phrase in known if phrase is not None])
        network, threshold = f"yolox:{weights.file.stem} {weights.hash_version()}", vocabulary.rules.box_threshold
        self.engine_id = f"{network} at {threshold} on {get_device_name(self.session)}"

    def detect(self, clip: Clip, frames: Sequence[Frame]) -> Detections:  # noqa: ARG002
        found = torch.cat([self._candidates(frame.rgb) for frame in frames])  # (picture, candidate, value)
        scores = found[..., 4:5] * found[..., 5:][..., self.things]
        pictures, candidates, things = (scores > self.vocabulary.rules.box_threshold).nonzero(as_tuple=True)
        ltrb_px = to_corners(found[pictures, candidates, :4])
        boxes = PhraseBoxes(ltrb_px, scores[pictures, candidates, things], pictures, self.phrases[things])
        return to_detections(boxes, frames, self.vocabulary)

    def _candidates(self, rgb: UInt8[np.ndarray, "height width 3"]) -> Float32[Tensor, "1 candidate value"]:
        """Decoded, in pixels of the picture. Files take one picture at a time."""
        shown, scale = letterbox(rgb, self.side_px)
        raw = self.session.run(None, {self.session.get_inputs()[0].name: shown.numpy()})[0]
        found = decode(torch.from_numpy(raw), self.side_px)
        return torch.cat([found[..., :4] / scale, found[..., 4:]], dim=2)


def letterbox(rgb: UInt8[np.ndarray, "height width 3"], side_px: int) -> tuple[Float32[Tensor, "1 3 side side"], float]:
    """Fit a picture to the network: blue, green, red from 0 to 255, at the top left of a grey square.

    Also gives how many of its pixels one of the picture's has become.
    """
    height, width = rgb.shape[:2]
    scale = min(side_px / height, side_px / width)
    size = (int(height * scale), int(width * scale))
    picture = torch.tensor(rgb).permute(2, 0, 1)[None].float()
    small = F.interpolate(picture, size, mode="bilinear").flip(dims=(1,))
    return F.pad(small, (0, side_px - size[1], 0, side_px - size[0]), value=GREY), scale


def decode(raw: Float32[Tensor, "picture candidate value"], side_px: int) -> Float32[Tensor, "picture candidate value"]:
    """Compute middles and sizes in pixels of the square.

    There is a candidate for each cell of three grids, row by row: its middle comes as cells from the cell's corner, its
    size as the logarithm of cells.
    """
    cells, strides = [], []
    for stride in STRIDES:
        count = side_px // stride
        y, x = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
        cells.append(torch.stack([x, y], dim=2).reshape(-1, 2))
        strides.append(torch.full((count * count, 1), stride))
    corners, stride_px = torch.cat(cells), torch.cat(strides)
    return torch.cat([(raw[..., :2] + corners) * stride_px, raw[..., 2:4].exp() * stride_px, raw[..., 4:]], dim=2)


def _session(path: Path, device: torch.device) -> Any:
    session = open_session(path, device, "YOLOX")
    takes, gives = session.get_inputs()[0].shape, session.get_outputs()[0].shape
    side = takes[-1] if takes and isinstance(takes[-1], int) else 0
    candidates = sum((side // stride) ** 2 for stride in STRIDES)
    if takes[1:] != [3, side, side] or gives[1:] != [candidates, VALUES]:
        raise CheckpointError(
            f"expected YOLOX, which takes square pictures [1, 3, side, side] and gives {VALUES} values for each cell; "
            f"this takes {takes} and gives {gives}: {path}"
        )
    return session
