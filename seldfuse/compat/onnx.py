"""A network in an ONNX file, as onnxruntime runs it."""

from pathlib import Path
from typing import Any

import torch

from seldfuse.errors import CheckpointError
from seldfuse.storage.impostors import describe_impostor

GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def open_session(path: Path, device: torch.device, what: str) -> Any:
    """Open an onnxruntime session on a device, as far as the package knows it, with as many threads as torch has.

    Raises CheckpointError, which says `what` was expected, where the file is no such network.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    wanted = (GPU, CPU) if device.type == "cuda" else (CPU,)
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    # Each of its failures has a class of its own, and they share none but this.
    except Exception as error:
        if impostor := describe_impostor(path, what):
            raise CheckpointError(f"{impostor}: {path}") from error
        raise CheckpointError(f"expected {what} in ONNX ({str(error).partition(chr(10))[0]}): {path}") from error


def get_device_name(session: Any) -> str:
    """Name the device on which a session computes, which may be the CPU though a GPU was asked for."""
    return "cuda" if GPU in session.get_providers() else "cpu"
