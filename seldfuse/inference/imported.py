"""Checkpoints made of weights that other people trained."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

import seldfuse
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Backend, PublishedWeights
from seldfuse.checkpoint import CONFIG, save_checkpoint
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.digest import hash_git_blob
from seldfuse.storage.read_json import read_object
from seldfuse.weights.conversion import ConvertedNetwork, ForeignWeights

CARD = "README.md"
DIGEST_DIGITS = 8


def import_weights(backend: str, weights: ForeignWeights, folder: Path | None = None) -> Path:
    """Write a checkpoint of a backend with other people's weights, and return its folder.

    The folder is named after the backend and the file's digest, in the current one, where none is given. Raises
    UsageError where the folder holds another checkpoint, or the backend imports no weights, and CheckpointError where
    they do not fit its network.
    """
    value = find_importing_backend(backend)
    folder = folder or Path(f"{value.name}-{weights.file.sha256[:DIGEST_DIGITS]}")
    _check_free(folder, weights.file.sha256)
    converted: ConvertedNetwork = load_reference(str(value.convert))(weights)
    _check_finite(converted.network, weights)
    source = _describe_source(weights)
    settings = {**converted.settings, "imported": source}
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder, converted.network, value.name, weights.labels, settings, torch.float32)
    published = _find_published(value, weights.file.path)
    with write_atomically(folder / CARD) as draft:
        draft.write_text(_write_card(value, converted, weights, source, published), encoding="utf-8")
    return folder


def find_importing_backend(name: str) -> Backend:
    """Find a backend that makes its network of other people's weights. Raises PluginError, and UsageError."""
    registry = load_registry()
    value = registry.find(Backend, name).value
    if value.convert is None:
        able = ", ".join(entry.value.name for entry in registry.backends.values() if entry.value.convert) or "none"
        raise UsageError(f"the backend {value.name} imports no weights of others; those that do: {able}")
    return value


def _check_free(folder: Path, sha256: str) -> None:
    """An import that is repeated may overwrite its own checkpoint, and no other."""
    if folder.is_file():
        raise UsageError(f"expected a folder for the checkpoint, got a file: {folder}")
    try:
        same = read_object(folder / CONFIG)["imported"]["sha256"] == sha256
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise UsageError(f"there is another checkpoint already; name another folder with -o: {folder}")


def _check_finite(network: nn.Module, weights: ForeignWeights) -> None:
    broken = [name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"the weights hold values that are not numbers ({broken[0]}): {weights.file.path}")


def _describe_source(weights: ForeignWeights) -> dict[str, Any]:
    return {
        "file": weights.file.path.name,
        "sha256": weights.file.sha256,
        "recorded": _read_numbers(weights.file.content),
        "heads": weights.heads,
        "hop_ms": weights.hop_ms,
        "scaler": weights.scaler is not None,
        "seldfuse": seldfuse.__version__,
    }


def _read_numbers(content: Mapping[str, Any]) -> dict[str, float]:
    """Epoch and scores that the training script stored beside the weights."""
    numbers = {str(name): value for name, value in content.items() if hasattr(value, "__float__")}
    plain = {name: float(value) for name, value in numbers.items() if not isinstance(value, torch.Tensor)}
    return {name: value for name, value in plain.items() if value - value == 0}  # neither NaN nor infinite


def _find_published(value: Backend, path: Path) -> PublishedWeights | None:
    blob = hash_git_blob(path)
    return next((entry for entry in value.published if entry.git_blob == blob), None)


def _write_card(
    value: Backend,
    converted: ConvertedNetwork,
    weights: ForeignWeights,
    source: Mapping[str, Any],
    published: PublishedWeights | None,
) -> str:
    parameters = sum(parameter.numel() for parameter in converted.network.parameters())
    recorded = ", ".join(f"{name} {number:g}" for name, number in source["recorded"].items()) or "none"
    scaling = "standardized with the scaler that was named" if weights.scaler else "as they are, in dB"
    known = (
        f"The file is the one that its authors published as {published.reference}: {published.address}\n"
        f"They state the licence {published.license}; what they trained on is told there."
        if published
        else "Where the file comes from is known by its digest alone. Not known are the data that it was trained on, "
        "who\ntrained it, and its licence: ask its authors before you pass it on or sell what it helped to make."
    )
    return f"""# {value.name}, imported

A checkpoint of the backend `{value.name}` with weights that others trained, in the layout of {converted.source}.
seldfuse {source["seldfuse"]} read them on {datetime.now(UTC).date().isoformat()}, and changed none.

| | |
|---|---|
| File | `{source["file"]}` |
| SHA-256 | `{source["sha256"]}` |
| Network | {parameters:,} parameters; {weights.heads} attention heads |
| Features | {", ".join(converted.settings["features"])}, hop {weights.hop_ms:g} ms, {scaling} |
| Classes | {", ".join(weights.labels.names)} |
| Recorded in the file | {recorded} |
| Weights | single precision, safetensors |
| Licence | {published.license if published else "unknown"} |

{known}

What is recorded in the file is its authors' own measurement, on their data and by their rules. Heads, hop, scaling and
the order of classes cannot be read from the weights: they are those of the challenge's own settings, or of the options
that were given.
"""
