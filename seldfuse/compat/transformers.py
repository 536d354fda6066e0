"""The transformers library, imported when a network of it is needed, or what to install."""

import importlib.util
import sys
from typing import Any

from seldfuse.errors import UsageError

TORCHVISION = "torchvision"


def import_transformers(extra: str = "encoders") -> Any:
    """Import the module `transformers`, whose models can be imported.

    Raises UsageError where it is absent or broken; `extra` is the one of seldfuse's that brings it.
    """
    broken = _torchvision_is_broken()
    try:
        import transformers
        from transformers.utils import import_utils
    except ImportError as error:
        raise UsageError(
            f'transformers is needed and not here ({error}); install it with `pip install "seldfuse[{extra}]"`'
        ) from error
    if broken:
        _hide_torchvision(import_utils.is_torchvision_available)
    return transformers


def _torchvision_is_broken() -> bool:
    """Whether torchvision is there and does not load: a wheel for CUDA beside a torch for CPUs, for example.

    transformers takes it for usable as soon as it is installed, and then none of its models can be imported.
    """
    if TORCHVISION in sys.modules or importlib.util.find_spec(TORCHVISION) is None:
        return False
    try:
        importlib.import_module(TORCHVISION)
    except (ImportError, RuntimeError, AttributeError, OSError):
        # What did load would be taken for the whole of it by the next import.
        for name in [name for name in sys.modules if name.partition(".")[0] == TORCHVISION]:
            del sys.modules[name]
        return True
    return False


def _hide_torchvision(is_available: Any) -> None:
    """Lets transformers find out, once for all, that there is no torchvision."""
    is_available.cache_clear()
    sys.modules[TORCHVISION] = None  # type: ignore[assignment]
    is_available()
    del sys.modules[TORCHVISION]
