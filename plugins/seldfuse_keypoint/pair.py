"""A network of OpenMMLab's: a folder with its config and its checkpoint.

A checkpoint is a pickle, of which nothing but tensors, numbers and NumPy's arrays is read. A config is Python that
mmengine runs, so take it from where you would take code.
"""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seldfuse.sdk import CheckpointError, hash_bytes
from seldfuse_keypoint.needs import require
from seldfuse_keypoint.openmmlab import HOW, PACKAGES

VARIABLE = "SELDFUSE_MMPOSE"
CONFIG, CHECKPOINT = "*.py", "*.pth"
HASH_DIGITS = 8


@dataclass(frozen=True)
class PoseWeights:
    """Where a network's config and its weights are."""

    config: Path
    checkpoint: Path

    def version(self) -> str:
        """Compute the beginning of the SHA-256 of both files."""
        return hash_bytes(self.config.read_bytes() + self.checkpoint.read_bytes(), "sha256", HASH_DIGITS)

    def fill(self, network: nn.Module) -> None:
        """Copy the weights into a network. Raises CheckpointError where they are no such, or those of another."""
        state = self._state()
        try:
            missing = network.load_state_dict(state, strict=False).missing_keys
        except RuntimeError as error:
            cause = " ".join(str(error).splitlines()[1:2]).strip()
            raise CheckpointError(
                f"the weights do not fit the network of {self.config.name} ({cause}): {self.checkpoint}"
            ) from error
        if missing:
            raise CheckpointError(
                f"the weights lack {len(missing)} tensors of the network of {self.config.name}, such as {missing[0]}: "
                f"{self.checkpoint}"
            )

    def _state(self) -> dict[str, Tensor]:
        try:
            with torch.serialization.safe_globals(_harmless()):
                read = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise CheckpointError(
                "the checkpoint holds more than tensors and numbers, which could run any code; one that you trained is "
                f"rid of it by mmpose's tools/misc/publish_model.py: {self.checkpoint}"
            ) from error
        except (OSError, RuntimeError, EOFError) as error:
            raise CheckpointError(f"the checkpoint is damaged or cut short ({error}): {self.checkpoint}") from error
        state = read.get("state_dict") if isinstance(read, dict) else None
        if not isinstance(state, dict):
            raise CheckpointError(f"expected a checkpoint of OpenMMLab's with a state_dict: {self.checkpoint}")
        return state


def find(folder: str | None) -> PoseWeights:
    """Find the pair in the folder that is named, or that the variable names. Raises CheckpointError for what is
    missing."""
    require("mmpose", *PACKAGES, install=HOW)
    named = folder or os.environ.get(VARIABLE)
    if not named:
        raise CheckpointError(
            "mmpose needs a folder with a config (.py) and its checkpoint (.pth); "
            f"name it, `keypoint@mmpose:FOLDER`, or set {VARIABLE}"
        )
    if not Path(named).is_dir():
        raise CheckpointError(
            f"expected a folder with a config (.py) and its checkpoint (.pth), there is none: {named}"
        )
    return PoseWeights(_get_only(Path(named), CONFIG), _get_only(Path(named), CHECKPOINT))


def _get_only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise CheckpointError(f"expected one file {pattern} of OpenMMLab's, found {names}: {folder}")
    return found[0]


def _harmless() -> list[Any]:
    """What published checkpoints hold beside tensors: the data set's description, with arrays of NumPy's."""
    rebuild, scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64", "bool")]
    # NumPy 2 moved what older files name.
    moved = [(rebuild, "numpy.core.multiarray._reconstruct"), (scalar, "numpy.core.multiarray.scalar")]
    return [np.ndarray, np.dtype, rebuild, scalar, *kinds, *moved]
