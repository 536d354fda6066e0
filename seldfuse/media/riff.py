"""The chunks of WAV files, little-endian (RIFF) and big-endian (RIFX), and headers that tell what is there.

Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991); WAVE_FORMAT_EXTENSIBLE has the
bits of the container and, fewer, the valid ones, which are the upper ones.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from seldfuse.errors import MediaError

UNKNOWN_NEAR = (1 << 31, 1 << 32)
"""Lengths near these were never filled in: streams, arecord, sox and others each have their own."""
NEAR = 1 << 16

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE

_AU_ENCODINGS = {(PCM, 8): 2, (PCM, 16): 3, (PCM, 24): 4, (PCM, 32): 5, (FLOAT, 32): 6, (FLOAT, 64): 7}
"""Numbers by which Sun's AU format tells kinds of samples."""

_VALID_AT = 18
"""Where the valid bits stand in an extensible format."""


@dataclass(frozen=True)
class WaveChunks:
    """One WAV file within a file: its header as it is, its format, and where its samples are.

    `form_at` is where the format stands in the header. `lengths_known` is False where lengths stand for unknown.
    """

    start: int
    big_endian: bool
    header: bytes
    form_at: int
    tag: int
    channels: int
    rate_hz: int
    block: int
    bits: int
    valid_bits: int
    data_start: int
    data_end: int
    end: int
    lengths_known: bool

    @property
    def is_integer(self) -> bool:
        return self.tag == PCM

    @property
    def stored_bits(self) -> int:
        """The bits that a sample takes."""
        return 8 * self.block // self.channels if self.is_integer and self.channels else self.bits

    @property
    def is_odd(self) -> bool:
        """Tell whether FFmpeg, which goes by the valid bits and by lengths, misreads it."""
        return self.big_endian or not self.lengths_known or self.stored_bits not in (self.valid_bits, 0)


def is_unknown(length: int) -> bool:
    """Tell whether a length of 32 bits stands for one that nobody knew."""
    return length == 0 or any(abs(length - near) <= NEAR for near in UNKNOWN_NEAR)


def find_waves(data: mmap.mmap) -> Iterator[WaveChunks]:
    """Find the WAV files that a file holds, one behind the other."""
    start = 0
    while _begins(data, start):
        wave = _read(data, start)
        if wave is None:
            return
        yield wave
        # Some programs fill up to an even length, some do not.
        start = wave.end if _begins(data, wave.end) else wave.end + 1


def build_wave_header(wave: WaveChunks, length: int) -> bytes:
    """Build the header of a little-endian file with true lengths, and as many valid bits as there are."""
    header = bytearray(wave.header)
    # From 4 GiB on there is no true length; all ones mean that it is unknown.
    known = len(header) - 8 + length < 0xFFFFFFFF
    struct.pack_into("<I", header, 4, len(header) - 8 + length if known else 0xFFFFFFFF)
    struct.pack_into("<I", header, len(header) - 4, length if known else 0xFFFFFFFF)
    if wave.is_integer and wave.stored_bits in (8, 16, 24, 32):
        struct.pack_into("<H", header, wave.form_at + 14, wave.stored_bits)
        if struct.unpack_from("<H", header, wave.form_at)[0] == EXTENSIBLE:
            struct.pack_into("<H", header, wave.form_at + _VALID_AT, wave.stored_bits)
    return bytes(header)


def build_au_header(tag: int, channels: int, rate_hz: int, bits: int, length: int, kind: str) -> bytes:
    """Build the header of an AU file, which is big-endian. Raises MediaError, of a file of such a `kind`, where AU has
    no such samples.
    """
    encoding = _AU_ENCODINGS.get((tag, bits))
    if encoding is None:
        raise MediaError(
            f"this is {kind} with samples of {bits} bits and format {tag}, which cannot be read; export the sound "
            "anew, as WAV or FLAC"
        )
    return b".snd" + struct.pack(">IIIII", 24, min(length, 0xFFFFFFFF), encoding, rate_hz, channels)


def _begins(data: mmap.mmap, at: int) -> bool:
    return data[at : at + 4] in (b"RIFF", b"RIFX") and data[at + 8 : at + 12] == b"WAVE"


def _read(data: mmap.mmap, start: int) -> WaveChunks | None:
    big_endian = data[start : start + 4] == b"RIFX"
    order = ">" if big_endian else "<"
    (length,) = struct.unpack_from(order + "I", data, start + 4)
    unknown = is_unknown(length)
    at, form_at = start + 12, 0
    while at + 8 <= len(data):
        name, (size,) = data[at : at + 4], struct.unpack_from(order + "I", data, at + 4)
        if name == b"fmt ":
            form_at = at + 8
        if name == b"data":
            break
        at += 8 + size + size % 2
    else:
        return None
    if not form_at or at - form_at < 16:
        return None
    first, stated = at + 8, at + 8 + size
    # A length of 0 is one that was never filled in, unless the file ends here.
    lost = is_unknown(size) and (stated > len(data) or (size == 0 and (unknown or start + 8 + length <= first)))
    end = _find_next(data, first) if lost else min(stated, len(data))
    tag, channels, rate_hz, _, block, bits = struct.unpack_from(order + "HHIIHH", data, form_at)
    valid_bits = bits
    if tag == EXTENSIBLE and at - form_at >= 26:
        valid_bits, tag = (struct.unpack_from(order + "H", data, form_at + place)[0] for place in (_VALID_AT, 24))
    return WaveChunks(
        start=start,
        big_endian=big_endian,
        header=data[start:first],
        form_at=form_at - start,
        tag=tag,
        channels=channels,
        rate_hz=rate_hz,
        block=block,
        bits=bits,
        valid_bits=valid_bits or bits,
        data_start=first,
        data_end=end,
        end=end if lost or unknown else max(end, start + 8 + length),
        lengths_known=not (lost or unknown),
    )


def _find_next(data: mmap.mmap, at: int) -> int:
    """Where a sound of unknown length ends: with the file, or where another one begins."""
    found = data.find(b"RIFF", at)
    while found >= 0 and not _begins(data, found):
        found = data.find(b"RIFF", found + 1)
    return found if found >= 0 else len(data)
