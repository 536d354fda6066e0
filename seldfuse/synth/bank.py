"""Rendered scenes on hand: two cores cannot render as fast as they train, so each scene serves a few times."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.features import ClipBatch
from seldfuse.features.stack import mirrored, stack
from seldfuse.posterior import Posterior
from seldfuse.synth.render import render
from seldfuse.synth.scene import draw_scene
from seldfuse.synth.sounds import SoundBank


class SceneBank:
    """Features and truth of `size` scenes; every draw replaces the `fresh` oldest by new ones.

    With batches of `b` scenes each serves `b / fresh` times on average, half of the time with left and right exchanged.
    """

    def __init__(self, sounds: SoundBank, features: Sequence[str], size: int, fresh: int, seed: int) -> None:
        self.sounds = sounds
        self.names = tuple(features)
        self.fresh = fresh
        self.rng = np.random.default_rng(seed)
        self.oldest = 0
        pieces = [self._render(min(32, size - done)) for done in range(0, size, 32)]
        self.features = torch.cat([features for features, _ in pieces]).half()
        self.truth = _joined([truth for _, truth in pieces])

    def draw(self, count: int) -> tuple[Float[Tensor, "batch channel time mel"], Posterior]:
        """Random scenes of the bank."""
        self._refresh()
        rows = torch.from_numpy(self.rng.choice(len(self.features), count, replace=False))
        features, truth = self.features[rows].float(), self.truth.map(lambda tensor: tensor[rows])
        swapped = torch.from_numpy(self.rng.random(count) < 0.5)
        return _swap(features, truth, swapped, self.names)

    def _refresh(self) -> None:
        features, truth = self._render(self.fresh)
        rows = (torch.arange(self.fresh) + self.oldest) % len(self.features)
        self.features[rows] = features.half()
        for name, tensor in truth.tensors().items():
            getattr(self.truth, name)[rows] = tensor
        self.oldest = (self.oldest + self.fresh) % len(self.features)

    def _render(self, count: int) -> tuple[Tensor, Posterior]:
        scenes = [draw_scene(self.sounds, self.rng) for _ in range(count)]
        audio, truth = render(scenes, self.sounds.labels, self.rng)
        return stack(ClipBatch(audio), self.names), truth


def _swap(features: Tensor, truth: Posterior, swapped: Tensor, names: Sequence[str]) -> tuple[Tensor, Posterior]:
    """Exchanges left and right where `swapped` says so: the azimuth changes its sign."""
    assert truth.direction is not None
    features = torch.where(swapped.reshape(-1, 1, 1, 1), mirrored(features, names), features)
    sign = torch.where(swapped.reshape(-1, 1, 1, 1), -1.0, 1.0)
    direction = truth.direction.clone()
    direction[..., 1] *= sign
    return features, Posterior(truth.activity, direction, truth.distance, labels=truth.labels)


def _joined(parts: Sequence[Posterior]) -> Posterior:
    joined = {name: torch.cat([part.tensors()[name] for part in parts]) for name in parts[0].tensors()}
    return replace(parts[0], **joined)  # type: ignore[arg-type]
