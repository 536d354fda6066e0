"""JSON of anybody's, read within limits."""

import json
from pathlib import Path
from typing import Any

from seldfuse.limits import MOST_SETTINGS_BYTES
from seldfuse.storage.impostors import recognize_impostor
from seldfuse.storage.read_bytes import read_bytes


def parse_json(text: str | bytes, most_bytes: int = MOST_SETTINGS_BYTES) -> Any:
    """Parse JSON. Raises ValueError, whatever is wrong with it: too large, nested too deeply, no JSON, no UTF-8."""
    if len(text) > most_bytes:
        raise ValueError(f"{len(text):,} bytes of JSON, more than {most_bytes:,}")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    except MemoryError:
        raise ValueError("JSON that does not fit into memory") from None


def read_json(path: Path, most_bytes: int = MOST_SETTINGS_BYTES) -> Any:
    """Read a JSON file. Raises OSError, and ValueError as `parse_json` does."""
    data = read_bytes(path, most_bytes)
    try:
        return parse_json(data.decode("utf-8"), most_bytes)
    except ValueError as error:
        if impostor := recognize_impostor(data, "JSON"):
            raise ValueError(impostor) from error
        raise


def read_object(path: Path, most_bytes: int = MOST_SETTINGS_BYTES) -> dict[str, Any]:
    """Read a JSON file that holds an object. Raises OSError, and ValueError where it holds something else."""
    found = read_json(path, most_bytes)
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {type(found).__name__}")
    return found
