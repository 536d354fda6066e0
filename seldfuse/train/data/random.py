"""Random scenes from isolated sounds."""

import torch

from seldfuse.synth.bank import SceneBank, SceneStream, SceneSupply
from seldfuse.synth.stored_scenes import StoredScenes
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data.source import ProcessShare
from seldfuse.train.recipe import Recipe


class RandomSource:
    """Scenes from a folder that is filled already, from a bank, or, on a GPU, rendered as they are drawn.

    A GPU renders sound alone: pictures are drawn by CPUs, so scenes with pictures come from a bank there, too, and so
    do those that a folder stores.
    """

    def __init__(self, supply: SceneSupply, recipe: Recipe, share: ProcessShare, device: torch.device) -> None:
        self.names = supply.features
        self.scenes = _open_scenes(supply, recipe, share, device)

    def draw(self, count: int) -> TrainingBatch:
        """Draw the next `count` scenes. Raises MediaError where no sound of a class can be read."""
        piece = self.scenes.draw(count)
        return TrainingBatch(piece.features, self.names, piece.truth, piece.embeddings)

    def seek(self, drawn: int) -> None:
        self.scenes.seek(drawn)

    def close(self) -> None:
        self.scenes.close()


def _open_scenes(
    supply: SceneSupply, recipe: Recipe, share: ProcessShare, device: torch.device
) -> StoredScenes | SceneStream | SceneBank:
    settings = recipe.synth
    if settings.scenes:
        return StoredScenes(supply, settings.scenes, recipe.run.seed, *share)
    if device.type == "cuda" and not supply.encoders and supply.folder is None:
        return SceneStream(supply, str(device), *share)
    return SceneBank(supply, max(settings.pool_size, recipe.run.batch_size), settings.uses_per_scene, *share)
