"""Ray carries the work: each chunk is a task, and a process that has loaded a job keeps it for the next chunk.

Where a Ray cluster runs on this machine (`ray start`), or `RAY_ADDRESS` names one, it is taken. Otherwise one is
started for as long as the command runs, for this machine alone: bound to loopback, without dashboard and usage
statistics.
"""

import importlib.util
import logging
import os
import random
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import seldfuse
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.executors.job import AnyItem, Job, make_portable

AnyDone = TypeVar("AnyDone")

TRIES = 2
"""Of a chunk, and then of each of its items alone."""

AHEAD = 2
"""Chunks that are given out for each process: nobody waits for the next, and no more than that is under way."""

INSTALL = "--executor ray needs Ray, which is not installed; type: pip install 'seldfuse[cluster]'"


@dataclass(frozen=True)
class _Attempt(Generic[AnyItem]):
    """A chunk that is given out, and how often it ended its process before."""

    items: Sequence[AnyItem]
    lost: int = 0

    def split(self) -> "list[_Attempt[AnyItem]]":
        """List what to give out after it ended another process: itself, then each item alone, then nothing."""
        if self.lost + 1 < TRIES:
            return [_Attempt(self.items, self.lost + 1)]
        return [_Attempt([item]) for item in self.items] if len(self.items) > 1 else []


@dataclass(frozen=True)
class _Packed:
    """A job, and where it was given out: workers stand in the same folder, so that relative paths mean the same."""

    key: int
    job: Job[Any, Any]
    folder: str
    version: str


class RayExecutor:
    """The processes of a Ray cluster: one for each GPU where `use_gpus`, else one for each processor.

    Raises UsageError where Ray is not installed or cannot be reached.
    """

    def __init__(self, use_gpus: bool) -> None:
        self._ray = _connect()
        self._kind = "GPU" if use_gpus else "CPU"
        resources: dict[str, Any] = {"num_gpus": 1, "num_cpus": 0} if use_gpus else {"num_cpus": 1}
        if not self._count_processes():
            self.close()
            raise UsageError(
                f"the Ray cluster has no {self._kind}; choose another --device, or add a node that has one"
            )
        # A process that used a GPU is kept, too: what it loaded is what takes long. Lost processes are our matter.
        self._work = self._ray.remote(max_retries=0, max_calls=0, **resources)(_work)

    def run(self, job: Job[AnyItem, AnyDone], chunks: Iterable[Sequence[AnyItem]]) -> Iterator[AnyDone]:
        """Do the chunks of a job, and yield what each gives as soon as it is done; close the iterator to stop early.

        A chunk whose process ends is given out again after the others, then its items each alone, and an item that
        alone ends two processes is given up. Raises SeldfuseError as the job does.
        """
        packed = self._ray.put(_Packed(random.getrandbits(64), job, os.getcwd(), seldfuse.__version__))
        fresh = map(_Attempt[AnyItem], chunks)
        again: deque[_Attempt[AnyItem]] = deque()
        out: dict[Any, _Attempt[AnyItem]] = {}
        try:
            while True:
                room = AHEAD * self._count_processes() - len(out)
                for _ in range(room):
                    # What was lost waits for the rest: whatever ended one process may still be about.
                    attempt = next(fresh, None) or (again.popleft() if again else None)
                    if attempt is None:
                        break
                    out[self._work.remote(packed, attempt.items)] = attempt
                if not out:
                    return
                for reference in self._ray.wait(list(out))[0]:
                    yield from self._fetch(job, reference, out.pop(reference), again)
        finally:
            for reference in out:
                self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """Leave the cluster, and end it where it was started for this."""
        self._ray.shutdown()

    def _fetch(
        self, job: Job[AnyItem, AnyDone], reference: Any, attempt: _Attempt[AnyItem], again: deque[_Attempt[AnyItem]]
    ) -> Iterator[AnyDone]:
        """Yield what a chunk gave; where its process ended, note what to give out again."""
        errors = self._ray.exceptions
        try:
            done, error = self._ray.get(reference)
        except (errors.RayTaskError, errors.TaskCancelledError):
            raise
        except errors.RayError as lost:
            following = attempt.split()
            again.extend(following)
            if not following:
                cause = "memory ran out" if isinstance(lost, errors.OutOfMemoryError) else "a crash, or no memory left"
                yield job.give_up(attempt.items[0], f"the process that read it ended {TRIES} times ({cause})")
            return
        if error is not None:
            raise error
        yield done

    def _count_processes(self) -> int:
        return int(self._ray.cluster_resources().get(self._kind, 0))


def check_ray() -> None:
    """Check that Ray is installed, without importing it. Raises UsageError, which says what to type."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError(INSTALL)


@contextmanager
def open_ray(use_gpus: bool) -> Iterator[RayExecutor]:
    """Open the processes of a Ray cluster for as long as the block runs. Raises UsageError."""
    executor = RayExecutor(use_gpus)
    try:
        yield executor
    finally:
        executor.close()


def has_gpus(device: str) -> bool:
    """Tell whether a device is to be one of the cluster's GPUs; `auto` is where the cluster has some. Raises
    UsageError."""
    if device != "auto":
        return device.startswith("cuda")
    return bool(_connect().cluster_resources().get("GPU", 0))


def _connect() -> Any:
    """Connect to a Ray cluster, or start one. Raises UsageError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # So says Ray "bind to loopback", on any system; a cluster that runs already has its own addresses.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    check_ray()
    import ray

    if ray.is_initialized():
        return ray
    logging.getLogger("ray").setLevel(logging.ERROR)
    # Ray would take SIGTERM for itself.
    former = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise UsageError(f"the Ray cluster cannot be reached or started ({str(error).splitlines()[0]})") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, former)
    return ray


_loaded: dict[int, Callable[[Sequence[Any]], Any]] = {}
"""The job that this process has loaded, by its key."""


def _load(packed: _Packed) -> Callable[[Sequence[Any]], Any]:
    """Load a job in this process, once. Raises what it does."""
    if packed.key not in _loaded:
        _loaded.clear()
        _loaded[packed.key] = packed.job.load()
    return _loaded[packed.key]


def _work(packed: _Packed, items: Sequence[Any]) -> tuple[Any, SeldfuseError | None]:
    """Do a chunk in a process of Ray's: what it gives, or the error that ends the command."""
    try:
        _check_place(packed)
        return _load(packed)(items), None
    except SeldfuseError as error:
        return None, make_portable(error)


def _check_place(packed: _Packed) -> None:
    """Raises UsageError where this node is not as the one where the command was typed."""
    if seldfuse.__version__ != packed.version:
        raise UsageError(
            f"expected seldfuse {packed.version} on every node, got {seldfuse.__version__} on {os.uname().nodename}"
        )
    try:
        os.chdir(packed.folder)
    except OSError as error:
        raise UsageError(
            f"expected the folder in which the command was typed on every node ({error.strerror} on "
            f"{os.uname().nodename}); type it in one that all share: {packed.folder}"
        ) from error
