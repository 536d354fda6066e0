"""Random scenes from isolated sounds."""

import torch

from seldfuse.synth.bank import SceneBank, SceneStream, SceneSupply
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data.source import ProcessShare


class RandomSource:
    """Scenes from a bank, or, on a GPU, rendered as they are drawn.

    A GPU renders sound alone: pictures are drawn by CPUs, so scenes with pictures come from a bank there, too, and so
    do those that a folder stores.
    """

    def __init__(
        self, supply: SceneSupply, pool_size: int, uses_per_scene: int, share: ProcessShare, device: torch.device
    ) -> None:
        self.names = supply.features
        self.scenes: SceneBank | SceneStream = (
            SceneStream(supply, str(device), *share)
            if device.type == "cuda" and not supply.encoders and supply.folder is None
            else SceneBank(supply, pool_size, uses_per_scene, *share)
        )

    def draw(self, count: int) -> TrainingBatch:
        """Draw the next `count` scenes. Raises MediaError where no sound of a class can be read."""
        piece = self.scenes.draw(count)
        return TrainingBatch(piece.features, self.names, piece.truth, piece.embeddings)

    def seek(self, drawn: int) -> None:
        self.scenes.seek(drawn)

    def close(self) -> None:
        self.scenes.close()
