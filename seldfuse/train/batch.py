"""What a network is taught with."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.posterior import Posterior
from seldfuse.encoders.load import LoadedEncoder
from seldfuse.encoders.logmel_tokens import encode_logmels
from seldfuse.encoders.tokens import TokensByEncoder, concat_tokens, map_tokens
from seldfuse.features.stack import find_channel_slices


@dataclass(frozen=True)
class TrainingBatch:
    """Stacked features of some scenes, and what sounds in them.

    `names` are the features in the order of their channels (see `seldfuse.features.stack`). `truth` has up to three
    tracks, filled from the first; its activity is 0 or 1, or between them where scenes were mixed. `embeddings` are
    what encoders see of the scenes. `logmel_encoders` are those whose tokens follow from the log-mel spectrograms among
    the features, as they are after augmentation.
    """

    features: Float[Tensor, "batch channel time mel"]
    names: tuple[str, ...]
    target: Posterior
    embeddings: TokensByEncoder = field(default_factory=dict)
    logmel_encoders: tuple[LoadedEncoder, ...] = ()

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Return what a network is called with: features and, where there are encoders, their tokens for each frame."""
        tokens = {name: embedding.repeat_to_frames(self.target.frames) for name, embedding in self.embeddings.items()}
        if self.logmel_encoders:
            tokens |= encode_logmels(self.logmel, self.logmel_encoders)
        return (self.features, tokens) if tokens else (self.features,)

    @property
    def logmel(self) -> Float[Tensor, "batch 2 time mel"]:
        """Return the log-mel spectrograms of left and right among the features, where they are."""
        return self.features[:, find_channel_slices(self.names)["logmel"]]

    def __len__(self) -> int:
        return len(self.features)

    def to(self, device: torch.device | str) -> "TrainingBatch":
        tokens = map_tokens(self.embeddings, lambda tensor: tensor.to(device))
        return replace(self, features=self.features.to(device), target=self.target.to(device), embeddings=tokens)

    @classmethod
    def concat(cls, parts: "list[TrainingBatch]") -> "TrainingBatch":
        """Concatenate the scenes of several batches with the same features, one after the other."""
        features = torch.cat([part.features for part in parts])
        truth = Posterior.concat([part.target for part in parts])
        return TrainingBatch(features, parts[0].names, truth, concat_tokens([part.embeddings for part in parts]))
