"""Where the weights of large networks are: a folder, a file, or a hub's name in seldfuse's own cache.

Nothing here downloads: `seldfuse checkpoints fetch` does, and a message about missing weights says so.
"""

import pickle
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor, nn

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.values import WEIGHT_FILES, PublishedWeights
from seldfuse.errors import CheckpointError
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.storage.cache import cache_folder
from seldfuse.storage.digest import hash_file, hash_text
from seldfuse.storage.impostors import describe_impostor
from seldfuse.storage.read_json import read_object

DAMAGE = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError)
"""What torch raises for files that are none of its own."""

CONFIG = "config.json"
FRONT_END = "preprocessor_config.json"
"""How a picture or a sound is prepared."""

VOCABULARY = "vocab.txt"
"""BERT's, one token a line."""

EXAMPLE = "microsoft/resnet-50"
"""A hub's name, for messages."""

HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
HASH_DIGITS = 16


@dataclass(frozen=True)
class WeightFiles:
    """Weights that are there. `folder` holds their settings; a file that was named by itself has none."""

    file: Path
    folder: Path | None

    def hash_version(self) -> str:
        """Compute the beginning of the file's SHA-256."""
        return hash_file(self.file, "sha256", HASH_DIGITS)

    def read_settings(self, name: str) -> dict[str, Any] | None:
        """Read a JSON file beside the weights, None where there is none. Raises CheckpointError where it is damaged."""
        path = self.folder / name if self.folder else None
        if path is None or not path.is_file():
            return None
        try:
            return read_object(path, MOST_DOCUMENT_BYTES)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"the settings of the weights cannot be read ({error}): {path}") from error

    def read_tensors(self, prefixes: Iterable[str] = ("",), within: str = "") -> dict[str, Tensor]:
        """Read those of some names: of a model of pictures and text only one half is needed. Raises CheckpointError.

        `within` is the name under which a pickle keeps them, where it keeps other things beside them.
        """
        beginnings = tuple(prefixes)
        if impostor := describe_impostor(self.file, "the weights"):
            raise CheckpointError(f"{impostor}: {self.file}")
        try:
            if self.file.suffix == ".safetensors":
                with safetensors.safe_open(self.file, "pt") as file:
                    return {name: file.get_tensor(name) for name in file.keys() if name.startswith(beginnings)}  # noqa: SIM118
            found = torch.load(self.file, map_location="cpu", weights_only=True)
            found = found.get(within, found)
            return {name: value for name, value in found.items() if name.startswith(beginnings)}
        except pickle.UnpicklingError as error:
            raise CheckpointError(
                f"the weights hold more than tensors, which could run any code; only tensors are read: {self.file}"
            ) from error
        except (safetensors.SafetensorError, *DAMAGE) as error:
            raise CheckpointError(f"the weights are damaged or cut short ({error}): {self.file}") from error

    def fill(self, network: nn.Module, tensors: dict[str, Tensor]) -> None:
        """Copy tensors into a network. Raises CheckpointError where some are missing or have other shapes."""
        try:
            missing = network.load_state_dict(tensors, strict=False).missing_keys
        except RuntimeError as error:
            cause = " ".join(str(error).splitlines()[1:2]).strip()
            raise CheckpointError(f"the weights do not fit the network of {CONFIG} ({cause}): {self.file}") from error
        # Counters of training steps, which old files lack, do nothing here.
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing:
            raise CheckpointError(
                f"the weights lack {len(missing)} of the network's tensors, such as {missing[0]}: {self.file}"
            )


def find_weights(reference: str, needs: tuple[str, ...] = ()) -> WeightFiles:
    """Find the weights of a reference; `needs` are the files that must be beside them. Raises CheckpointError."""
    named = Path(reference)
    if named.is_file():
        return WeightFiles(named, None)
    if named.is_dir():
        return _in_folder(named, needs)
    if not HUB_NAME.fullmatch(reference):
        raise CheckpointError(
            f"there are no weights {reference!r}: expected a folder, a file, or a hub's name such as "
            f"{EXAMPLE}; `seldfuse checkpoints` lists more"
        )
    return _in_cache(reference, needs)


def find_weights_folder(reference: str) -> Path:
    """Find the folder for the weights of a hub's name."""
    return cache_folder() / "weights" / reference.replace("/", "--")


def choose_address_path(address: str) -> Path:
    """Choose where in the cache the file of an address on the web is kept."""
    name = Path(urllib.parse.urlsplit(address).path).name or "weights.pth"
    return cache_folder() / "weights" / "addresses" / hash_text(address, "sha256", HASH_DIGITS) / name


def list_published() -> list[PublishedWeights]:
    """List the published weights that encoders, detectors and backends state, each reference once, with its users."""
    registry = load_registry()
    found: dict[str, PublishedWeights] = {}
    stated = [
        *(weights for encoder in registry.encoders.values() for weights in encoder.value.published),
        *(weights for detector in registry.detectors.values() for weights in detector.value.published),
        *(weights for backend in registry.backends.values() for weights in backend.value.published),
    ]
    for weights in stated:
        first = found.setdefault(weights.reference, weights)
        users = tuple(dict.fromkeys((*first.users, *weights.users)))
        found[weights.reference] = replace(first, users=users)
    return list(found.values())


def find_published(reference: str) -> PublishedWeights | None:
    """Find what an encoder or a detector states about a hub's name; None where none does."""
    return next((entry for entry in list_published() if entry.reference == reference), None)


def is_downloaded(entry: PublishedWeights) -> bool:
    """Say whether all files of published weights are in the cache."""
    return not list_missing(find_weights_folder(entry.reference), entry.settings, entry.weights)


def list_missing(folder: Path, needs: tuple[str, ...], weights: tuple[str, ...] = WEIGHT_FILES) -> list[str]:
    """List files that are needed and not there; of the weights one file will do."""
    there = any((folder / name).is_file() for name in weights)
    return [name for name in needs if not (folder / name).is_file()] + ([] if there else [weights[0]])


def _in_folder(folder: Path, needs: tuple[str, ...], weights: tuple[str, ...] = WEIGHT_FILES) -> WeightFiles:
    missing = list_missing(folder, needs, weights)
    if missing:
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise CheckpointError(f"the folder of weights lacks {' and '.join(missing)}, it has {there}: {folder}")
    return WeightFiles(next(folder / name for name in weights if (folder / name).is_file()), folder)


def _in_cache(reference: str, needs: tuple[str, ...]) -> WeightFiles:
    folder, entry = find_weights_folder(reference), find_published(reference)
    names = entry.weights if entry else WEIGHT_FILES
    missing = list_missing(folder, needs, names)
    if not missing:
        return _in_folder(folder, needs, names)
    # The settings are small; it is the weights that take time.
    size = f" (about {entry.size_mb} MB)" if entry and names[0] in missing else ""
    raise CheckpointError(
        f"the weights {reference} lack {' and '.join(missing)}{size}; "
        f"get them with `seldfuse checkpoints fetch {reference}`: {folder}"
    )
