"""seldfuse says what sounded in stereo video, when, from which direction, how far away, and whether it is in the
picture.

The names below are what most programs need; whoever writes plugins imports from `seldfuse.sdk`.
"""

import importlib

# `typing` takes long enough to import for Ctrl-C to come before signals are handled.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from seldfuse.core.clip import Clip
    from seldfuse.core.detections import Detections
    from seldfuse.core.events import Events
    from seldfuse.core.geometry import Camera
    from seldfuse.core.labels import LabelSet
    from seldfuse.core.posterior import Posterior
    from seldfuse.core.result import Result
    from seldfuse.errors import SeldfuseError
    from seldfuse.evaluation import evaluate
    from seldfuse.inference.load import load
    from seldfuse.pipeline import Pipeline, fuse, run

__version__ = "0.1.0"
__all__ = [
    "Camera",
    "Clip",
    "Detections",
    "Events",
    "LabelSet",
    "Pipeline",
    "Posterior",
    "Result",
    "SeldfuseError",
    "__version__",
    "evaluate",
    "fuse",
    "load",
    "run",
]

_MODULES = {
    "Camera": "seldfuse.core.geometry",
    "Clip": "seldfuse.core.clip",
    "Detections": "seldfuse.core.detections",
    "Events": "seldfuse.core.events",
    "LabelSet": "seldfuse.core.labels",
    "Pipeline": "seldfuse.pipeline",
    "Posterior": "seldfuse.core.posterior",
    "Result": "seldfuse.core.result",
    "SeldfuseError": "seldfuse.errors",
    "evaluate": "seldfuse.evaluation",
    "fuse": "seldfuse.pipeline",
    "load": "seldfuse.inference.load",
    "run": "seldfuse.pipeline",
}
"""Imported when they are first asked for: they bring torch along, and whoever lists plugins does not pay for it."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'seldfuse' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
