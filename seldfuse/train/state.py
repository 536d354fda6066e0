"""The state of a training on disk: tensors as safetensors, everything else as JSON in the same file's header.

One file, so that tensors and step never come from different moments.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from seldfuse.core.save_tensors import save_tensors
from seldfuse.errors import CheckpointError
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.read_json import parse_json
from seldfuse.train.weight_average import WeightAverage

STATE = "state.safetensors"
NETWORK, AVERAGE, OPTIMISER = "network.", "average.", "optimiser."


def save_state(
    folder: Path,
    network: nn.Module,
    average: WeightAverage,
    optimiser: torch.optim.Optimizer,
    header: Mapping[str, Any],
) -> None:
    """Write `state.safetensors`: weights, their running mean, the optimiser's moments, and `header`.

    Raises UsageError where the disk is full; what was there before stays.
    """
    tensors = {
        **_prefix_names(NETWORK, network.state_dict()),
        **_prefix_names(AVERAGE, average.network.state_dict()),
        **{
            f"{OPTIMISER}{number}.{name}": value
            for number, moments in optimiser.state_dict()["state"].items()
            for name, value in moments.items()
        },
    }
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with write_atomically(folder / STATE) as draft:
        draft.write_bytes(save_tensors(plain, {"training": json.dumps(header)}))


def load_state(
    folder: Path, network: nn.Module, average: WeightAverage, optimiser: torch.optim.Optimizer
) -> Mapping[str, Any]:
    """Put everything back where `save_state` had it from, and return its header.

    Raises CheckpointError where there is no state, it is damaged, or it belongs to another network.
    """
    path = folder / STATE
    header = _header(folder)
    try:
        tensors = safetensors.torch.load_file(path)
        network.load_state_dict(_part(NETWORK, tensors))
        average.network.load_state_dict(_part(AVERAGE, tensors))
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(OPTIMISER, tensors).items():
            number, _, key = name.partition(".")
            moments.setdefault(int(number), {})[key] = _lay_out(tensor, weights[int(number)])
        optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    except (safetensors.SafetensorError, OSError, RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
        raise CheckpointError(f"the state of the training cannot be taken up again ({error}): {path}") from error
    return header


def _header(folder: Path) -> Mapping[str, Any]:
    path = folder / STATE
    if not path.exists():
        raise CheckpointError(f"no training was begun here; leave out --resume to begin one: {folder}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header: Mapping[str, Any] = parse_json((file.metadata() or {})["training"])
            if not isinstance(header, dict):
                raise ValueError(f"expected an object, got {type(header).__name__}")
            return header
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"the state of the training is damaged ({error}): {path}") from error


def _lay_out(tensor: Tensor, weight: Tensor) -> Tensor:
    """Return a moment with its numbers in the order of its weight's, which the optimizer's fused step goes by."""
    return torch.empty_like(weight, device="cpu").copy_(tensor) if tensor.shape == weight.shape else tensor


def _prefix_names(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
