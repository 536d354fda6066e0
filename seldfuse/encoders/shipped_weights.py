"""The weights of the encoders that ship, once for all checkpoints that stand on them."""

import safetensors.torch
from torch import Tensor

from seldfuse.checkpoint import find_bundled_file
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.storage.digest import hash_bytes

COMPACT = "compact-encoders"
HASH_DIGITS = 16


def load_bundled_weights(name: str, folder: str = COMPACT) -> tuple[dict[str, Tensor], str]:
    """Load weights in single precision, and the beginning of their file's SHA-256. Raises CheckpointError."""
    path = find_bundled_file(folder, f"{name}.safetensors")
    data = path.read_bytes()
    try:
        weights = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"the encoder's weights are damaged ({error}); install seldfuse anew: {path}") from error
    floats = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in weights.items()}
    return floats, hash_bytes(data, "sha256", HASH_DIGITS)


def refuse_weights(name: str, weights: str | None) -> None:
    """Refuse weights of one's own for an encoder that brings its own. Raises UsageError."""
    if weights is not None:
        raise UsageError(f"{name} comes with its weights; leave @{weights} out")
