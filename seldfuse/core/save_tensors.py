"""Tensors as the bytes of a safetensors file, the same bytes for the same tensors.

safetensors itself writes its metadata in an order that is another in each process.
"""

import json
import struct
from collections.abc import Mapping

import safetensors.torch
from torch import Tensor

_LENGTH = struct.Struct("<Q")


def save_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Convert tensors and metadata to the bytes of a file; the metadata's keys are sorted."""
    plain: bytes = safetensors.torch.save(dict(tensors))
    start = _LENGTH.size + _LENGTH.unpack_from(plain)[0]
    header = json.loads(plain[_LENGTH.size : start])
    header = {"__metadata__": {name: metadata[name] for name in sorted(metadata)}, **header}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    # Tensors begin at a multiple of eight bytes.
    text += b" " * (-len(text) % 8)
    return b"".join([_LENGTH.pack(len(text)), text, memoryview(plain)[start:]])
