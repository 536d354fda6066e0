"""seldfuse hears and sees where things happen in a stereo video."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "run"]

if TYPE_CHECKING:
    from seldfuse.pipeline import run


def __getattr__(name: str) -> Any:
    # `run` brings torch along; whoever only lists or asks for help does not pay for it.
    if name == "run":
        from seldfuse.pipeline import run

        return run
    raise AttributeError(f"module 'seldfuse' has no attribute {name!r}")
