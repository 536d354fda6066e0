"""What an encoder made of scenes, as they are and with left and right exchanged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class EncoderTokens:
    """Tokens at the encoder's own rate, NaN where there is no picture; both sides have one shape.

    `flipped` is None for what is heard, in which encoders know no left and right.
    """

    plain: Float[Tensor, "scene picture token channel"]
    flipped: Float[Tensor, "scene picture token channel"] | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "EncoderTokens":
        return EncoderTokens(change(self.plain), None if self.flipped is None else change(self.flipped))

    def swap_rows(self, rows: Tensor) -> "EncoderTokens":
        """With left and right exchanged in these scenes."""
        if self.flipped is None:
            return self
        return EncoderTokens(
            self.plain.index_copy(0, rows, self.flipped[rows]), self.flipped.index_copy(0, rows, self.plain[rows])
        )

    def repeat_to_frames(self, frames: int) -> Float[Tensor, "scene frame token channel"]:
        """The plain side, each picture for as many frames of 100 ms as it was looked at."""
        return self.plain.repeat_interleave(frames // self.plain.shape[1], dim=1)


TokensByEncoder = Mapping[str, EncoderTokens]
"""By the name of the encoder."""


def concat_tokens(parts: Sequence[TokensByEncoder]) -> dict[str, EncoderTokens]:
    """The scenes of several batches, seen by the same encoders, one after the other."""
    return {name: _concat([part[name] for part in parts]) for name in parts[0]}


def map_tokens(embeddings: TokensByEncoder, change: Callable[[Tensor], Tensor]) -> dict[str, EncoderTokens]:
    return {name: embedding.map(change) for name, embedding in embeddings.items()}


def _concat(parts: Sequence[EncoderTokens]) -> EncoderTokens:
    flipped = [part.flipped for part in parts if part.flipped is not None]
    return EncoderTokens(torch.cat([part.plain for part in parts]), torch.cat(flipped) if flipped else None)
