"""Tokens of the pictures of planned scenes, without a video in between."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seldfuse.core.geometry import Camera
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
    camera = _find_camera(scene, encoder)
    frames = render_frames(scene, cutouts, backgrounds, camera, fps=encoder.rate_hz)
    return torch.stack([resize_to_encoder(picture, camera, encoder.height_px, encoder.width_px) for picture in frames])


def _find_camera(scene: ScenePlan, encoder: ImageEncoderModel) -> Camera:
    """The challenge's camera; with the encoder's size where the plan says what becomes of the picture: what a real
    camera does to it is then done at that size, which takes a quarter of the time.
    """
    has_look = scene.view is not None and scene.view.look is not None
    same_shape = encoder.width_px * CAMERA.height_px == encoder.height_px * CAMERA.width_px
    small = has_look and same_shape and encoder.width_px <= CAMERA.width_px
    return Camera(encoder.width_px, encoder.height_px) if small else CAMERA
