"""Which device computes."""

import torch

from seldfuse.errors import UsageError

KNOWN = ("cpu", "cuda", "mps")
"""Kinds of devices on which the networks are known to compute."""


def resolve_device(name: object = "auto") -> torch.device:
    """Resolve the device that `name` stands for: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises UsageError where a device that was asked for is missing: nobody falls back to the CPU unasked.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device: torch.device = torch.device(name)  # type: ignore[call-overload]
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"--device expects auto, cpu, cuda, cuda:N or mps, got {name!r}") from error
    if device.type not in KNOWN:
        raise UsageError(f"--device expects auto, cpu, cuda, cuda:N or mps, got {name!r}, on which nothing was tried")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {name}: this machine shows {torch.cuda.device_count()} CUDA devices; use --device cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: no Metal device here; use --device cpu")
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch says that memory ran out, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
