"""What an encoder sees of planned scenes, without a video in between."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seldfuse.encoders.deduplicate import encode_distinct
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.encoders.resize import resize_to_encoder
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.pictures.film import CAMERA, render_frames
from seldfuse.synth.scene import ScenePlan


def encode_views(scenes: Sequence[ScenePlan], stage: SceneIngredients, encoder: ImageEncoderModel) -> EncoderTokens:
    """Tokens of scenes of one length that have views, each encoded as it is and flipped."""
    sides = [_sides(scene, stage, encoder) for scene in scenes]
    plain, flipped = zip(*sides, strict=True)
    return EncoderTokens(torch.stack(plain), torch.stack(flipped))


def _sides(scene: ScenePlan, stage: SceneIngredients, encoder: ImageEncoderModel) -> tuple[Tensor, Tensor]:
    assert stage.sprites is not None
    assert stage.backdrops is not None
    film = render_frames(scene, stage.sprites, stage.backdrops, fps=encoder.rate_hz)
    pictures = torch.stack(
        [resize_to_encoder(picture, CAMERA, encoder.height_px, encoder.width_px) for picture in film]
    )
    return encode_distinct(pictures, encoder), encode_distinct(pictures.flip(-1), encoder)
