"""What sounds where two scenes sound at once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from seldfuse.core.posterior import Posterior


def merge_tracks(first: Posterior, second: Posterior) -> dict[str, Tensor]:
    """Merge the fields of both, clip by clip, on as many tracks as the first has: the most active ones first.

    The order is stable and the first scene goes first: where both are equally active its direction stands on the first
    track.
    """
    order = torch.cat([first.activity, second.activity], dim=3).argsort(dim=3, descending=True, stable=True)
    strongest = order[..., : first.tracks]
    others = second.tensors()
    return {name: _take(torch.cat([field, others[name]], dim=3), strongest) for name, field in first.tensors().items()}


def replace_rows(truth: Posterior, rows: Int[Tensor, "row"], fields: Mapping[str, Tensor]) -> Posterior:
    """Return the truth with other fields in some of its clips."""
    tensors: dict[str, Any] = {name: old.index_copy(0, rows, fields[name]) for name, old in truth.tensors().items()}
    return replace(truth, **tensors)


def _take(values: Tensor, order: Int[Tensor, "batch frame cls track"]) -> Tensor:
    """Return tracks in a given order; `values` may have an axis behind that of the tracks."""
    return values.take_along_dim(order if values.ndim == order.ndim else order.unsqueeze(-1), dim=3)
