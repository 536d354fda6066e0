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
    scenes: Sequence[ScenePlan],
    cutouts: CutoutSet,
    backgrounds: BackgroundSet,
    encoder: ImageEncoderModel,
    has_mirror: bool = True,
) -> EncoderTokens:
    """Encode the pictures of scenes of one length that have views, and flipped where the encoder has a mirror."""
    pictures = [_render_pictures(scene, cutouts, backgrounds, encoder) for scene in scenes]
    plain = torch.stack([encode_distinct(one, encoder) for one in pictures])
    if not has_mirror:
        return EncoderTokens(plain)
    return EncoderTokens(plain, torch.stack([encode_distinct(one.flip(-1), encoder) for one in pictures]))


def _render_pictures(
    scene: ScenePlan, cutouts: CutoutSet, backgrounds: BackgroundSet, encoder: ImageEncoderModel
) -> Tensor:
    frames = render_frames(scene, cutouts, backgrounds, fps=encoder.rate_hz)
    return torch.stack([resize_to_encoder(picture, CAMERA, encoder.height_px, encoder.width_px) for picture in frames])
