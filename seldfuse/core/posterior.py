"""What a model believes: activity, direction, distance and on-screen, ten times a second."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.grid import FRAME_S
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.save_tensors import save_tensors
from seldfuse.errors import UsageError
from seldfuse.limits import FARTHEST_M, LONGEST_HOP_S, LONGEST_S, SHORTEST_HOP_S
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.impostors import describe_impostor
from seldfuse.storage.read_json import parse_json

FORMAT = "seldfuse-posterior"
FORMAT_VERSION = 1

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""The types that tensors of a posterior may have."""

MOST_TRACKS = 64

RANGES = {
    "activity": (0.0, 1.0 + 1e-3),
    "direction": (-1.1, 1.1),
    "distance": (0.0, FARTHEST_M),
    "onscreen": (0.0, 1.0 + 1e-3),
    "azimuth_std_deg": (0.0, 1000.0),
    "distance_log_std": (0.0, 100.0),
}
"""What values can be, with room for rounding."""

LENGTH_TOLERANCE = 0.1
"""How far a direction may be from length 1 where something sounds; half precision needs a hundredth of that."""

OPTIONAL = ("direction", "distance", "onscreen", "azimuth_std_deg", "distance_log_std")


@dataclass(frozen=True)
class Posterior:
    """A belief on the axes `batch frame cls track`; `batch` counts clips (or windows) of equal length.

    `activity` is the probability that the track sounds. `direction` holds unit vectors (x front, y left, z up),
    `distance` metres, `onscreen` the probability of being in the picture given that the track sounds. All but activity
    are None where the model does not estimate them, and without meaning where nothing sounds. `azimuth_std_deg` and
    `distance_log_std` (of the natural logarithm of the distance) are standard deviations. `provenance` holds JSON
    values.

    Raises ValueError where shapes, devices or the number of classes do not fit together.

    >>> import torch
    >>> from seldfuse import Posterior
    >>> Posterior(torch.zeros(1, 50, 13, 1), distance=torch.ones(1, 50, 13, 1)).provides
    ('activity', 'distance')
    """

    activity: Float[Tensor, "batch frame cls track"]
    direction: Float[Tensor, "batch frame cls track 3"] | None = None
    distance: Float[Tensor, "batch frame cls track"] | None = None
    onscreen: Float[Tensor, "batch frame cls track"] | None = None
    azimuth_std_deg: Float[Tensor, "batch frame cls track"] | None = None
    distance_log_std: Float[Tensor, "batch frame cls track"] | None = None
    labels: LabelSet = DCASE2025
    hop_s: float = FRAME_S
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.activity.shape
        if len(shape) != 4:
            raise ValueError(f"activity must be (batch, frame, cls, track), got {tuple(shape)}")
        if shape[2] != len(self.labels):
            raise ValueError(f"activity has {shape[2]} classes, the label set {self.labels.name} {len(self.labels)}")
        for name, tensor in self.tensors().items():
            expected = (*shape, 3) if name == "direction" else shape
            if tensor.shape != expected or tensor.device != self.activity.device:
                raise ValueError(
                    f"{name} must be {tuple(expected)} on {self.activity.device}, "
                    f"got {tuple(tensor.shape)} on {tensor.device}"
                )

    def __repr__(self) -> str:
        batch, frames, classes, tracks = self.activity.shape
        shape = f"batch={batch}, frames={frames}, classes={classes}, tracks={tracks}"
        return f"Posterior({', '.join(self.provides)}; {shape}, {self.labels.name} on {self.activity.device})"

    @property
    def provides(self) -> tuple[str, ...]:
        """Return the names of the fields that are there, activity first."""
        return tuple(self.tensors())

    @property
    def frames(self) -> int:
        return self.activity.shape[1]

    @property
    def tracks(self) -> int:
        return self.activity.shape[3]

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields that are there, by name."""
        found = {name: getattr(self, name) for name in ("activity", *OPTIONAL)}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def map(self, function: Any) -> "Posterior":
        """Pass every tensor through `function` (a slice of the batch, a move to a device, …)."""
        return replace(self, **{name: function(tensor) for name, tensor in self.tensors().items()})

    @classmethod
    def concat(cls, parts: "Sequence[Posterior]") -> "Posterior":
        """Concatenate the clips of several posteriors that provide the same fields, one after the other."""
        first = parts[0]
        joined: dict[str, Any] = {name: torch.cat([part.tensors()[name] for part in parts]) for name in first.provides}
        return replace(first, **joined)

    def to(self, device: torch.device | str) -> "Posterior":
        return self.map(lambda tensor: tensor.to(device))

    def save(self, path: Path) -> None:
        """Write a safetensors file: tensors by field name, everything else as JSON in its metadata.

        Half precision stays half precision. Raises UsageError where `path` cannot be written.
        """
        header = {
            "format": FORMAT,
            "version": str(FORMAT_VERSION),
            "labels": json.dumps(self.labels.to_json()),
            "hop_s": repr(self.hop_s),
            "provenance": json.dumps(dict(self.provenance), sort_keys=True),
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors().items()}
        # safetensors' own writing does not tell a full disk as an OSError.
        with write_atomically(path) as draft:
            draft.write_bytes(save_tensors(tensors, header))

    @classmethod
    def load(cls, path: Path) -> "Posterior":
        """Read what `save` wrote. Raises UsageError that names what is wrong with the file."""
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                _check_header(header, path)
                labels, hop_s, provenance = _read_header(header)
                names = [name for name in file.keys() if name in ("activity", *OPTIONAL)]  # noqa: SIM118
                _check_sizes({name: tuple(file.get_slice(name).get_shape()) for name in names}, hop_s)
                tensors = {name: file.get_tensor(name) for name in names}
            wrong = next((name for name, tensor in tensors.items() if tensor.dtype not in FLOATS), None)
            if wrong:
                raise ValueError(f"{wrong} must be floats of 16, 32 or 64 bits, got {tensors[wrong].dtype}")
            return cls(**tensors, labels=labels, hop_s=hop_s, provenance=provenance)
        except FileNotFoundError as error:
            raise UsageError(f"there is no such posterior file: {path}") from error
        except (safetensors.SafetensorError, OSError) as error:
            if impostor := describe_impostor(path, "a posterior"):
                raise UsageError(f"{impostor}: {path}") from error
            raise UsageError(f"expected a safetensors file, but it cannot be read ({error}): {path}") from error
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise UsageError(f"not a whole posterior ({error!s:.300}): {path}") from error
        except UsageError as error:
            raise (
                error if str(path) in str(error) else UsageError(f"not a whole posterior ({error}): {path}")
            ) from error
        except RuntimeError as error:
            raise UsageError(f"expected a posterior that fits into memory ({error!s:.300}): {path}") from error


def find_wrong_direction(posterior: Posterior) -> tuple[int, float] | None:
    """Find a direction of a track that sounds and is no unit vector: its row of the batch, and its length."""
    assert posterior.direction is not None
    length = posterior.direction.float().norm(dim=-1)
    wrong = (posterior.activity > 0.5) & ((length - 1).abs() > LENGTH_TOLERANCE)
    if not wrong.any():
        return None
    place = wrong.nonzero()[0]
    return int(place[0]), float(length[tuple(place)])


def _read_header(header: Mapping[str, str]) -> tuple[LabelSet, float, dict[str, Any]]:
    """Read classes, hop and provenance. Raises ValueError, KeyError or UsageError."""
    labels = LabelSet.from_json(parse_json(header["labels"]))
    hop_s = float(header["hop_s"])
    if not SHORTEST_HOP_S <= hop_s <= LONGEST_HOP_S:
        raise ValueError(f"hop_s must be {SHORTEST_HOP_S:g} to {LONGEST_HOP_S:g} s, got {header['hop_s']:.40}")
    provenance = parse_json(header["provenance"])
    if not isinstance(provenance, dict):
        raise ValueError(f"provenance must be an object, got {type(provenance).__name__}")
    return labels, hop_s, provenance


def _check_sizes(shapes: Mapping[str, tuple[int, ...]], hop_s: float) -> None:
    """Check what a file's header says of its tensors, before they are read. Raises ValueError."""
    shape = shapes["activity"]
    if len(shape) == 4 and not 1 <= shape[3] <= MOST_TRACKS:
        raise ValueError(f"expected 1 to {MOST_TRACKS} tracks, got {shape[3]}")
    if len(shape) == 4 and not 1 <= shape[1] <= LONGEST_S / hop_s:
        raise ValueError(f"expected 1 frame to a day of them, got {shape[1]}")


def _check_header(header: Mapping[str, str], path: Path) -> None:
    if header.get("format") != FORMAT:
        raise UsageError(f"expected a posterior written by seldfuse, the file says {header.get('format')!r}: {path}")
    if not header["version"].isdecimal() or int(header["version"]) > FORMAT_VERSION:
        raise UsageError(
            f"posterior format {header['version']} is newer than this seldfuse reads ({FORMAT_VERSION}); "
            f"update with `pip install -U seldfuse`: {path}"
        )
