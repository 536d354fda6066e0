"""How a process that renders for another one behaves."""

import ctypes
import os
import signal
import sys
from multiprocessing import parent_process
from threading import Thread

import torch

# Names and numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**30
_SET_PARENT_DEATH_SIGNAL = 1
"""Of Linux's prctl.h."""


def prepare_worker() -> None:
    """Prepare a worker: one thread, for there are several processes; Ctrl-C is left to the parent; none outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let the process hold on to memory that it will need again for the next scene.

    glibc hands large blocks back to the system at once, and a third of the time of rendering goes into getting them
    anew. Where the C library is another one nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def _end_with_parent() -> None:
    """Have the system end this process when its parent ends, where it can: code that computes does not look up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _leave_with_parent() -> None:
    """Nobody fetches what is rendered for a parent that was killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
