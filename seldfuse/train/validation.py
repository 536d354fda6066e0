"""Scores on scenes that were not trained on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from seldfuse.catalogue.values import Score
from seldfuse.core.events import Events
from seldfuse.encoders.load import LoadedEncoder
from seldfuse.errors import PluginError
from seldfuse.fusion import decode_frames
from seldfuse.metrics.evaluated import EvaluatedScores
from seldfuse.metrics.event_matches import EventSpans, match_events
from seldfuse.metrics.matches import find_matches
from seldfuse.metrics.registered import find_score
from seldfuse.synth.bank import CHUNK, SceneChunk, SceneSupply
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.task import TrainingTask


@runtime_checkable
class Validation(Protocol):
    """Scenes with their true events."""

    references: list[Events]

    @property
    def labelled(self) -> Bool[np.ndarray, "scene cls"] | None:
        """The classes of each scene of which it is known where they sound; all of them where it is None."""
        ...

    def batches(self) -> Iterator[TrainingBatch]:
        """Yield all scenes, in the order of the references."""
        ...


class RandomValidation:
    """A fixed set of random scenes, rendered once; the same seed and sounds give the same scenes.

    They are held in half precision, as they are stored.
    """

    def __init__(self, supply: SceneSupply, count: int, device: torch.device) -> None:
        self.references: list[Events] = []
        self.labelled = None
        self._names = supply.features
        self._chunks: list[SceneChunk] = []
        for number, first in enumerate(range(0, count, CHUNK)):
            chunk = _first(supply.load_chunk(number), count - first)
            self.references += decode_frames(chunk.truth.map(Tensor.float))
            self._chunks.append(chunk.map(lambda tensor: tensor.to(device)))

    def batches(self) -> Iterator[TrainingBatch]:
        """Yield all scenes in single precision, a chunk at a time."""
        for chunk in self._chunks:
            whole = chunk.map(Tensor.float)
            yield TrainingBatch(whole.features, self._names, whole.truth, whole.embeddings)


def find_criterion(task: TrainingTask) -> Score:
    """Find the score by which a task chooses its best checkpoint. Raises PluginError where no score has its name."""
    try:
        return find_score(task.criterion)
    except PluginError as error:
        raise PluginError(f"the training task of {task.backend!r} has an unknown criterion: {error}") from error


def _first(piece: SceneChunk, count: int) -> SceneChunk:
    """At most so many scenes."""
    return piece.map(lambda tensor: tensor[:count])


def _keep_classes(events: Events, known: Bool[np.ndarray, "cls"]) -> Events:
    kept = known[events.columns["cls"]]
    if kept.all():
        return events
    columns = {name: values[kept] for name, values in events.columns.items()}
    return Events.from_batch(columns, [int(kept.sum())], events.labels, events.hop_s)[0]


def score_network(
    task: TrainingTask,
    network: nn.Module,
    validation: Validation,
    logmel_encoders: tuple[LoadedEncoder, ...] = (),
) -> EvaluatedScores:
    """Compute the strict scores and skill, macro over classes, of a network in evaluation mode.

    What it says of classes that were not annotated in a scene counts neither for nor against it.
    """
    labels = validation.references[0].labels
    predictions: list[Events] = []
    with torch.inference_mode():
        for batch in validation.batches():
            output: Any = network(*replace(batch, logmel_encoders=logmel_encoders).inputs)
            predictions += decode_frames(task.posterior(output, labels).to("cpu"))
    if validation.labelled is not None:
        pairs = zip(predictions, validation.labelled, strict=True)
        predictions = [_keep_classes(events, known) for events, known in pairs]
    matches = find_matches(validation.references, predictions, labels, mode="strict")
    truth, found = EventSpans.from_scenes(validation.references), EventSpans.from_scenes(predictions)
    return EvaluatedScores(matches, match_events(truth, found, len(predictions), len(labels)))
