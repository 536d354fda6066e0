"""`movenet`: MoveNet MultiPose (Google, 2021), which finds up to six people in one pass, as an ONNX file.

The one that comes with seldfuse takes several pictures at once, others one.
"""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int32, UInt8
from torch.nn import functional as F

from seldfuse.sdk import (
    KEYPOINTS,
    CheckpointError,
    Clip,
    Detections,
    Frame,
    WeightFiles,
    find_bundled_file,
    get_device_name,
    open_session,
)
from seldfuse_keypoint.people import select_people

VARIABLE = "SELDFUSE_MOVENET"
BUNDLED = ("movenet", "multipose.onnx")
"""Checkpoint and file that come with seldfuse."""

LONGEST_PX, STEP_PX = 512, 32
"""Of what the network is shown: the longer side, and what both sides are multiples of."""

VALUES = 3 * len(KEYPOINTS) + 5
"""Of each candidate: y, x and score of each point, then ymin, xmin, ymax, xmax and score; places as shares of sides."""

FLOOR = 0.1
"""The network always gives six candidates; below this score there is mostly nobody (docs/keypoint.md)."""

HASH_DIGITS = 8
AT_ONCE = 4
"""Pictures in one pass, where the file takes several. More take memory (some 50 MB each) and save no time on a CPU."""


class MoveNet:
    """MoveNet with the weights of a file. Raises CheckpointError where that is something else."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.session = _session(path, device)
        self.input, self.output = self.session.get_inputs()[0], self.session.get_outputs()[0].name
        self.at_once = 1 if isinstance(self.input.shape[0], int) else AT_ONCE
        version = WeightFiles(path, None).hash_version()[:HASH_DIGITS]
        self.engine_id = f"movenet {version} on {get_device_name(self.session)}"

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:  # noqa: ARG002
        found = self._candidates(frames)
        points = found[..., :-5].reshape(*found.shape[:2], len(KEYPOINTS), 3)[..., [1, 0, 2]]
        boxes, scores = found[..., [-4, -5, -2, -3]], found[..., -1]
        frame_indices, candidates = np.nonzero(~(scores < FLOOR))
        return select_people(
            frames,
            frame_indices,
            boxes[frame_indices, candidates],
            scores[frame_indices, candidates],
            points[frame_indices, candidates],
        )

    def _candidates(self, frames: Sequence[Frame]) -> Float[np.ndarray, "frame candidate value"]:
        """As the network gives them, but in pixels. Neighbors of one size go through it together."""
        shown, px_per_px = zip(*(fit_to_square(frame.rgb) for frame in frames), strict=True)
        alike = (list(group) for _, group in groupby(shown, lambda picture: picture.shape))
        batches = [
            group[first : first + self.at_once] for group in alike for first in range(0, len(group), self.at_once)
        ]
        found = np.concatenate([self._run(np.stack(batch)) for batch in batches])
        sides = np.array([picture.shape[:2] for picture in shown]) * np.array(px_per_px)[:, None]  # (frame, 2)
        ones = np.ones((len(frames), 1))
        scale = np.hstack([np.tile(np.hstack([sides, ones]), len(KEYPOINTS)), sides, sides, ones])
        return np.asarray(found.astype(float) * scale[:, None])

    def _run(self, pictures: Int32[np.ndarray, "picture high wide 3"]) -> Float[np.ndarray, "picture candidate value"]:
        found: np.ndarray = self.session.run([self.output], {self.input.name: pictures})[0]
        return found


def find(weights: str | None) -> Path:
    """Find the file that is named, or that the variable names, else the bundled one. Raises CheckpointError where it is
    missing."""
    named = weights or os.environ.get(VARIABLE)
    if not named:
        return find_bundled_file(*BUNDLED)
    if not Path(named).is_file():
        raise CheckpointError(f"there is no such file of MoveNet: {named}")
    return Path(named)


def fit_to_square(rgb: UInt8[np.ndarray, "height width 3"]) -> tuple[Int32[np.ndarray, "high wide 3"], float]:
    """Fit a picture to the network's square; return it, and how many of its pixels one of the new ones is.

    It keeps its aspect, lies at the top left, and is filled up with black.
    """
    height, width = rgb.shape[:2]
    px_per_px = max(height, width) / LONGEST_PX
    size = [max(round(side / px_per_px), 1) for side in (height, width)]
    picture = torch.tensor(rgb).permute(2, 0, 1)[None]
    small = F.interpolate(picture, size=size, mode="bilinear", antialias=True)
    filled = F.pad(small, (0, -size[1] % STEP_PX, 0, -size[0] % STEP_PX))
    return filled[0].permute(1, 2, 0).to(torch.int32).numpy(), px_per_px


def _session(path: Path, device: torch.device) -> Any:
    session = open_session(path, device, "MoveNet MultiPose")
    takes, gives = session.get_inputs()[0], session.get_outputs()[0]
    if takes.type != "tensor(int32)" or takes.shape[-1] != 3 or gives.shape[-1] != VALUES:
        raise CheckpointError(
            f"expected MoveNet MultiPose, which takes int32 [1, height, width, 3] and gives [1, 6, {VALUES}]; "
            f"this takes {takes.type} {takes.shape} and gives {gives.shape}: {path}"
        )
    return session
