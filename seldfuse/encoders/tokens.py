"""Tokens of scenes, as they are and with left and right exchanged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class EncoderTokens:
    """Tokens at the encoder's own rate, NaN where there is no picture; both sides have one shape.

    `input` is what the encoder takes. `flipped` is None for sound, in which encoders know no left and right, and for
    encoders of pictures that have no mirror.
    """

    plain: Float[Tensor, "scene picture token channel"]
    flipped: Float[Tensor, "scene picture token channel"] | None = None
    input: Literal["pictures", "audio"] = "pictures"

    def map(self, change: Callable[[Tensor], Tensor]) -> "EncoderTokens":
        """Change the tokens of both sides."""
        flipped = None if self.flipped is None else change(self.flipped)
        return replace(self, plain=change(self.plain), flipped=flipped)

    def swap_rows(self, rows: Tensor) -> "EncoderTokens":
        """Exchange left and right in these scenes."""
        if self.flipped is None:
            return self
        return replace(
            self,
            plain=self.plain.index_copy(0, rows, self.flipped[rows]),
            flipped=self.flipped.index_copy(0, rows, self.plain[rows]),
        )

    def repeat_to_frames(self, frames: int) -> Float[Tensor, "scene frame token channel"]:
        """Repeat each picture's plain tokens for as many frames of 100 ms as it stands for."""
        return self.plain.repeat_interleave(frames // self.plain.shape[1], dim=1)


TokensByEncoder = Mapping[str, EncoderTokens]
"""By the name of the encoder."""


def concat_tokens(parts: Sequence[TokensByEncoder]) -> dict[str, EncoderTokens]:
    """Concatenate the scenes of several batches with tokens of the same encoders."""
    return {name: _concat([part[name] for part in parts]) for name in parts[0]}


def map_tokens(tokens: TokensByEncoder, change: Callable[[Tensor], Tensor]) -> dict[str, EncoderTokens]:
    """Change the tokens of every encoder."""
    return {name: one.map(change) for name, one in tokens.items()}


def _concat(parts: Sequence[EncoderTokens]) -> EncoderTokens:
    flipped = [part.flipped for part in parts if part.flipped is not None]
    plain = torch.cat([part.plain for part in parts])
    return replace(parts[0], plain=plain, flipped=torch.cat(flipped) if flipped else None)
