"""What an encoder sees of planned scenes, without a video in between."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seldfuse.features.embedding import Embedding
from seldfuse.features.encoders.encoder import PictureEncoder
from seldfuse.features.thrift import encoded
from seldfuse.features.view import as_seen
from seldfuse.synth.draw import Stage
from seldfuse.synth.pictures.film import CAMERA, frames
from seldfuse.synth.scene import Scene


def seen(scenes: Sequence[Scene], stage: Stage, encoder: PictureEncoder) -> Embedding:
    """Tokens of scenes of one length that have views, each encoded as it is and flipped."""
    sides = [_sides(scene, stage, encoder) for scene in scenes]
    plain, flipped = zip(*sides, strict=True)
    return Embedding(torch.stack(plain), torch.stack(flipped))


def _sides(scene: Scene, stage: Stage, encoder: PictureEncoder) -> tuple[Tensor, Tensor]:
    assert stage.sprites is not None
    assert stage.backdrops is not None
    film = frames(scene, stage.sprites, stage.backdrops, fps=encoder.rate_hz)
    pictures = torch.stack([as_seen(picture, CAMERA, encoder.height_px, encoder.width_px) for picture in film])
    return encoded(pictures, encoder), encoded(pictures.flip(-1), encoder)
