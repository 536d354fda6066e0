"""mmpose on mmcv-lite, without the packages that it imports and that detecting does not need.

mmpose asks for mmcv's compiled operators, for mmdet and for xtcocotools as soon as it is imported, and neither RTMPose
nor RTMO calls any of them. mmcv takes long to compile, and xtcocotools does not build against today's NumPy. Where one
is absent, a module takes its place whose functions say so when they are called.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from seldfuse_keypoint.needs import INSTALL

PACKAGES = ("mmcv", "mmengine", "mmpose")
HOW = f"{INSTALL} and `pip install --no-deps mmpose==1.3.2`"

OPERATORS = "mmcv._ext"
PARTS = {
    OPERATORS: (),
    "mmdet": ("utils",),
    "xtcocotools": ("coco", "cocoeval", "mask"),
}
"""What may be absent, and the modules in it that mmpose imports."""


def load_mmpose() -> None:
    """Import the parts of mmpose that build networks and prepare pictures."""
    for name, parts in PARTS.items():
        if not _loads(name):
            for module in (name, *(f"{name}.{part}" for part in parts)):
                sys.modules[module] = _StandIn(module)
    for name in ("mmpose.models", "mmpose.datasets"):
        importlib.import_module(name)


def _loads(name: str) -> bool:
    """xtcocotools may be there, and fail with ValueError: it was built against another NumPy."""
    if name in sys.modules:
        return True
    if importlib.util.find_spec(name) is None:
        return False
    try:
        importlib.import_module(name if name == OPERATORS else f"{name}.{PARTS[name][-1]}")
    except (ImportError, ValueError):
        return False
    return True


class _StandIn(ModuleType):
    """Has every function that is asked for, and none that works."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def absent(*_: Any, **__: Any) -> NoReturn:
            raise RuntimeError(f"{self.__name__}.{name} was called, and {self.__name__} is not installed")

        return absent
