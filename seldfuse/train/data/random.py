"""Random scenes from isolated sounds."""

import torch

from seldfuse.synth.bank import SceneBank, SceneStream, Supply
from seldfuse.train.batch import Batch
from seldfuse.train.data.source import Share


class RandomScenes:
    """Scenes from a bank, or, on a GPU, rendered as they are drawn.

    A GPU renders sound alone: pictures are drawn by CPUs, so scenes that are seen come from a bank there, too, and so
    do those that a folder keeps.
    """

    def __init__(self, supply: Supply, on_hand: int, uses: int, share: Share, device: torch.device) -> None:
        self.names = supply.features
        self.scenes: SceneBank | SceneStream = (
            SceneStream(supply, str(device), *share)
            if device.type == "cuda" and not supply.encoders and supply.folder is None
            else SceneBank(supply, on_hand, uses, *share)
        )

    def draw(self, count: int) -> Batch:
        """The next `count` scenes. Raises MediaError where no sound of a class can be read."""
        piece = self.scenes.draw(count)
        return Batch(piece.features, self.names, piece.truth, piece.embeddings)

    def seek(self, drawn: int) -> None:
        self.scenes.seek(drawn)

    def close(self) -> None:
        self.scenes.close()
