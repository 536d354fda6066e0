"""torchvision beside a torch that it was not built for, such as a wheel for CUDA beside a torch for CPUs.

Its compiled operators do not load there, and the import fails as soon as it describes one of them: `operator
torchvision::nms does not exist`. So those that it describes are declared beforehand, and suppression is computed by
torch. Of the others, torchvision knows a way without compiled code (`roi_align`), or says that it has none.
"""

import functools
import importlib
import sys
from types import ModuleType

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from seldfuse.errors import UsageError

NAME = "torchvision"
DECLARED = ("nms", "qnms")
"""The operators that its import describes, compiled or not; nobody here asks for the second, of quantised boxes."""


def load_torchvision() -> ModuleType:
    """Load the module `torchvision`, untouched where it loads by itself.

    Call it before anything else imports torchvision. Raises UsageError where it is not installed, or broken in another
    way.
    """
    try:
        return importlib.import_module(NAME)
    except ModuleNotFoundError as error:
        raise UsageError(f"torchvision is needed and not here ({error}); `pip install torchvision`") from error
    except (ImportError, RuntimeError, AttributeError, OSError):
        return _mend()


def _mend() -> ModuleType:
    # What did load of it would be taken for the whole by the next import.
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]
    _declare()
    try:
        module = importlib.import_module(NAME)
        boxes = importlib.import_module(f"{NAME}.ops.boxes")
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise UsageError(
            f"torchvision does not load ({error}); install the version that was built for torch {torch.__version__}"
        ) from error
    # It refuses suppression because the compiled one is missing.
    boxes._assert_has_ops = lambda: None  # type: ignore[attr-defined]
    return module


@functools.cache
def _declare() -> None:
    """Once in a process: torch refuses to declare an operator again."""
    for operator in DECLARED:
        torch.library.define(f"{NAME}::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.library.impl(f"{NAME}::nms", "default", drop_overlaps)


def drop_overlaps(
    boxes: Float[Tensor, "box 4"], scores: Float[Tensor, " box"], iou_threshold: float
) -> Int64[Tensor, " kept"]:
    """Find the indices of the boxes (left, top, right, bottom) that no better kept one covers by more than
    `iou_threshold`.

    Best first. Only one set of boxes is kept by itself, and it is reached step by step: after n steps the n best boxes
    are settled, mostly all of them after a few.
    """
    order = scores.argsort(descending=True, stable=True)
    covers = (_overlaps(boxes[order]) > iou_threshold).triu(diagonal=1)  # (better, worse)
    kept = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    while not torch.equal(settled := ~(covers & kept[:, None]).any(dim=0), kept):
        kept = settled
    return order[kept]


def _overlaps(boxes: Float[Tensor, "box 4"]) -> Float[Tensor, "box box"]:
    """Shared area by joint area of each two."""
    first, last = boxes[:, :2], boxes[:, 2:]
    areas = (last - first).prod(dim=1)
    sides = torch.minimum(last[:, None], last[None]) - torch.maximum(first[:, None], first[None])
    shared = sides.clamp(min=0).prod(dim=2)
    return shared / (areas[:, None] + areas[None] - shared)
