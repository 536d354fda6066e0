"""A trained audio network that teaches another one: its soft posteriors say more than labels do.

Soft activity, and direction and distance to the extent that the class is active for the teacher; on-screen is a matter
of the labels alone. After the teacher-student learning of NERC-SLIP (arXiv 2406.15160; TS-SED-SCE-ONS of DCASE 2025
Task 3), whose weights are not published.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from seldfuse.catalogue.host import load_registry
from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.load import LoadedEncoder, check_version, find_encoder, load_encoder_cached
from seldfuse.encoders.logmel_tokens import encode_logmels
from seldfuse.errors import UsageError
from seldfuse.features.stack import find_channel_slices
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.recipe import Recipe
from seldfuse.train.task import GuardedTask, TrainingTask


@dataclass(frozen=True)
class TeacherModel:
    """A frozen network that takes the same features as its student, or some of them.

    `logmel_encoders` are those whose tokens it takes beside them, of the log-mel spectrograms that the student gets.
    """

    task: TrainingTask
    network: nn.Module
    labels: LabelSet
    channels: tuple[int, ...]
    logmel_encoders: tuple[LoadedEncoder, ...] = ()

    @torch.no_grad()
    def predict_target(self, batch: TrainingBatch) -> Posterior:
        """Predict the target of a batch, on one track; fields that the network does not infer come from the labels."""
        prediction = _loudest(self.task.posterior(self.network(*self._select_inputs(batch)), self.labels))
        known = batch.target.map(lambda tensor: tensor[:, :, :, :1])
        onscreen = None if known.onscreen is None else known.onscreen.masked_fill(known.activity == 0, torch.nan)
        return replace(
            known,
            activity=prediction.activity,
            direction=known.direction if prediction.direction is None else prediction.direction,
            distance=known.distance if prediction.distance is None else prediction.distance,
            onscreen=onscreen,
        )

    def _select_inputs(self, batch: TrainingBatch) -> tuple[Any, ...]:
        """Select the teacher's features and, where it takes tokens, those of its encoders."""
        features = batch.features[:, self.channels]
        if not self.logmel_encoders:
            return (features,)
        return features, encode_logmels(batch.logmel, self.logmel_encoders)


def open_teacher(recipe: Recipe, labels: LabelSet, device: torch.device) -> TeacherModel | None:
    """Open the recipe's teacher, if it names one.

    Raises CheckpointError where it is missing, or where its encoders are other ones than it was trained with, and
    UsageError where it takes features that the student does not, tokens of other things than log-mel spectrograms, or
    knows other classes.
    """
    if not recipe.teacher:
        return None
    opened = open_checkpoint(recipe.teacher, "teacher", of_any=True)
    features, versions = opened.features, opened.config.get("encoders", {})
    follows_sound = all(find_encoder(reference).input == "logmel" for reference in versions)
    if not follows_sound or not set(features) <= set(recipe.features):
        raise UsageError(
            f"a teacher takes the features of its student ({', '.join(recipe.features)}), and tokens of log-mel "
            f"spectrograms alone; this one wants {', '.join([*features, *versions])}: {recipe.teacher}; name another "
            "one, or `--teacher none` to learn from the labels alone"
        )
    if opened.labels.names != labels.names:
        raise UsageError(f"the teacher knows other classes ({', '.join(opened.labels.names)}): {recipe.teacher}")
    value = load_registry().find_backend(opened.config["backend"]).value
    if value.task is None:
        raise UsageError(f"the backend {value.name} brings no trainer, so it cannot teach: {recipe.teacher}")
    task = GuardedTask(load_registry().backends[value.name])
    network = opened.build(task.build)
    opened.load_into(network)
    places = find_channel_slices(recipe.features)
    channels = tuple(channel for name in features for channel in range(places[name].start, places[name].stop))
    network = network.to(device).eval().requires_grad_(False)
    return TeacherModel(task, network, opened.labels, channels, _load_encoders(versions, recipe.teacher, device))


def _load_encoders(versions: Mapping[str, str], teacher: str, device: torch.device) -> tuple[LoadedEncoder, ...]:
    encoders = {reference: load_encoder_cached(reference, str(device)) for reference in versions}
    for reference, encoder in encoders.items():
        check_version(encoder, reference, versions[reference], teacher)
    return tuple(encoders.values())


def _loudest(prediction: Posterior) -> Posterior:
    """Select the most active track of each class."""
    if prediction.tracks == 1:
        return prediction
    best = prediction.activity.argmax(dim=3, keepdim=True)

    def taken(values: Tensor) -> Tensor:
        return values.take_along_dim(best if values.ndim == best.ndim else best.unsqueeze(-1), dim=3)

    return prediction.map(taken)
