"""Checkpoints: folders of weights and settings that are safe to open.

A folder holds `model.safetensors` (half precision; single where weights were imported), `config.json` and `README.md`,
the model card. Nothing is ever unpickled.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from seldfuse.catalogue.guard import describe_cause
from seldfuse.core.labels import LabelSet
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.settings.aliases import NETWORK, rename_old_keys
from seldfuse.settings.check_types import find_misfit
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.impostors import describe_impostor
from seldfuse.storage.read_json import read_object

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CONFIG_VERSION = 1

LEAST_LIMIT = 4096
"""A whole number of a network's settings may be so large whatever its weights are."""

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)

_PACKAGE = Path(__file__).resolve().parent
# A wheel carries the bundled checkpoints inside the package; in a checkout they stand in the repository root.
BUNDLED = (_PACKAGE / "_checkpoints", _PACKAGE.parent / "checkpoints")

PREFIX = "bundled:"
"""What stands before the name of a bundled checkpoint where a folder of that name may be, too."""

RETIRED = {
    "doa-small": "doa-medium",
    "sde-small": "sde-medium",
    "sce-small": "sce-medium",
    "mvanet-small": "mvanet-medium",
    "mvanet-small-plain": "mvanet-medium",
    "cmc-small": "cmc-medium",
}
"""Checkpoints that came with version 0.1.0, and those that took their place."""


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint folder: settings read and checked, weights not yet loaded."""

    folder: Path
    config: Mapping[str, Any]
    labels: LabelSet

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that the network takes. Raises CheckpointError where the settings name none."""
        features = tuple(self.config.get("features", ()))
        if not features:
            raise CheckpointError(f"the checkpoint's settings name no features: {self.folder / CONFIG}")
        return features

    def build(self, build: Callable[[Mapping[str, Any], LabelSet], AnyNetwork]) -> AnyNetwork:
        """Build the network that the settings describe, without weights.

        Raises CheckpointError where they describe none, more weights than the file has, or have settings that it does
        not know. Building stops as soon as the weights are too many, and begins with no size that none of them has.
        """
        path, shapes = self.folder / CONFIG, _read_shapes(self.folder / WEIGHTS)
        settings = self.config["network"]
        most = max([LEAST_LIMIT, len(shapes), *(size for shape in shapes.values() for size in shape)])
        if beyond := _find_larger(settings, most):
            raise CheckpointError(f"the network's setting {beyond} does not fit the weights: {path}")
        try:
            with _limit_weights(shapes):
                network = build(settings, self.labels)
        except CheckpointError as error:
            raise (error if str(self.folder) in str(error) else CheckpointError(f"{error}: {path}")) from error
        except Exception as error:
            raise CheckpointError(
                f"no network can be built of the checkpoint's settings ({describe_cause(error)}): {path}"
            ) from error
        describe: Any = getattr(network, "settings", None)
        known = describe() if callable(describe) else settings
        if unknown := [name for name, value in settings.items() if value and name not in known]:
            raise CheckpointError(f"the network's config has unknown settings: {', '.join(unknown):.200}: {path}")
        return network

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
        config = read_object(path)
        labels = LabelSet.from_json(config["labels"])
        _check_types(config)
        config["network"] = rename_old_keys(config.get("network", {}), NETWORK)
        version, owner = int(config["version"]), str(config["backend"])
    except FileNotFoundError as error:
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise CheckpointError(f"expected {CONFIG} and {WEIGHTS} in the checkpoint, found {there}: {folder}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise CheckpointError(f"the checkpoint's settings cannot be read ({error!s:.300}): {path}") from error
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
    if not isinstance(data, Mapping):
        raise CheckpointError(f"expected settings of a network as a table, got {data!r:.60}")
    hints = get_type_hints(kind)
    unknown = sorted(set(data) - {entry.name for entry in fields(kind)})
    if unknown:
        raise CheckpointError(f"the network's config has unknown settings: {', '.join(unknown)}")
    for name, value in data.items():
        if misfit := find_misfit(_make_tuples(value), hints[name], name):
            raise CheckpointError(f"the network's config: {misfit}")


def _make_tuples(value: Any) -> Any:
    """JSON's lists as tuples, all the way down."""
    return tuple(map(_make_tuples, value)) if isinstance(value, list | tuple) else value


def _check_types(config: Mapping[str, Any]) -> None:
    """Check what networks are built from. Raises TypeError."""
    for name, kind in (("network", dict), ("features", list), ("encoders", dict)):
        found: Any = config.get(name, kind())
        if not isinstance(found, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {found!r:.60}")
        texts = [] if name == "network" else [*found, *(found.values() if isinstance(found, dict) else ())]
        if wrong := next((text for text in texts if not isinstance(text, str)), None):
            raise TypeError(f"{name} must hold texts, got {wrong!r:.60}")


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


def _read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shapes of all weights from the file's header. Raises CheckpointError."""
    with _explain_damage(path), safetensors.safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _find_larger(settings: Any, most: int, name: str = "") -> str | None:
    """Find a whole number in settings that is larger than `most`."""
    if isinstance(settings, int) and abs(settings) > most:
        return f"{name} = {settings}"
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(settings, Mapping):
        parts = settings.items()
    elif isinstance(settings, list | tuple):
        parts = ((name, one) for one in settings)
    return next((found for key, one in parts if (found := _find_larger(one, most, str(key)))), None)


@contextmanager
def _limit_weights(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[None]:
    """Have a network that is built within the block stop where it has many more weights than a file.

    Twice as many are allowed for: a network may replace some that it has made.
    """
    tensors, values = 2 * len(shapes) + 100, 2 * sum(map(math.prod, shapes.values())) + 10**6
    made = [0, 0]

    def count(_module: nn.Module, _name: str, weight: nn.Parameter | None) -> None:
        if weight is not None:
            made[0], made[1] = made[0] + 1, made[1] + weight.numel()
        if made[0] > tensors or made[1] > values:
            raise CheckpointError("the settings describe a network with more weights than the file has")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _explain_damage(path: Path) -> Iterator[None]:
    """Say what is wrong with a file of weights. Raises CheckpointError."""
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
        yield
    except FileNotFoundError as error:
        raise CheckpointError(f"the checkpoint has no {WEIGHTS}: {path.parent}") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"the weights are damaged or cut short ({error}): {path}") from error


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    with _explain_damage(path):
        weights = safetensors.torch.load_file(path)
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
