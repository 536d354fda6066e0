"""Scores on scenes made of sounds that were not trained on."""

from collections.abc import Sequence

import torch
from torch import nn

from seldfuse.fusion import decode
from seldfuse.metrics.counts import count
from seldfuse.metrics.scores import Scores, scores
from seldfuse.synth.bank import render_chunk
from seldfuse.synth.draw import Stage
from seldfuse.train.task import Task

BATCH = 16


class Validation:
    """A fixed set of scenes, rendered once; the same seed and sounds give the same scenes."""

    def __init__(self, stage: Stage, features: Sequence[str], count: int, seed: int, device: torch.device) -> None:
        self.labels = stage.bank.labels
        self.features, self.references = [], []
        for number, first in enumerate(range(0, count, BATCH)):
            inputs, truth = render_chunk(stage, features, seed, number, min(BATCH, count - first), str(device))
            self.features.append(inputs)
            self.references += decode(truth.to("cpu"))

    def score(self, task: Task, network: nn.Module) -> Scores:
        """Strict scores, macro over classes."""
        network.eval()
        with torch.inference_mode():
            posteriors = [task.posterior(network(features), self.labels) for features in self.features]
        network.train()
        predictions = [events for posterior in posteriors for events in decode(posterior)]
        return scores(count(self.references, predictions, self.labels, mode="strict"))
