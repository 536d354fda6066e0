"""What a network is taught with."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.posterior import Posterior


@dataclass(frozen=True)
class Batch:
    """Stacked features of some scenes, and what sounds in them.

    `names` are the features in the order of their channels (see `seldfuse.features.stack`). `truth` has up to three
    tracks, filled from the first; its activity is 0 or 1, or between them where scenes were mixed.
    """

    features: Float[Tensor, "batch channel time mel"]
    names: tuple[str, ...]
    truth: Posterior

    def __len__(self) -> int:
        return len(self.features)

    def to(self, device: torch.device | str) -> "Batch":
        return replace(self, features=self.features.to(device), truth=self.truth.to(device))

    @classmethod
    def join(cls, parts: "list[Batch]") -> "Batch":
        """The scenes of several batches with the same features, one after the other."""
        features = torch.cat([part.features for part in parts])
        return Batch(features, parts[0].names, Posterior.join([part.truth for part in parts]))
