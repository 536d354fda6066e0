"""Rendered scenes on hand: two cores cannot render as fast as they train, so each scene serves a few times."""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.features import ClipBatch
from seldfuse.features.stack import mirrored, stack
from seldfuse.posterior import Posterior
from seldfuse.synth.child import behave
from seldfuse.synth.draw import Stage, draw_scene
from seldfuse.synth.render import render

CHUNK = 8
"""Scenes that are rendered together; chunk after chunk has its own random numbers, whoever renders it."""

MOST_USES = 10
"""No scene is handed out more often, however the draws fall."""

Piece = tuple[Tensor, Posterior]


def render_chunk(
    stage: Stage, features: Sequence[str], seed: int, number: int, count: int = CHUNK, device: str = "cpu"
) -> Piece:
    """Features `(scene, channel, time, mel)` and truth of the scenes of one chunk."""
    rng = np.random.default_rng([seed, number])
    rendered = render([draw_scene(stage, rng) for _ in range(count)], stage.bank, stage.responses, device)
    truth = rendered.truth.posterior().to(device)
    return stack(ClipBatch(rendered.audio), features), truth


class SceneBank:
    """Features and truth of random scenes, renewed by other processes while training goes on.

    It starts with `first` scenes and takes in one new scene for `reuse` that are drawn, up to `size`; from then on the
    oldest makes room. What is drawn depends on the seed alone, not on how fast the scenes come. Use it with `with`:
    leaving stops the processes.
    """

    def __init__(
        self,
        stage: Stage,
        features: Sequence[str],
        seed: int,
        size: int = 20_000,
        first: int = 640,
        reuse: int = 5,
        workers: int | None = None,
    ) -> None:
        if not 1 <= reuse < MOST_USES:
            raise ValueError(f"reuse must be 1 to {MOST_USES - 1}, got {reuse}")
        self.names = tuple(features)
        self.size, self.reuse = max(size, first), reuse
        self.rng = np.random.default_rng([seed, 0])
        self.drawn = self.taken = 0
        self._stage, self._seed, self._submitted = stage, seed, 0
        self._pieces: deque[Future[Piece]] = deque()
        workers = workers or max(1, (os.cpu_count() or 2) - 1)
        # Spawned, because a forked child of a process with threads may hang.
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (stage, self.names, seed))
        self._ahead = 2 * workers
        self._first = max(1, -(-first // CHUNK))
        try:
            for _ in range(self._first):
                self._take()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "SceneBank":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the processes that render."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __len__(self) -> int:
        return min(self.taken, self.size)

    @property
    def scenes(self) -> tuple[Float[Tensor, "scene channel time mel"], Posterior]:
        """All scenes on hand; features in half precision."""
        return self._features[: len(self)], self._truth.map(lambda tensor: tensor[: len(self)])

    def draw(self, count: int) -> tuple[Float[Tensor, "batch channel time mel"], Posterior]:
        """Random scenes, half of the time with left and right exchanged; waits where rendering is behind.

        Raises ValueError where `count` is more than the bank holds.
        """
        if count > len(self):
            raise ValueError(f"the bank holds {len(self)} scenes, asked for {count} at once")
        self.drawn += count
        while self.taken < self._first * CHUNK + self.drawn // self.reuse:
            self._take()
        rested = np.flatnonzero(self._uses[: len(self)] < MOST_USES)
        rows = self.rng.choice(rested, count, replace=False)
        self._uses[rows] += 1
        at = torch.from_numpy(rows)
        swapped = torch.from_numpy(self.rng.random(count) < 0.5)
        return _swap(
            self._features[at].float(), self._truth.map(lambda tensor: tensor[at].float()), swapped, self.names
        )

    def _take(self) -> None:
        """Takes the next chunk in, in the order of the numbers, and orders another."""
        while len(self._pieces) < self._ahead:
            self._submitted += 1
            self._pieces.append(self._pool.submit(_render_next, self._submitted))
        features, truth = self._pieces.popleft().result()
        if self.taken == 0:
            self._make_room(features, truth)
        rows = (self.taken + torch.arange(CHUNK)) % self.size
        self._features[rows] = features
        for name, tensor in truth.tensors().items():
            getattr(self._truth, name)[rows] = tensor
        self._uses[rows.numpy()] = 0
        self.taken += CHUNK

    def _make_room(self, features: Tensor, truth: Posterior) -> None:
        # The system hands out memory when it is first written to, so an unfilled bank costs little.
        self._features = features.new_empty(self.size, *features.shape[1:])
        self._truth = truth.map(lambda tensor: tensor.new_empty(self.size, *tensor.shape[1:]))
        self._uses = np.zeros(self.size, dtype=np.int64)


class SceneStream:
    """Features and truth of random scenes that are rendered when they are drawn, which a GPU does fast enough."""

    def __init__(self, stage: Stage, features: Sequence[str], seed: int, device: str) -> None:
        self.stage, self.names, self.seed, self.device = stage, tuple(features), seed, device
        self.number = 0

    def draw(self, count: int) -> tuple[Float[Tensor, "batch channel time mel"], Posterior]:
        """New scenes on the device."""
        self.number += 1
        return render_chunk(self.stage, self.names, self.seed, self.number, count, self.device)


_here: tuple[Stage, Sequence[str], int] | None = None
"""What this process renders from: sent once, because a bank may list many thousand sounds."""


def _begin(stage: Stage, features: Sequence[str], seed: int) -> None:
    global _here
    behave()
    _here = stage, features, seed


def _render_next(number: int) -> Piece:
    assert _here is not None
    features, truth = render_chunk(*_here, number)
    return features.half(), truth.map(lambda tensor: tensor.half())


def _swap(features: Tensor, truth: Posterior, swapped: Tensor, names: Sequence[str]) -> Piece:
    """Exchanges left and right where `swapped` says so: the azimuth changes its sign."""
    assert truth.direction is not None
    features = torch.where(swapped.reshape(-1, 1, 1, 1), mirrored(features, names), features)
    sign = torch.where(swapped.reshape(-1, 1, 1, 1), -1.0, 1.0)
    direction = truth.direction.clone()
    direction[..., 1] *= sign
    return features, replace(truth, direction=direction)
