"""What every engine can do, and how what it found becomes detections."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from seldfuse.sdk import UNTRACKED, Clip, Detections, Frame, drop_overlaps
from seldfuse_gdino.vocabulary import Vocabulary

SAME_THING = 0.7
"""Two boxes that share this part of their joint area, and whose phrases speak for the same classes, are one thing."""


@runtime_checkable
class PhraseEngine(Protocol):
    """A network that finds things in pictures. `engine_id` names the network, its weights, its thresholds and the
    device."""

    @property
    def engine_id(self) -> str: ...

    def detect(self, clip: Clip, frames: Sequence[Frame]) -> Detections:
        """Detect what stands in frames of a clip, called by phrases of the rules, untracked."""
        ...


@dataclass(frozen=True)
class PhraseBoxes:
    """Things found in some pictures: left, top, right and bottom in pixels; pictures and phrases are indices."""

    ltrb_px: Float[Tensor, "box 4"]
    scores: Float[Tensor, " box"]
    pictures: Int64[Tensor, " box"]
    phrases: Int64[Tensor, " box"]


def to_corners(boxes: Float[Tensor, "box 4"]) -> Float[Tensor, "box 4"]:
    """Compute left, top, right and bottom of boxes that are given by middle and size."""
    middles, sizes = boxes[:, :2], boxes[:, 2:]
    return torch.cat([middles - sizes / 2, middles + sizes / 2], dim=1)


def to_detections(boxes: PhraseBoxes, frames: Sequence[Frame], vocabulary: Vocabulary) -> Detections:
    """Make one row for each thing, cut at the picture's edges; of boxes that are the same thing the best stays."""
    height, width = frames[0].rgb.shape[:2]
    # In double precision, as boxes that cannot be the same thing are moved far apart before they are compared.
    ltrb_px = boxes.ltrb_px.double().cpu()
    ltrb_px = torch.minimum(ltrb_px.clamp(min=0), torch.tensor([width, height, width, height]))
    scores, pictures, phrases = boxes.scores.double().cpu(), boxes.pictures.cpu(), boxes.phrases.cpu()
    things = torch.tensor(vocabulary.things)
    apart_px = (pictures * len(things) + things[phrases]) * (width + height)
    real = (ltrb_px[:, 2:] > ltrb_px[:, :2]).all(dim=1).nonzero()[:, 0]
    best = real[drop_overlaps((ltrb_px + apart_px[:, None])[real], scores[real], SAME_THING)]
    best = best[pictures[best].argsort(stable=True)]
    found = zip(*(values[best].tolist() for values in (pictures, phrases, scores, ltrb_px)), strict=True)
    return Detections.from_rows(
        [
            (frames[picture].time_s, vocabulary.phrases[phrase], score, *place, UNTRACKED)
            for picture, phrase, score, place in found
        ]
    )
