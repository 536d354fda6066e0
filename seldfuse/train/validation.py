"""Scores on scenes made of sounds that were not trained on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from seldfuse.features import ClipBatch
from seldfuse.features.stack import stack
from seldfuse.fusion import decode
from seldfuse.metrics.counts import count
from seldfuse.metrics.scores import Scores, scores
from seldfuse.synth.render import render
from seldfuse.synth.scene import draw_scene
from seldfuse.synth.sounds import SoundBank
from seldfuse.train.task import Task

BATCH = 32


class Validation:
    """A fixed set of scenes, rendered once; the same seed and sounds give the same scenes."""

    def __init__(self, sounds: SoundBank, features: Sequence[str], count: int, seed: int, device: torch.device) -> None:
        rng = np.random.default_rng(seed)
        self.labels = sounds.labels
        self.features, self.references = [], []
        for first in range(0, count, BATCH):
            scenes = [draw_scene(sounds, rng) for _ in range(min(BATCH, count - first))]
            audio, truth = render(scenes, sounds.labels, rng)
            self.features.append(stack(ClipBatch(audio.to(device)), features))
            self.references += decode(truth)

    def score(self, task: Task, network: nn.Module) -> Scores:
        """Strict scores, macro over classes."""
        network.eval()
        with torch.inference_mode():
            posteriors = [task.posterior(network(features), self.labels) for features in self.features]
        network.train()
        predictions = [events for posterior in posteriors for events in decode(posterior)]
        return scores(count(self.references, predictions, self.labels, mode="strict"))
