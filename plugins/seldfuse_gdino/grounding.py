"""Prompts for a network of the Grounding DINO kind (Liu et al. 2023), and its boxes by prompt.

All names are one text, `name . name . …`, and the network scores for each box and each token of the text how likely
they belong together. So which token belongs to which name must be known, and scores are gathered by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor
from torch.nn import functional as F

from seldfuse.sdk import Clip, Detections, Frame, UsageError
from seldfuse_gdino.engine import PhraseBoxes, to_corners, to_detections
from seldfuse_gdino.vocabulary import Vocabulary

LONGEST = 256
"""Tokens that the networks were made for."""

AT_ONCE = 8
"""Pictures in one pass on a GPU; on a CPU one by one is as fast and needs less memory."""


@dataclass(frozen=True)
class GroundingPrompt:
    """The names of a vocabulary's prompts as one text and as its tokens; `owners` marks the tokens of each."""

    text: str
    ids: Int64[Tensor, " token"]
    owners: Bool[Tensor, "prompt token"]

    @classmethod
    def from_phrases(cls, prompts: Sequence[str], tokenizer: Any) -> "GroundingPrompt":
        """Build the prompt by BERT's tokenizer, which splits at spaces and dots first. Raises UsageError where the text
        is too long."""
        pieces = [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(prompt)) for prompt in prompts]
        dot = tokenizer.convert_tokens_to_ids(".")
        ids, owner = [tokenizer.cls_token_id], [-1]
        for index, piece in enumerate(pieces):
            ids += [*piece, dot]
            owner += [index] * len(piece) + [-1]
        ids, owner = [*ids, tokenizer.sep_token_id], [*owner, -1]
        if len(ids) > LONGEST:
            raise UsageError(
                f"the prompts of all classes are {len(ids)} tokens, at most {LONGEST} are understood; leave some out"
            )
        owners = torch.tensor(owner) == torch.arange(len(prompts))[:, None]
        return cls(" . ".join(prompts) + " .", torch.tensor(ids), owners)


@dataclass(frozen=True)
class ImagePreparation:
    """How pictures are prepared: the lengths of their sides, and ImageNet's mean and deviation of each colour."""

    shortest_px: int = 800
    longest_px: int = 1333
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    deviation: tuple[float, ...] = (0.229, 0.224, 0.225)

    def size_px(self, height: int, width: int) -> tuple[int, int]:
        """Compute height and width of a picture that was enlarged or shrunk as far as both limits allow."""
        scale = min(self.shortest_px / min(height, width), self.longest_px / max(height, width))
        return round(height * scale), round(width * scale)

    def prepare(self, frames: Sequence[Frame], device: torch.device) -> Float32[Tensor, "picture 3 height width"]:
        pictures = torch.from_numpy(np.stack([frame.rgb for frame in frames])).to(device).permute(0, 3, 1, 2)
        size = self.size_px(*pictures.shape[2:])
        resized = F.interpolate(pictures.float(), size, mode="bilinear", antialias=True).round() / 255.0
        mean, deviation = (torch.tensor(values, device=device)[:, None, None] for values in (self.mean, self.deviation))
        return (resized - mean) / deviation


GroundingOutput = tuple[Float[Tensor, "picture query token"], Float[Tensor, "picture query 4"]]
"""Logits by box and token, and boxes: middle and size as shares of the picture."""


@dataclass(frozen=True)
class GroundingEngine:
    """An engine around a network, which has `weights` and gives its `answer` to prepared pictures."""

    weights: str
    answer: Callable[[Float32[Tensor, "picture 3 height width"]], GroundingOutput]
    question: GroundingPrompt
    vocabulary: Vocabulary
    front: ImagePreparation
    device: torch.device

    @property
    def engine_id(self) -> str:
        rules = self.vocabulary.rules
        return f"{self.weights} at {rules.box_threshold}/{rules.text_threshold} on {self.device.type}"

    @torch.inference_mode()
    def detect(self, clip: Clip, frames: Sequence[Frame]) -> Detections:  # noqa: ARG002
        at_once = AT_ONCE if self.device.type == "cuda" else 1
        batches = (frames[start : start + at_once] for start in range(0, len(frames), at_once))
        return Detections.concat([self._detect(batch) for batch in batches])

    def _detect(self, frames: Sequence[Frame]) -> Detections:
        pictures = self.front.prepare(frames, self.device)
        with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
            logits, boxes = self.answer(pictures)
        height, width = frames[0].rgb.shape[:2]
        rules = self.vocabulary.rules
        answer = (logits.float().cpu(), boxes.float().cpu())
        found = gather_boxes(*answer, self.question.owners, rules.box_threshold, rules.text_threshold)
        found = replace(
            found,
            ltrb_px=found.ltrb_px * torch.tensor([width, height, width, height]),
            phrases=torch.tensor(self.vocabulary.answers)[found.phrases],
        )
        return to_detections(found, frames, self.vocabulary)


def gather_boxes(
    logits: Float[Tensor, "picture query longest"],
    boxes: Float[Tensor, "picture query 4"],
    owners: Bool[Tensor, "prompt token"],
    box_threshold: float,
    text_threshold: float,
) -> PhraseBoxes:
    """Gather the boxes of which some token is likelier than `box_threshold`, by prompts with a token that is likelier
    than `text_threshold`. Places are shares of the picture, phrases are indices of prompts.

    A box is called by the prompt whose tokens have the largest mean. So a box for which "cell" and "phone" are likely
    is a cell phone, not a phone, and one for which only "vacuum" is likely is a vacuum cleaner.
    """
    mine = owners.float()
    likely = logits[..., : mine.shape[1]].sigmoid()  # (picture, query, token)
    named = (likely > text_threshold).float() @ mine.T > 0  # (picture, query, prompt)
    means = (likely @ mine.T / mine.sum(dim=1)).masked_fill(~named, 0)
    scores = (likely * owners.any(dim=0)).amax(dim=2)
    pictures, queries = ((scores > box_threshold) & named.any(dim=2)).nonzero(as_tuple=True)
    return PhraseBoxes(
        to_corners(boxes[pictures, queries]),
        scores[pictures, queries],
        pictures,
        means[pictures, queries].argmax(dim=1),
    )
