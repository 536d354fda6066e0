"""Files that travel in pieces and are put together again, checked by their hash."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.digest import hash_bytes

PIECE_BYTES = 15 * 2**20
LIST = "pieces.json"


def write_pieces(files: Mapping[str, Path], out: Path, piece_bytes: int = PIECE_BYTES) -> list[Path]:
    """Write files, by their names inside, as one archive in pieces, and their list with hashes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in files.items():
            archive.add(path, name)
    data = packed.getvalue()
    parts = [data[first : first + piece_bytes] for first in range(0, len(data), piece_bytes)]
    listed = [{"name": f"piece-{number:02}", "sha256": hash_bytes(part, "sha256")} for number, part in enumerate(parts)]
    for entry, part in zip(listed, parts, strict=True):
        with write_atomically(out / entry["name"]) as draft:
            draft.write_bytes(part)
    with write_atomically(out / LIST) as draft:
        draft.write_text(json.dumps({"sha256": hash_bytes(data, "sha256"), "pieces": listed}, indent=2) + "\n")
    return [out / LIST, *(out / entry["name"] for entry in listed)]


def join_pieces(folder: Path, out: Path) -> list[Path]:
    """Put pieces together and unpack them; return the files. Raises UsageError where a piece is missing or damaged."""
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
        parts = [(folder / entry["name"]).read_bytes() for entry in listed["pieces"]]
    except OSError as error:
        raise UsageError(
            f"expected {LIST} and the pieces that it lists ({error.strerror}): {error.filename}"
        ) from error
    for entry, part in zip(listed["pieces"], parts, strict=True):
        if hash_bytes(part, "sha256") != entry["sha256"]:
            raise UsageError(f"the piece is not what was written; fetch it again: {folder / entry['name']}")
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as archive:
        archive.extractall(out, filter="data")
        return [out / member.name for member in archive.getmembers()]
