"""`yolox`: YOLOX (Ge et al. 2021), an ONNX file that finds COCO's 80 things, quickly on a CPU.

Its vocabulary is closed: things whose names no phrase of the rules matches are passed over. The nano that comes with
seldfuse takes several pictures at once, exports by the authors one.
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

from seldfuse.sdk import (
    CheckpointError,
    Clip,
    Detections,
    Frame,
    WeightFiles,
    find_bundled_file,
    get_device_name,
    load_yolox,
    open_session,
)
from seldfuse_gdino.coco import THINGS
from seldfuse_gdino.engine import PhraseBoxes, to_corners, to_detections
from seldfuse_gdino.vocabulary import Vocabulary

VARIABLE = "SELDFUSE_YOLOX"
BUNDLED = ("yolox", "nano.onnx")
"""Checkpoint and file that come with seldfuse."""

STRIDES = (8, 16, 32)
SIDE_PX = 416
"""Of the square that a file is shown that takes any, as it was trained."""

AT_ONCE = 4
"""Pictures in one pass, where the file takes several. More take memory (some 50 MB each) and save no time on a CPU."""

GREY = 114.0
"""What a picture is filled up with below or at the right."""

VALUES = 5 + len(THINGS)
"""Of each candidate: middle and size, whether anything is there, and which thing."""


def find(reference: str | None) -> WeightFiles:
    """Find the file that is named, or that the variable names, else the bundled one. Raises CheckpointError where it is
    missing."""
    named = reference or os.environ.get(VARIABLE)
    if not named:
        return WeightFiles(find_bundled_file(*BUNDLED), None)
    if not Path(named).is_file():
        raise CheckpointError(f"there is no such file of YOLOX: {named}")
    return WeightFiles(Path(named), None)


class YoloX:
    """YOLOX with the weights of a file. Raises CheckpointError where that is something else."""

    def __init__(self, weights: WeightFiles, vocabulary: Vocabulary, device: torch.device) -> None:
        # Encoders look through it, too: what they have seen is not computed again.
        self.shared = load_yolox(str(device)) if _ships(weights.file) else None
        self.session = self.shared.session if self.shared else _session(weights.file, device)
        self.vocabulary = vocabulary
        self.input, self.output = self.session.get_inputs()[0], self.session.get_outputs()[0].name
        self.at_once = 1 if isinstance(self.input.shape[0], int) else AT_ONCE
        self.side_px = self.input.shape[-1] if isinstance(self.input.shape[-1], int) else SIDE_PX
        known = [(thing, vocabulary.match(name)) for thing, name in enumerate(THINGS)]
        self.things = torch.tensor([thing for thing, phrase in known if phrase is not None], dtype=torch.long)
        self.phrases = torch.tensor([vocabulary.phrases.index(phrase) for _, phrase in known if phrase is not None])
        network, threshold = f"yolox:{weights.file.stem} {weights.hash_version()}", vocabulary.rules.box_threshold
        network += " on whole pictures" if self.shared else ""
        self.engine_id = f"{network} at {threshold} on {get_device_name(self.session)}"

    def detect(self, clip: Clip, frames: Sequence[Frame]) -> Detections:  # noqa: ARG002
        found = self._find(frames)
        pictures = torch.arange(len(frames)).repeat_interleave(torch.tensor([len(one) for one in found]))
        candidates = torch.cat(found)
        scores = candidates[:, 4:5] * candidates[:, 5:][:, self.things]
        rows, things = (scores > self.vocabulary.rules.box_threshold).nonzero(as_tuple=True)
        boxes = PhraseBoxes(
            to_corners(candidates[rows, :4]), scores[rows, things], pictures[rows], self.phrases[things]
        )
        return to_detections(boxes, frames, self.vocabulary)

    def _find(self, frames: Sequence[Frame]) -> list[Float32[Tensor, "candidate value"]]:
        """The candidates of each picture; those of the network that ships are only such as are likely at all."""
        if self.shared is not None:
            return [self.shared.find_in_frame(frame.rgb) for frame in frames]
        batches = [frames[first : first + self.at_once] for first in range(0, len(frames), self.at_once)]
        return [found for batch in batches for found in self._candidates(batch)]

    def _candidates(self, frames: Sequence[Frame]) -> Float32[Tensor, "picture candidate value"]:
        """Decoded, in pixels of each picture."""
        shown, scales = zip(*(letterbox(frame.rgb, self.side_px) for frame in frames), strict=True)
        raw = self.session.run([self.output], {self.input.name: torch.cat(shown).numpy()})[0]
        found = decode(torch.from_numpy(raw), self.side_px)
        return torch.cat([found[..., :4] / torch.tensor(scales)[:, None, None], found[..., 4:]], dim=2)


def _ships(file: Path) -> bool:
    """Test whether a file is the one that comes with seldfuse, which may be missing where another is named."""
    try:
        return file == find_bundled_file(*BUNDLED)
    except CheckpointError:
        return False


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
    fixed = bool(takes) and isinstance(takes[-1], int)
    candidates = sum((takes[-1] // stride) ** 2 for stride in STRIDES) if fixed else None
    is_square = len(takes) == 4 and takes[1] == 3 and (not fixed or takes[2] == takes[3])
    is_decodable = len(gives) == 3 and gives[2] == VALUES and (not fixed or gives[1] == candidates)
    if not (is_square and is_decodable):
        raise CheckpointError(
            f"expected YOLOX, which takes square pictures [1, 3, side, side] and gives {VALUES} values for each cell; "
            f"this takes {takes} and gives {gives}: {path}"
        )
    return session
