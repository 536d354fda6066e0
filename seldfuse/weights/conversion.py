"""What a backend is given to make its network of other people's weights, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.errors import UsageError
from seldfuse.limits import MOST_SETTINGS_BYTES
from seldfuse.weights.training_file import TrainingFile

DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, BadZipFile, ZlibError)
"""What numpy and zipfile raise for files that are none of theirs."""


@dataclass(frozen=True)
class Scaler:
    """The mean and the standard deviation by which features were standardized, for each channel and mel band."""

    mean: Float[Tensor, "channel mel"]
    deviation: Float[Tensor, "channel mel"]


@dataclass(frozen=True)
class ForeignWeights:
    """A training script's file, and what its weights cannot tell.

    `labels` are the classes in the order of the network's outputs. `heads` are those of attention, `hop_ms` is the hop
    of the features, and `scaler` standardizes them; None where the script did not.
    """

    file: TrainingFile
    labels: LabelSet = DCASE2025
    heads: int = 8
    hop_ms: float = 20.0
    scaler: Scaler | None = None


@dataclass(frozen=True)
class ConvertedNetwork:
    """A backend's network with other people's weights; `settings` are `features` and `network` of its checkpoint.

    `source` is the code whose weights they are, in words, for the card.
    """

    network: nn.Module
    settings: Mapping[str, Any]
    source: str


def parse_labels(text: str) -> LabelSet:
    """Read comma-separated class names in the order of a network's outputs: the challenge's, or others.

    Raises UsageError where a name comes twice.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"expected class names with commas between them, such as {','.join(DCASE2025.names[:2])}, …")
    known = {label.name: label for label in DCASE2025.classes}
    classes = tuple(known.get(name) or Label(name, name.replace("_", " ").capitalize()) for name in names)
    return LabelSet("imported", classes)


def read_scaler(path: Path) -> Scaler:
    """Read a scaler of stereo features: an .npz with the arrays `mean` and `std`, left before right.

    Raises UsageError for anything else.
    """
    expected = "expected an .npz with arrays mean and std, a number for each mel band of left, then of right"
    try:
        # It may be packed, and unpack to any size.
        with ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_SETTINGS_BYTES:
                raise ValueError(f"more than {MOST_SETTINGS_BYTES:,} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays = [np.asarray(file[name], np.float32) for name in ("mean", "std")]
        mean, deviation = (torch.from_numpy(array.reshape(2, -1)) for array in arrays)
    except DAMAGE as error:
        raise UsageError(f"{expected} ({error}): {path}") from error
    if mean.shape != deviation.shape:
        raise UsageError(f"{expected}; got {mean.numel()} and {deviation.numel()} numbers: {path}")
    if not (mean.isfinite().all() and deviation.isfinite().all() and (deviation > 0).all()):
        raise UsageError(f"{expected}, finite, deviations above 0: {path}")
    return Scaler(mean, deviation)
