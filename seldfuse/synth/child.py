"""How a process that renders for another one behaves."""

import os
import signal
from multiprocessing import parent_process
from threading import Thread

import torch


def behave() -> None:
    """One thread, for there are several processes; Ctrl-C is the parent's affair; and none outlives its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)


def _leave_with_parent() -> None:
    """Nobody fetches what is rendered for a parent that was killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
