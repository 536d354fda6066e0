"""Tokens of a clip's pictures, five seconds at a time."""

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip import Clip, FrameSource
from seldfuse.core.geometry import Camera
from seldfuse.core.grid import FRAMES_PER_S
from seldfuse.encoders.deduplicate import encode_distinct
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.encoders.resize import resize_to_encoder
from seldfuse.encoders.token_cache import TokenCache, get_or_compute
from seldfuse.errors import MediaError
from seldfuse.media.picture import hash_pictures

PIECE_S = 5
PIECE_FRAMES = PIECE_S * FRAMES_PER_S
PIECES_HELD = 3
"""A window reaches into two pieces; the last one of a recording may go back to a third."""


class VideoTokenReader:
    """Tokens of one clip's pictures on the grid of 100 ms frames.

    With `flipped` every picture has left and right exchanged. `cache` is asked before anything is decoded. `note` is
    told of pictures that cannot be decoded; where there are none, tokens are NaN, from `end_s` on, which is infinite as
    long as no end has been met.
    """

    def __init__(
        self,
        video: FrameSource | None,
        camera: Camera,
        path: Path | None,
        encoder: ImageEncoderModel,
        cache: TokenCache | None,
        note: Callable[[str], None],
        flipped: bool = False,
    ) -> None:
        self.video, self.camera, self.path = video, camera, path
        self.encoder, self.cache, self.note, self.flipped = encoder, cache, note, flipped
        self.read_piece = lru_cache(PIECES_HELD)(self._get_or_compute)
        self.end_s = math.inf if video is not None else 0.0

    @classmethod
    def from_clip(
        cls, clip: Clip, encoder: ImageEncoderModel, cache: TokenCache | None, note: Callable[[str], None]
    ) -> "VideoTokenReader":
        """Read the pictures of a clip."""
        return cls(clip.video, clip.camera, clip.video_path, encoder, cache, note)

    def read_window(self, start_frame: int, frames: int) -> Float[Tensor, "frame token channel"]:
        """Read the tokens of some frames; NaN where the clip has no picture."""
        first, last = start_frame // PIECE_FRAMES, (start_frame + frames - 1) // PIECE_FRAMES
        tokens = torch.cat([self.read_piece(number) for number in range(first, last + 1)])
        repeated = tokens.repeat_interleave(FRAMES_PER_S // self.encoder.rate_hz, dim=0)
        return repeated[start_frame - first * PIECE_FRAMES :][:frames]

    def _get_or_compute(self, number: int) -> Float[Tensor, "picture token channel"]:
        """`piece(number)`: five seconds at the encoder's own rate."""
        found = get_or_compute(self.cache, self._key(number), self._shape, lambda: self._encode_pictures(number))
        there = int((~found[:, 0, 0].isnan()).sum())
        if there < len(found):
            self.end_s = min(self.end_s, number * PIECE_S + there / self.encoder.rate_hz)
        return found

    @property
    def _shape(self) -> tuple[int, int, int]:
        """The shape of a piece's tokens."""
        return PIECE_S * self.encoder.rate_hz, self.encoder.tokens, self.encoder.channels

    def _encode_pictures(self, number: int) -> Float[Tensor, "picture token channel"]:
        encoder, pictures = self.encoder, self._pictures(number)
        blank = torch.full((PIECE_S * encoder.rate_hz - len(pictures), encoder.tokens, encoder.channels), torch.nan)
        if not pictures:
            return blank
        return torch.cat([encode_distinct(torch.stack(pictures), encoder).float(), blank])

    def _pictures(self, number: int) -> list[Tensor]:
        """The pictures of a piece as far as there are any."""
        # Behind the end there is nothing, and to find that out would mean decoding everything before it.
        start_s = float(number * PIECE_S)
        if self.video is None or self.end_s <= start_s:
            return []
        pictures = []
        try:
            for frame in self.video.frames(float(self.encoder.rate_hz), start_s, start_s + PIECE_S):
                picture = resize_to_encoder(frame.rgb, self.camera, self.encoder.height_px, self.encoder.width_px)
                pictures.append(picture.flip(-1) if self.flipped else picture)
        except MediaError as error:
            self.note(f"the picture cannot be decoded any further: {error}")
        return pictures

    def _key(self, number: int) -> str | None:
        """What the tokens depend on; None where that is not known."""
        pictures = hash_pictures(self.path, self.video)
        if pictures is None or self.video is None:
            return None
        encoder, turn = self.encoder, "flipped" if self.flipped else "plain"
        field_deg = self.camera.horizontal_fov_deg
        return f"{pictures} {encoder.name} {encoder.version} {encoder.rate_hz} {field_deg:g} {number} {turn}"
