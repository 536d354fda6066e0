"""The fence around code of plugins: whatever it raises becomes a PluginError, and what it changed of the process is
put back."""

import locale
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from seldfuse.errors import CheckpointError, MediaError, PluginError, SeldfuseError, UsageError
from seldfuse.interruption import is_interrupted, was_interrupted
from seldfuse.storage.cache import CACHE_VARIABLE
from seldfuse.storage.text import make_printable

LONGEST_CAUSE = 500
"""Characters of what another's exception says that are repeated."""

OWN_ERRORS = (UsageError, PluginError, MediaError, CheckpointError)
"""What a plugin may raise: faults of the user's that it found."""

AT_WORK = (PluginError, MediaError, CheckpointError)
"""What it may raise once it is loaded: of the command line there is nothing left to be said."""


@contextmanager
def guard_plugin(
    what: str,
    remedy: str,
    passes: tuple[type[SeldfuseError], ...] = OWN_ERRORS,
    lets_by: Callable[[BaseException], bool] = lambda _: False,
) -> Iterator[None]:
    """Run code of a plugin. Whatever it raises becomes a PluginError: `what` names plugin and stage, `remedy` says what
    to do.

    Errors of the kinds `passes`, those that `lets_by` accepts, and the user's own Ctrl-C are left as they are. What the
    code prints goes to stderr, and the state of the process is put back. No generator may be suspended within.
    """
    state = ProcessState()
    try:
        yield
    except BaseException as error:
        if was_interrupted(error) or lets_by(error) or (isinstance(error, passes) and _has_own_code(error)):
            raise
        if is_interrupted():
            # The code caught it and raised something else.
            raise KeyboardInterrupt from error
        raise PluginError(f"{what} ({describe_cause(error)}); {remedy}") from error
    finally:
        state.restore()


def describe_cause(error: BaseException) -> str:
    """Say what went wrong in one line."""
    try:
        text = str(error)
    except BaseException:
        # Nothing that an exception of others' does is to be relied on.
        text = ""
    text = make_printable(text) if isinstance(error, SeldfuseError) else _shorten(make_printable(text))
    if isinstance(error, SeldfuseError):
        return text
    name = make_printable(type(error).__name__)
    return f"{name}: {text}" if text else name


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_CAUSE else f"{text[:LONGEST_CAUSE]} …"


def _has_own_code(error: SeldfuseError) -> bool:
    """Whether an error ends in the exit code of its kind; a plugin's own kinds may say anything."""
    return any(isinstance(error, kind) and error.exit_code == kind.exit_code for kind in OWN_ERRORS)


class ProcessState:
    """What of a process code of others may have changed; taken when it is made, and stdout is closed to that code."""

    def __init__(self) -> None:
        self.folder = _find_folder()
        self.mask = os.umask(0o077)
        os.umask(self.mask)
        self.streams = (sys.stdout, sys.stderr)
        self.hooks = (sys.excepthook, sys.unraisablehook)
        self.recursion_limit = sys.getrecursionlimit()
        self.cache = os.environ.get(CACHE_VARIABLE)
        self.number_format = locale.setlocale(locale.LC_NUMERIC)
        self.handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        self.torch = _TorchState()
        if sys.stdout is not None:
            sys.stdout = _ToStderr(sys.stderr)

    def restore(self) -> None:
        sys.stdout, sys.stderr = self.streams
        sys.excepthook, sys.unraisablehook = self.hooks
        if sys.getrecursionlimit() != self.recursion_limit:
            sys.setrecursionlimit(self.recursion_limit)
        if self.folder is not None and _find_folder() != self.folder:
            os.chdir(self.folder)
        os.umask(self.mask)
        if os.environ.get(CACHE_VARIABLE) != self.cache:
            _set_variable(CACHE_VARIABLE, self.cache)
        if locale.setlocale(locale.LC_NUMERIC) != self.number_format:
            locale.setlocale(locale.LC_NUMERIC, self.number_format)
        if threading.current_thread() is threading.main_thread():
            for one, handler in self.handlers.items():
                if signal.getsignal(one) is not handler and handler is not None:
                    signal.signal(one, handler)
        self.torch.restore()


class _TorchState:
    """The global settings of torch; where it is not imported yet, those that it begins with."""

    def __init__(self) -> None:
        torch: Any = sys.modules.get("torch")
        self.settings: tuple[Any, ...] | None = None
        self.threads = os.cpu_count() or 1
        if hasattr(torch, "get_num_threads"):
            self.settings = _read_torch(torch)
            self.threads = torch.get_num_threads()

    def restore(self) -> None:
        torch: Any = sys.modules.get("torch")
        if not hasattr(torch, "get_num_threads"):
            return
        dtype, grad, deterministic = self.settings or (torch.float32, True, False)
        if _read_torch(torch) != (dtype, grad, deterministic):
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)
            torch.use_deterministic_algorithms(deterministic)
        threads = torch.get_num_threads()
        # To import torch with fewer threads than there are cores is nothing that a plugin did.
        if threads > self.threads or (self.settings is not None and threads != self.threads):
            torch.set_num_threads(self.threads)


def _read_torch(torch: Any) -> tuple[Any, ...]:
    return torch.get_default_dtype(), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()


class _ToStderr:
    """What stands in for stdout while other people's code runs: results are printed there, and nothing else."""

    def __init__(self, stderr: Any) -> None:
        self._stderr = stderr

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            if self._stderr is not None:
                self._stderr.write(make_printable(text, keep_lines=True))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            if self._stderr is not None:
                self._stderr.flush()

    def close(self) -> None:
        """Stay open: stderr is not a plugin's to close."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 2

    closed, encoding, errors, newlines = False, "utf-8", "replace", None


def _find_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
