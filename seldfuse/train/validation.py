"""Scores on scenes that were not trained on."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from seldfuse.events import Events
from seldfuse.fusion import decode
from seldfuse.metrics.counts import count
from seldfuse.metrics.scores import Scores, scores
from seldfuse.synth.bank import CHUNK, Piece, Supply
from seldfuse.train.batch import Batch
from seldfuse.train.task import Task


@runtime_checkable
class Validation(Protocol):
    """Scenes with their true events."""

    references: list[Events]

    def batches(self) -> Iterator[Batch]:
        """All scenes, in the order of the references."""
        ...


class RandomValidation:
    """A fixed set of random scenes, rendered once; the same seed and sounds give the same scenes."""

    def __init__(self, supply: Supply, count: int, device: torch.device) -> None:
        self.references: list[Events] = []
        self._batches: list[Batch] = []
        for number, first in enumerate(range(0, count, CHUNK)):
            piece = _first(supply.chunk(number), count - first)
            self._batches.append(Batch(piece.features, supply.features, piece.truth, piece.embeddings).to(device))
            self.references += decode(piece.truth)

    def batches(self) -> Iterator[Batch]:
        return iter(self._batches)


def _first(piece: Piece, count: int) -> Piece:
    """At most so many scenes, in single precision."""
    return piece.map(lambda tensor: tensor[:count].float())


def score(task: Task, network: nn.Module, validation: Validation) -> Scores:
    """Strict scores, macro over classes, of a network that is in evaluation mode, one-track or not."""
    labels = validation.references[0].labels
    predictions: list[Events] = []
    with torch.inference_mode():
        for batch in validation.batches():
            output: Any = network(*batch.inputs)
            predictions += decode(task.posterior(output, labels).to("cpu"))
    return scores(count(validation.references, predictions, labels, mode="strict"))
