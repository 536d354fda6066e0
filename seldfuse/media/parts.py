"""Files whose bytes FFmpeg would misread: several files one behind the other, and headers that need another.

Recorders and pipes write lengths that stand for unknown, programs 24 valid bits in 32 or big-endian RIFF, and `cat`
joins whole files. Of such a file there are parts, each a header and a stretch of the file, which FFmpeg reads rightly.
"""

import io
import mmap
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np

from seldfuse.errors import MediaError
from seldfuse.media.riff import WaveChunks, build_au_header, build_wave_header, find_waves, is_unknown

LOOKED_AT = 1 << 20
"""Samples that tell on which side the valid bits are."""

_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_MATROSKA = re.compile(rb"\x1aE\xdf\xa3.{1,8}?\x42\x86\x81\x01", re.DOTALL)
_OGG_FIRST = 2
_EXTENDED_BIAS = 16383


@dataclass(frozen=True)
class FilePart:
    """A stretch of a file from `start` to `end`, behind a `header` of its own; its samples are to be multiplied by
    `gain`.
    """

    header: bytes
    start: int
    end: int
    gain: float = 1.0


def list_parts(path: Path) -> tuple[FilePart, ...]:
    """List the parts of a file; none where FFmpeg reads it rightly as it is, or nobody could.

    Raises MediaError for what is known and cannot be read.
    """
    try:
        status = path.stat()
        return _list_unchanged(path, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError, struct.error):
        # Decoding tells what is wrong.
        return ()


class PartFile(io.RawIOBase):
    """A part of a file, read like a file of its own. Raises OSError."""

    def __init__(self, path: Path, part: FilePart) -> None:
        self._file: IO[bytes] = path.open("rb")
        self._part, self._position = part, 0
        self._length = len(part.header) + part.end - part.start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._length - self._position)
        size = left if size is None or size < 0 else min(size, left)
        found = self._part.header[self._position : self._position + size]
        if len(found) < size:
            self._file.seek(self._part.start + self._position + len(found) - len(self._part.header))
            found += self._file.read(size - len(found))
        self._position += len(found)
        return found

    def close(self) -> None:
        self._file.close()
        super().close()


@lru_cache(maxsize=4096)
def _list_unchanged(path: Path, size: int, changed_ns: int) -> tuple[FilePart, ...]:  # noqa: ARG001
    if size < 12:
        return ()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _find_parts(data)
        except MediaError as error:
            raise MediaError(f"{error}: {path}") from None


def _find_parts(data: mmap.mmap) -> tuple[FilePart, ...]:
    magic, kind = data[:4], data[8:12]
    if magic in (b"RIFF", b"RIFX") and kind == b"WAVE":
        return _list_wave_parts(data)
    if magic == b"FORM" and kind in (b"AIFF", b"AIFC"):
        return _list_aiff_parts(data)
    if magic == b"fLaC":
        return _split(data, [found.start() for found in _FLAC.finditer(data)])
    if magic == b"\x1aE\xdf\xa3":
        return _split(data, [found.start() for found in _MATROSKA.finditer(data)])
    if magic == b"OggS":
        return _split(data, list(_find_ogg_starts(data)))
    if data[4:8] == b"ftyp":
        return _split(data, list(_find_mp4_starts(data)))
    return ()


def _split(data: mmap.mmap, starts: list[int]) -> tuple[FilePart, ...]:
    if len(starts) < 2:
        return ()
    return tuple(FilePart(b"", start, end) for start, end in pairwise([*starts, len(data)]))


def _find_ogg_starts(data: mmap.mmap) -> Iterator[int]:
    """Where the first page of a stream follows one that is none (RFC 3533: a chained stream)."""
    at, begun = 0, False
    while data[at : at + 4] == b"OggS" and at + 27 <= len(data):
        first = bool(data[at + 5] & _OGG_FIRST)
        if first and not begun:
            yield at
        begun = first
        segments = data[at + 26]
        at += 27 + segments + sum(data[at + 27 : at + 27 + segments])


def _find_mp4_starts(data: mmap.mmap) -> Iterator[int]:
    """Where a box begins that says what kind of file it is, which is the first of each."""
    at = 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == b"ftyp":
            yield at
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return
        at += size


# --- WAV ------------------------------------------------------------------------------------------------------------


def _list_wave_parts(data: mmap.mmap) -> tuple[FilePart, ...]:
    waves = list(find_waves(data))
    if len(waves) == 1 and not waves[0].is_odd:
        return ()
    return tuple(_make_wave_part(data, wave) for wave in waves)


def _make_wave_part(data: mmap.mmap, wave: WaveChunks) -> FilePart:
    length = wave.data_end - wave.data_start
    if wave.big_endian:
        header = build_au_header(wave.tag, wave.channels, wave.rate_hz, wave.bits, length, "RIFX, which is big-endian,")
        return FilePart(header, wave.data_start, wave.data_end)
    part = FilePart(build_wave_header(wave, length), wave.data_start, wave.data_end)
    shift = wave.stored_bits - wave.valid_bits
    if wave.is_integer and 0 < shift < wave.stored_bits and _is_right_aligned(data, wave, shift):
        return replace(part, gain=float(1 << shift))
    return part


def _is_right_aligned(data: mmap.mmap, wave: WaveChunks, shift: int) -> bool:
    """Tell whether the lower bits are used and the upper ones are not, against the format."""
    width = wave.stored_bits // 8
    end = min(wave.data_end, wave.data_start + LOOKED_AT * width)
    raw = np.frombuffer(data[wave.data_start : end - (end - wave.data_start) % width], np.uint8).reshape(-1, width)
    padded = np.zeros((len(raw), 4), np.uint8)
    padded[:, 4 - width :] = raw
    samples = padded.view("<i4")[:, 0].astype(np.int64) >> (32 - wave.stored_bits)
    low = samples & ((1 << shift) - 1)
    return bool(low.any() and np.abs(samples).max() <= 1 << (wave.valid_bits - 1))


# --- AIFF -----------------------------------------------------------------------------------------------------------


def _list_aiff_parts(data: mmap.mmap) -> tuple[FilePart, ...]:
    """Those of big-endian samples, as AU files, whose header is simple; of others FFmpeg says what is wrong."""
    parts, start, odd = list[FilePart](), 0, False
    while data[start : start + 4] == b"FORM" and data[start + 8 : start + 12] in (b"AIFF", b"AIFC"):
        length = int.from_bytes(data[start + 4 : start + 8], "big")
        unknown = is_unknown(length)
        found = _read_aiff(data, start, unknown)
        if found is None:
            return ()
        part, lost = found
        odd |= unknown or lost or start > 0
        parts.append(part)
        start = part.end if unknown or lost else max(part.end, start + 8 + length)
    return tuple(parts) if odd else ()


def _read_aiff(data: mmap.mmap, start: int, unknown: bool) -> tuple[FilePart, bool] | None:
    """A part, and whether the length of its sound was not known."""
    at, common = start + 12, b""
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "big")
        if name == b"COMM":
            common = data[at + 8 : at + 8 + size]
        if name == b"SSND" and len(common) >= 18:
            first = at + 16 + int.from_bytes(data[at + 8 : at + 12], "big")
            stated = at + 8 + size
            lost = (stated > len(data) and is_unknown(size)) or (size <= 8 and unknown)
            end = len(data) if lost else min(stated, len(data))
            channels, _, bits = struct.unpack_from(">hIh", common)
            header = _build_aiff_header(common, channels, 8 * -(-bits // 8), end - first)
            return None if header is None else (FilePart(header, first, end), lost)
        at += 8 + size + size % 2
    return None


def _build_aiff_header(common: bytes, channels: int, bits: int, length: int) -> bytes | None:
    exponent, mantissa = struct.unpack_from(">HQ", common, 8)
    rate_hz = round(mantissa * 2.0 ** (exponent - _EXTENDED_BIAS - 63))
    kind = common[18:22] or b"NONE"
    if kind in (b"NONE", b"twos", b"in24", b"in32"):
        return build_au_header(1, channels, rate_hz, bits, length, "AIFF")
    if kind in (b"fl32", b"FL32", b"fl64", b"FL64"):
        return build_au_header(3, channels, rate_hz, bits, length, "AIFF")
    return None
