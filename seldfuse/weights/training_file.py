"""Files of torch that other people's training scripts saved: weights beside optimizer, epoch and scores."""

import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seldfuse.errors import CheckpointError
from seldfuse.storage.digest import hash_file

_SCALAR: Any = np.float64(0.0).__reduce__()[0]
"""The function by which numpy's scalars are unpickled; it takes a dtype and bytes."""

_DTYPES = [type(np.dtype(code)) for code in "?bBhHiIlLqQefdg"]
"""Of booleans and numbers. Those of objects would hold anything."""

SAFE: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    np.dtype,
    *dict.fromkeys(_DTYPES),
    # numpy 2 moved it; files keep the name of the numpy that wrote them.
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
]
"""What is read beside tensors and the types of Python: scripts store their scores as scalars of numpy."""


@dataclass(frozen=True)
class TrainingFile:
    """What a training script saved, read without running any of it."""

    path: Path
    sha256: str
    content: Mapping[str, Any]


def read_training_file(path: Path) -> TrainingFile:
    """Read tensors, types of Python, and numpy's scalars and dtypes. Raises CheckpointError for anything else."""
    try:
        with torch.serialization.safe_globals(SAFE):
            content = torch.load(path, map_location="cpu", weights_only=True)
        digest = hash_file(path, "sha256")
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file of weights: {path}") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"expected a file such as best_model.pth, got a folder: {path}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(_explain(error, path)) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"the file is damaged, or torch did not save it ({_first_line(error)}): {path}"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"expected a dictionary of weights, got {type(content).__name__}: {path}")
    return TrainingFile(path, digest, content)


def find_tensors(file: TrainingFile, name: str) -> dict[str, torch.Tensor]:
    """Find the weights that a training file keeps under a name. Raises CheckpointError where they are not there."""
    found = file.content.get(name)
    if not isinstance(found, Mapping):
        there = ", ".join(map(str, file.content)) or "nothing"
        raise CheckpointError(f"expected weights under {name!r}, the file holds {there:.200}: {file.path}")
    tensors = {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}
    # Networks on several devices save every name with this in front.
    if tensors and all(key.startswith("module.") for key in tensors):
        tensors = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    return tensors


def _explain(error: Exception, path: Path) -> str:
    """Say what was refused; torch names it amid advice to open the file all the same."""
    said = str(error)
    name = re.search(r"GLOBAL (\S+)", said)
    if name:
        return (
            f"the file holds {name[1]}; only tensors, types of Python, and numpy's scalars and dtypes are read, since "
            f"anything else could run any code; save the weights alone: {path}"
        )
    reason = said.partition("WeightsUnpickler error: ")[2].strip() or said
    return f"the file is damaged, or holds more than weights, and is not opened ({reason.splitlines()[0]:.200}): {path}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
