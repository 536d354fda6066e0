"""Ctrl-C, SIGTERM and SIGHUP: a process of the command line ends by them alike, with one line and its children.

A handler raises KeyboardInterrupt and remembers the signal, by which a user's Ctrl-C is told from what a plugin raises.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

AGAIN_AFTER_S = 0.01

EXIT_CODE_BASE = 128
"""Shells add the number of the signal to it."""


class _State:
    """What this process knows of signals: whether it handles them, which came first, and whether it is ending."""

    handled = False
    received: int | None = None
    ending = False
    said = False


def was_interrupted(error: BaseException) -> bool:
    """Tell whether an error is the user's own interruption, and not what other code raised by itself.

    Where signals are not handled, as in other people's programs, a plain KeyboardInterrupt counts as one.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    return _State.received is not None if _State.handled else type(error) is KeyboardInterrupt


def find_exit_code() -> int:
    """Find the exit code of a process that was interrupted: 130 for Ctrl-C."""
    return EXIT_CODE_BASE + (_State.received or signal.SIGINT)


def is_interrupted() -> bool:
    """Tell whether a signal to end came."""
    return _State.received is not None


@contextmanager
def handle_signals(own_process: bool) -> Iterator[None]:
    """Have signals raise KeyboardInterrupt within the block, those that were ignored before excepted.

    In a process of our own, what comes after the block ends the process at once: nothing is left to be done. Elsewhere
    the former handlers are put back.
    """
    if threading.current_thread() is not threading.main_thread() or _State.handled:
        yield
        return
    former = {one: signal.getsignal(one) for one in SIGNALS}
    hook = sys.unraisablehook
    _State.handled, _State.received, _State.ending, _State.said = True, None, False, False
    for one, handler in former.items():
        # nohup has a process ignore SIGHUP.
        if handler is not signal.SIG_IGN or one == signal.SIGINT:
            signal.signal(one, _receive)
    sys.unraisablehook = _pass_on
    if own_process:
        # Registered before all others, it runs after them.
        atexit.register(_ignore_signals)
    try:
        yield
    finally:
        if own_process:
            _State.ending = True
        else:
            _State.handled = False
            sys.unraisablehook = hook
            for one, handler in former.items():
                signal.signal(one, handler)


def say_stopped(hint: str = "") -> None:
    """Say on stderr, once, that the process was stopped, and how to go on."""
    if _State.said:
        return
    _State.said = True
    # Whatever was being imported when the signal came, this needs none of it.
    with suppress(OSError):
        os.write(2, f"note: stopped{'; ' if hint else ''}{hint}\n".encode())


def _receive(number: int, _frame: FrameType | None) -> None:
    """Remember a signal and unwind; where one has come before, or all is done, leave without."""
    if _State.ending or _State.received is not None:
        say_stopped()
        end_children()
        os._exit(EXIT_CODE_BASE + number)
    _State.received = number
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Python would give signals back to the system, which ends the process by them, though all is done."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)


@contextmanager
def shield_children() -> Iterator[None]:
    """Start processes within the block that leave Ctrl-C to this one from their first instruction on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # It would lift the block when it starts.
    resource_tracker.ensure_running()
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def end_children() -> None:
    """End the processes that this one started through multiprocessing: nobody fetches what they do."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None:
        for child in multiprocessing.active_children():
            child.kill()


def _pass_on(unraisable: object) -> None:
    """What a signal raised where nothing can be raised, as in a destructor, is raised once more behind it."""
    if _State.received is not None and isinstance(getattr(unraisable, "exc_value", None), KeyboardInterrupt):
        number, _State.received = _State.received, None
        # Not at once, for this hook cannot raise either.
        again = threading.Timer(AGAIN_AFTER_S, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
    elif not _State.ending:
        sys.__unraisablehook__(unraisable)  # type: ignore[arg-type]
