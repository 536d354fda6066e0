"""Tokens of the pictures of planned scenes, without a video in between."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seldfuse.encoders.deduplicate import encode_distinct
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.encoders.resize import resize_to_encoder
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.synth.pictures.background import BackgroundSet
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.pictures.film import CAMERA, render_frames
from seldfuse.synth.scene import ScenePlan


def encode_views(
    scenes: Sequence[ScenePlan], cutouts: CutoutSet, backgrounds: BackgroundSet, encoder: ImageEncoderModel
) -> EncoderTokens:
    """Encode the pictures of scenes of one length that have views, each as it is and flipped."""
    sides = [_encode_sides(scene, cutouts, backgrounds, encoder) for scene in scenes]
    plain, flipped = zip(*sides, strict=True)
    return EncoderTokens(torch.stack(plain), torch.stack(flipped))


def _encode_sides(
    scene: ScenePlan, cutouts: CutoutSet, backgrounds: BackgroundSet, encoder: ImageEncoderModel
) -> tuple[Tensor, Tensor]:
    frames = render_frames(scene, cutouts, backgrounds, fps=encoder.rate_hz)
    pictures = torch.stack(
        [resize_to_encoder(picture, CAMERA, encoder.height_px, encoder.width_px) for picture in frames]
    )
    return encode_distinct(pictures, encoder), encode_distinct(pictures.flip(-1), encoder)
