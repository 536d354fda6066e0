"""Whole files, read within limits."""

from pathlib import Path


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """Read a file of up to `most_bytes`. Raises OSError, and ValueError where it is larger."""
    with path.open("rb") as file:
        # One byte more tells that there is more.
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"it has more than {most_bytes:,} bytes")
    return data
