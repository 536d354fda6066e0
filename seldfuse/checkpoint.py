"""Checkpoints: folders of weights and settings that are safe to open.

A folder holds `model.safetensors` (half precision; single where weights were imported), `config.json` and `README.md`,
the model card. Nothing is ever unpickled.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from seldfuse.core.labels import LabelSet
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.settings.aliases import NETWORK, rename_old_keys
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.impostors import describe_impostor

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CONFIG_VERSION = 1

_PACKAGE = Path(__file__).resolve().parent
# A wheel carries the bundled checkpoints inside the package; in a checkout they stand in the repository root.
BUNDLED = (_PACKAGE / "_checkpoints", _PACKAGE.parent / "checkpoints")

PREFIX = "bundled:"
"""What stands before the name of a bundled checkpoint where a folder of that name may be, too."""

RETIRED = {"doa-small": "doa-medium", "sde-small": "sde-medium", "sce-small": "sce-medium"}
"""Checkpoints that came with version 0.1.0, and those that took their place."""


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint folder: settings read and checked, weights not yet loaded."""

    folder: Path
    config: Mapping[str, Any]
    labels: LabelSet

    def load_into(self, network: nn.Module) -> None:
        """Copy the weights into `network`. Raises CheckpointError where they are damaged or of other shapes."""
        path = self.folder / WEIGHTS
        try:
            network.load_state_dict(self.read_weights())
        except RuntimeError as error:
            raise CheckpointError(
                f"the weights do not fit the network in {CONFIG} ({_first_lines(error)}): {path}"
            ) from error

    def read_weights(self) -> dict[str, torch.Tensor]:
        """Read the weights, by name. Raises CheckpointError where they are missing or damaged."""
        return _read_weights(self.folder / WEIGHTS)


def list_bundled() -> list[str]:
    """List the names of the checkpoints that come with seldfuse."""
    return sorted({config.parent.name for root in BUNDLED for config in root.glob(f"*/{CONFIG}")})


def find_checkpoint(reference: str) -> str:
    """Find what a reference stands for: `bundled:NAME`, or a path.

    A path is what has a separator, such as ./sce, and what is a folder with a checkpoint in it; `bundled:NAME` is
    always the bundled one. Raises CheckpointError where a bare name is that of a bundled checkpoint and of such a
    folder.
    """
    if reference.startswith(PREFIX) or is_path(reference):
        return reference
    bundled, there = reference in list_bundled(), (Path(reference) / CONFIG).is_file()
    if bundled and there:
        raise CheckpointError(
            f"{reference!r} is a checkpoint that comes with seldfuse, and a folder here; type {PREFIX}{reference} for "
            f"the former, ./{reference} for the latter"
        )
    return f"{PREFIX}{reference}" if bundled else reference


def is_path(reference: str) -> bool:
    """Test whether a reference can only be a path."""
    return Path(reference).is_absolute() or "/" in reference or os.sep in reference


def find_bundled_file(folder: str, file: str) -> Path:
    """Find a file of a checkpoint that comes with seldfuse. Raises CheckpointError where it is missing."""
    places = [root / folder / file for root in BUNDLED]
    for path in places:
        if path.is_file():
            return path
    raise CheckpointError(f"weights that come with seldfuse are missing; install it anew: {places[-1]}")


def open_checkpoint(reference: str | None, backend: str, of_any: bool = False) -> Checkpoint:
    """Open the checkpoint that a bundled name or a path stands for (`find_checkpoint`); with `of_any` another backend's
    will do.

    Raises CheckpointError where it is missing or its name is ambiguous, is no checkpoint of `backend`, or is not safe
    to read.
    """
    folder = _find(reference, backend)
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        labels = LabelSet.from_json(config["labels"])
        _check_types(config)
        config["network"] = rename_old_keys(config.get("network", {}), NETWORK)
        version, owner = int(config["version"]), str(config["backend"])
    except FileNotFoundError as error:
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise CheckpointError(f"expected {CONFIG} and {WEIGHTS} in the checkpoint, found {there}: {folder}") from error
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise CheckpointError(f"the checkpoint's settings cannot be read ({error}): {path}") from error
    if version > CONFIG_VERSION:
        raise CheckpointError(
            f"the checkpoint has version {version}, this seldfuse reads up to {CONFIG_VERSION}; "
            f"update with `pip install -U seldfuse`: {folder}"
        )
    if owner != backend and not of_any:
        raise CheckpointError(
            f"the checkpoint is for the backend {owner}, not {backend}; type {owner}@{reference}: {folder}"
        )
    return Checkpoint(folder, config, labels)


def save_checkpoint(
    folder: Path,
    network: nn.Module,
    backend: str,
    labels: LabelSet,
    settings: Mapping[str, Any],
    precision: torch.dtype = torch.float16,
) -> None:
    """Write weights (in half precision by default) and settings; each file is whole or absent.

    What half precision cannot hold stays in single precision. Raises UsageError where it cannot be written, and
    CheckpointError where the network holds values that are not numbers, for nobody could open it again.
    """
    broken = [name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"the network holds values that are not numbers ({broken[0]}); not written: {folder}")
    state = {name: _convert(tensor, precision) for name, tensor in network.state_dict().items()}
    config = {"version": CONFIG_VERSION, "backend": backend, "labels": labels.to_json(), **settings}
    # safetensors' own writing does not tell a full disk as an OSError.
    with write_atomically(folder / WEIGHTS) as draft:
        draft.write_bytes(safetensors.torch.save(state))
    with write_atomically(folder / CONFIG) as draft:
        draft.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def check_network_settings(data: Mapping[str, Any], kind: type[Any]) -> None:
    """Check that the dataclass `kind` of this version has every setting of a network. Raises CheckpointError."""
    unknown = sorted(set(data) - {entry.name for entry in fields(kind)})
    if unknown:
        raise CheckpointError(f"the network's config has unknown settings: {', '.join(unknown)}")


def _check_types(config: Mapping[str, Any]) -> None:
    """Check what networks are built from. Raises TypeError."""
    for name, kind in (("network", dict), ("features", list), ("encoders", dict)):
        if not isinstance(config.get(name, kind()), kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {config[name]!r}")


def _find(reference: str | None, backend: str) -> Path:
    if reference is None:
        raise CheckpointError(f"{backend} has no bundled checkpoint; name one: --backends {backend}@FOLDER")
    name = find_checkpoint(reference)
    bare = name.removeprefix(PREFIX)
    folders = [root / bare for root in BUNDLED] if name.startswith(PREFIX) else [Path(name)]
    for folder in folders:
        if folder.is_dir():
            return folder
    reference = bare
    if reference in RETIRED:
        raise CheckpointError(
            f"the checkpoint {reference!r} no longer ships; type {RETIRED[reference]}, which took its place"
        )
    bundled = ", ".join(list_bundled()) or "none"
    raise CheckpointError(
        f"there is no checkpoint {reference!r}: neither a bundled one ({bundled}) nor a folder; "
        f"train one with `seldfuse train {backend} -o {reference}`"
    )


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        with path.open("rb") as file:
            start = file.read(9)
        # safetensors begin with a length, whose bytes may be anything, and a brace.
        if start[8:] != b"{" and start.startswith((b"PK", b"\x80")):
            raise CheckpointError(
                f"this is a pickle, which could run any code when opened; only safetensors are read: {path}"
            )
        if impostor := describe_impostor(path, "the weights"):
            raise CheckpointError(f"{impostor}: {path}")
        weights = safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"the checkpoint has no {WEIGHTS}: {path.parent}") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"the weights are damaged or cut short ({error}): {path}") from error
    broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"the weights hold values that are not numbers ({broken[0]}): {path}")
    return weights


def _convert(tensor: torch.Tensor, precision: torch.dtype) -> torch.Tensor:
    converted = tensor.to(precision) if tensor.is_floating_point() else tensor
    if not converted.isfinite().all():
        converted = tensor
    return converted.detach().cpu().contiguous()


def _first_lines(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines()[1:3])
