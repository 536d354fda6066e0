"""A trained audio network that teaches another one: its soft posteriors say more than labels do.

Soft activity, and direction and distance to the extent that the class is active for the teacher; on-screen is a matter
of the labels alone. After the teacher-student learning of NERC-SLIP (arXiv 2406.15160; TS-SED-SCE-ONS of DCASE 2025
Task 3), whose weights are not published.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.features.stack import find_channel_slices
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.recipe import Recipe
from seldfuse.train.task import TrainingTask


@dataclass(frozen=True)
class TeacherModel:
    """A frozen network that takes the same features as its student, or some of them."""

    task: TrainingTask
    network: nn.Module
    labels: LabelSet
    channels: tuple[int, ...]

    @torch.no_grad()
    def predict_target(self, batch: TrainingBatch) -> Posterior:
        """Predict the target of a batch, on one track; fields that the network does not infer come from the labels."""
        prediction = _loudest(self.task.posterior(self.network(batch.features[:, self.channels]), self.labels))
        known = batch.target.map(lambda tensor: tensor[:, :, :, :1])
        onscreen = None if known.onscreen is None else known.onscreen.masked_fill(known.activity == 0, torch.nan)
        return replace(
            known,
            activity=prediction.activity,
            direction=known.direction if prediction.direction is None else prediction.direction,
            distance=known.distance if prediction.distance is None else prediction.distance,
            onscreen=onscreen,
        )


def open_teacher(recipe: Recipe, labels: LabelSet, device: torch.device) -> TeacherModel | None:
    """Open the recipe's teacher, if it names one.

    Raises CheckpointError where it is missing, UsageError where it takes features that the student does not, needs
    pictures or knows other classes.
    """
    if not recipe.teacher:
        return None
    opened = open_checkpoint(recipe.teacher, "teacher", of_any=True)
    features = tuple(opened.config["features"])
    if opened.config.get("encoders") or not set(features) <= set(recipe.features):
        raise UsageError(
            f"a teacher takes the features of its student ({', '.join(recipe.features)}), and no pictures; "
            f"this one wants {', '.join([*features, *opened.config.get('encoders', {})])}: {recipe.teacher}"
        )
    if opened.labels.names != labels.names:
        raise UsageError(f"the teacher knows other classes ({', '.join(opened.labels.names)}): {recipe.teacher}")
    value = load_registry().find_backend(opened.config["backend"]).value
    if value.task is None:
        raise UsageError(f"the backend {value.name} brings no trainer, so it cannot teach: {recipe.teacher}")
    task = load_reference(value.task)()
    network = task.build(opened.config["network"], opened.labels)
    opened.load_into(network)
    places = find_channel_slices(recipe.features)
    channels = tuple(channel for name in features for channel in range(places[name].start, places[name].stop))
    return TeacherModel(task, network.to(device).eval().requires_grad_(False), opened.labels, channels)


def _loudest(prediction: Posterior) -> Posterior:
    """Select the most active track of each class."""
    if prediction.tracks == 1:
        return prediction
    best = prediction.activity.argmax(dim=3, keepdim=True)

    def taken(values: Tensor) -> Tensor:
        return values.take_along_dim(best if values.ndim == best.ndim else best.unsqueeze(-1), dim=3)

    return prediction.map(taken)
