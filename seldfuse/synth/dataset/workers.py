"""Processes that make the clips of a split, one clip at a time each."""

import json
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from seldfuse.errors import MediaError, SeldfuseError
from seldfuse.interruption import end_children, is_interrupted, shield_children
from seldfuse.synth.dataset.folder import DatasetSplit, write_clip
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.worker_process import prepare_worker

AHEAD = 4
"""Orders in the making or done but not yet fetched, for each process."""

AnyOrder = TypeVar("AnyOrder", contravariant=True)
AnyMade = TypeVar("AnyMade", covariant=True)


@runtime_checkable
class ClipWorker(Protocol[AnyOrder, AnyMade]):
    """Whoever makes clips; is sent to each process once."""

    def make(self, order: AnyOrder) -> AnyMade: ...


class ClipOrder(NamedTuple):
    """The number of a clip, and its name and plan where they are given."""

    number: int
    name: str | None = None
    plan: ScenePlan | None = None


class ClipOutcome(NamedTuple):
    """What became of an order: the clip's line for the ledger, or why there is none; and what had to be passed over."""

    order: ClipOrder
    line: dict[str, Any] | None
    error: MediaError | None
    problems: tuple[str, ...]


class ProblemLog:
    """Takes reports of bad input where it is read, and hands them on."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def __call__(self, text: str) -> None:
        self._texts.append(text)

    def pop_all(self) -> tuple[str, ...]:
        """Return what was reported since the last call."""
        texts, self._texts = tuple(self._texts), []
        return texts


@dataclass(frozen=True)
class SceneClipMaker:
    """All that a process needs to make clips. Clip by clip the plan depends on `seed` and the clip's number alone."""

    split: DatasetSplit
    stage: SceneIngredients
    seed: int
    video: bool = False
    problems: ProblemLog = field(default_factory=ProblemLog)

    def make(self, order: ClipOrder) -> ClipOutcome:
        """Draw, render and write one clip. Raises UsageError."""
        try:
            line, error = self._line(order), None
        except MediaError as found:
            line, error = None, found
        return ClipOutcome(order, line, error, self.problems.pop_all())

    def _line(self, order: ClipOrder) -> dict[str, Any]:
        scene = order.plan or draw_scene(self.stage, np.random.default_rng([self.seed, order.number]))
        name = order.name or self.split.clip_name(order.number, scene)
        written = write_clip(self.split, name, scene, self.stage, self.video)
        return {"number": order.number, "name": name, **asdict(written), "plan": json.loads(scene.to_json())}


def run_workers(
    orders: Iterable[AnyOrder], maker: ClipWorker[AnyOrder, AnyMade], jobs: int
) -> Generator[AnyMade, None, None]:
    """Make clips with `jobs` processes and yield them in the order of the orders, whichever is done first.

    Close the iterator to stop early. Raises what `maker.make` does, and SeldfuseError where a process dies.
    """
    # Spawned, because a forked child of a process with threads may hang.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (maker,))
    waiting: deque[Future[AnyMade]] = deque()
    try:
        for order in orders:
            with shield_children():
                waiting.append(pool.submit(_make, order))
            if len(waiting) >= AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise SeldfuseError(
            "a process that makes clips died, as it does when memory runs out; "
            "finished clips stay: type the same again, with fewer --jobs"
        ) from error
    finally:
        if is_interrupted():
            end_children()
        pool.shutdown(cancel_futures=True)


_maker: ClipWorker[Any, Any] | None = None
"""Sent to a process once, because a bank may list many thousand sounds."""


def _begin(maker: ClipWorker[Any, Any]) -> None:
    global _maker
    prepare_worker()
    _maker = maker


def _make(order: Any) -> Any:
    assert _maker is not None
    return _maker.make(order)
