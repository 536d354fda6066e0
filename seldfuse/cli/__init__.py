"""The command line."""

import os
from collections.abc import Sequence

from seldfuse.interruption import find_exit_code, handle_signals, is_interrupted, say_stopped

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line, this process's own where None, and end in SystemExit with the exit code.

    What a user can mend is one message on stderr, and so is Ctrl-C; a bug of seldfuse is a traceback.
    """
    with handle_signals(own_process=arguments is None):
        code = _run(arguments)
    raise SystemExit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        if arguments is None:
            _prepare_environment()
        # Imported here, for it takes long enough to be interrupted.
        from seldfuse.cli.app import run_command

        code = run_command(arguments)
    except KeyboardInterrupt:
        # Typer makes 130 of it where it can.
        code = find_exit_code()
    if not is_interrupted():
        return code
    say_stopped()
    return find_exit_code()


def _prepare_environment() -> None:
    """Set what libraries read when they are imported: nothing is written outside of the cache, and of what else is
    installed nothing is loaded."""
    from seldfuse.storage.cache import cache_folder

    folder = cache_folder() / "torch"
    # Another's broken installation would keep torch from being imported.
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
    for name, part in (("TORCH_HOME", "hub"), ("TORCHINDUCTOR_CACHE_DIR", "inductor"), ("TRITON_CACHE_DIR", "triton")):
        os.environ.setdefault(name, str(folder / part))
