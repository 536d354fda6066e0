"""Checks of what backends and post-processors give: its form, and whether its values are possible."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from seldfuse.core.grid import FRAME_S
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import FLOATS, MOST_TRACKS, RANGES, Posterior, find_wrong_direction
from seldfuse.errors import PluginError
from seldfuse.storage.text import make_printable


def check_form(
    who: str, given: object, shape: tuple[int, int], device: torch.device, provides: Sequence[str] = ()
) -> Posterior:
    """Check that what `who` gave is a posterior of `shape` (windows, frames) on the device, with the fields that its
    value promises, on the grid of 100 ms; return it without its history.

    Raises PluginError.
    """
    if not isinstance(given, Posterior):
        raise PluginError(f"{who} must give a Posterior, gave {type(given).__name__}")
    for name, tensor in given.tensors().items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.dtype not in FLOATS:
            raise PluginError(f"{who} must give {name} as a tensor of floats, gave {_describe(tensor)}")
        if tensor.device != device:
            raise PluginError(f"{who} must give {name} on {device}, gave it on {tensor.device}")
    found = tuple(given.activity.shape[:2])
    if found != shape:
        raise PluginError(f"{who} must give (windows, frames) = {shape}, gave {found}")
    if not 1 <= given.tracks <= MOST_TRACKS:
        raise PluginError(f"{who} must give 1 to {MOST_TRACKS} tracks, gave {given.tracks}")
    if not (isinstance(given.hop_s, float) and abs(given.hop_s - FRAME_S) < 1e-9):
        raise PluginError(f"{who} must give a frame each {FRAME_S} s, gave a hop of {given.hop_s!r:.40} s")
    _check_labels(who, given.labels)
    if not _is_json(given.provenance):
        raise PluginError(f"{who} must give a provenance of JSON values, gave {given.provenance!r:.60}")
    lacking = [name for name in provides if name not in given.provides]
    if lacking:
        raise PluginError(f"{who} promises {', '.join(provides)} and did not give {', '.join(lacking)}")
    return given.map(Tensor.detach) if any(one.requires_grad for one in given.tensors().values()) else given


def find_impossible(posterior: Posterior, known: Mapping[str, Tensor] = MappingProxyType({})) -> dict[int, str]:
    """Find the windows that hold a value that cannot be, such as NaN or an activity of 90, and which it is.

    Tensors that are those of `known` are passed over.
    """
    wrong: dict[int, str] = {}
    for name, tensor in posterior.tensors().items():
        low, high = RANGES[name]
        if tensor is known.get(name) or not tensor.numel():
            continue
        least, most = (value.item() for value in tensor.aminmax())
        # NaN is neither.
        if not (least >= low and most <= high):
            outside = ~((tensor >= low) & (tensor <= high))
            for row in outside.flatten(1).any(1).nonzero().flatten().tolist():
                value = tensor[row][outside[row]][0].item()
                what = "are not numbers" if not abs(value) < float("inf") else f"cannot be, such as {value:g}"
                wrong.setdefault(row, f"values of {name} that {what}")
    new = posterior.direction is not None and posterior.direction is not known.get("direction")
    if new and (found := find_wrong_direction(posterior)):
        row, length = found
        wrong.setdefault(row, f"directions that are no unit vectors, such as one of length {length:g}")
    return wrong


def _is_json(provenance: Any) -> bool:
    try:
        json.dumps(dict(provenance), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _check_labels(who: str, labels: Any) -> None:
    if not isinstance(labels, LabelSet):
        raise PluginError(f"{who} must give a LabelSet as labels, gave {type(labels).__name__}")
    for label in labels.classes:
        if not (isinstance(label.name, str) and isinstance(label.title, str)):
            raise PluginError(f"{who} must give classes with names and titles, gave {label!r:.60}")


def _describe(tensor: Any) -> str:
    if not isinstance(tensor, Tensor):
        return type(tensor).__name__
    kind = f"{tensor.dtype}".removeprefix("torch.")
    return make_printable(kind if tensor.layout == torch.strided else f"{tensor.layout} {kind}")
