"""Sound as it was meant: odd headers, several files in one, floats of integers, offsets, and several streams."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from seldfuse.errors import MediaError, UsageError
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.sound import FileAudio

RATE_HZ = 24_000
SECONDS = 2
TONES = np.stack([np.sin(2 * np.pi * hz * np.arange(SECONDS * RATE_HZ) / RATE_HZ) for hz in (440.0, 660.0)])
SOUND = (TONES * [[0.5], [0.25]]).astype(np.float32)
INTEGERS = np.round(SOUND * 32767).astype("<i2").T  # (sample, channel)
HALF = SECONDS * RATE_HZ // 2


def chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(body)) + body


def form(tag: int, bits: int, order: str = "<", extra: bytes = b"", channels: int = 2) -> bytes:
    block = channels * bits // 8
    return struct.pack(order + "HHIIHH", tag, channels, RATE_HZ, RATE_HZ * block, block, bits) + extra


def riff(fmt: bytes, data: bytes, order: str = "<", name: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + chunk(b"fmt ", fmt, order) + chunk(b"data", data, order)
    return name + struct.pack(order + "I", len(body)) + body


def extensible(container_bits: int, valid_bits: int) -> bytes:
    guid = struct.pack("<IHH", 1, 0, 16) + bytes.fromhex("800000aa00389b71")
    return form(0xFFFE, container_bits, extra=struct.pack("<HHI", 22, valid_bits, 3) + guid)


def packed(values: np.ndarray, width: int, order: str = "<") -> bytes:
    """Integers in so many bytes each."""
    raw = np.ascontiguousarray(values.astype(">i4" if order == ">" else "<i4")).view(np.uint8).reshape(-1, 4)
    return (raw[:, 4 - width :] if order == ">" else raw[:, :width]).tobytes()


WAV = riff(form(1, 16), INTEGERS.tobytes())
DEEP = np.round(SOUND.T.astype(np.float64) * 8388607).astype(np.int64)


def hear(path: Path, selection: ChannelSelection | None = None) -> tuple[np.ndarray, list[str]]:
    notes: list[str] = []
    return np.concatenate(list(FileAudio(path, selection or ChannelSelection()).blocks(notes.append)), axis=1), notes


def check_heard(path: Path, within: float = 1e-3) -> list[str]:
    heard, notes = hear(path)
    assert heard.shape == SOUND.shape
    assert np.abs(heard - SOUND).max() < within
    return notes


@pytest.mark.parametrize(
    "data",
    [
        riff(form(1, 16, ">"), INTEGERS.astype(">i2").tobytes(), ">", b"RIFX"),
        riff(form(1, 24, ">"), packed(DEEP, 3, ">"), ">", b"RIFX"),
        riff(form(3, 32, ">"), SOUND.T.astype(">f4").tobytes(), ">", b"RIFX"),
        riff(extensible(32, 24), packed(DEEP << 8, 4)),
        riff(extensible(32, 24), packed(DEEP, 4)),
        riff(extensible(24, 16), packed(DEEP >> 8 << 8, 3)),
        riff(extensible(24, 16), packed(DEEP >> 8, 3)),
    ],
    ids=["RIFX", "RIFX 24", "RIFX float", "24 in 32", "24 in 32, lower", "16 in 24", "16 in 24, lower"],
)
def test_bits_are_read_where_they_are(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(data)
    assert check_heard(tmp_path / "a.wav") == []


@pytest.mark.parametrize(
    ("whole", "data"),
    [
        (0x80000023, 0x7FFFFFFF),
        (0x80000024, 0x80000000),
        (0x7FFFF024, 0x7FFFF000),
        (0xFFFFFFF7, 0xFFFFFFD3),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0, 0),
        (36, 0),
    ],
)
def test_lengths_that_stand_for_unknown_are_no_matter(tmp_path: Path, whole: int, data: int) -> None:
    wav = bytearray(WAV)
    wav[4:8], wav[40:44] = struct.pack("<I", whole), struct.pack("<I", data)
    (tmp_path / "a.wav").write_bytes(wav)
    assert check_heard(tmp_path / "a.wav") == []


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_an_aiff_of_unknown_length_is_heard(tmp_path: Path, length: int) -> None:
    rate = struct.pack(">HQ", 16383 + 14, RATE_HZ << (63 - 14))
    common = chunk(b"COMM", struct.pack(">hIh", 2, length, 16) + rate, ">")
    sound = b"SSND" + struct.pack(">III", length, 0, 0) + INTEGERS.astype(">i2").tobytes()
    (tmp_path / "a.aiff").write_bytes(b"FORM" + struct.pack(">I", length) + b"AIFF" + common + sound)
    assert check_heard(tmp_path / "a.aiff") == []


def test_a_wav_that_was_cut_off_still_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(WAV[: len(WAV) // 2])
    (note,) = hear(tmp_path / "a.wav")[1]
    assert "was it cut off?" in note


def encode(path: Path, codec: str, samples: np.ndarray) -> bytes:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=RATE_HZ, layout="stereo")
        resampler = av.AudioResampler(stream.format, "stereo", RATE_HZ, frame_size=stream.frame_size or 1024)
        whole = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        whole.sample_rate, whole.pts, whole.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        for frame in [*resampler.resample(whole), *resampler.resample(None)]:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("suffix", "codec", "within"),
    [(".wav", "pcm_s16le", 1e-3), (".flac", "flac", 1e-3), (".ogg", "libopus", 0.4), (".m4a", "aac", 0.4),
     (".mka", "pcm_s16le", 1e-3)],
)  # fmt: skip
def test_files_one_behind_the_other_are_one_sound(tmp_path: Path, suffix: str, codec: str, within: float) -> None:
    first, second = (
        encode(tmp_path / f"{name}{suffix}", codec, np.ascontiguousarray(part))
        for name, part in (("x", SOUND[:, :HALF]), ("y", SOUND[:, HALF:]))
    )
    (tmp_path / f"both{suffix}").write_bytes(first + second)
    heard, notes = hear(tmp_path / f"both{suffix}")
    # Lossy codecs fill up their last packet.
    assert abs(heard.shape[1] - SOUND.shape[1]) < (1 if within < 0.1 else 6000)
    quiet = np.abs(heard[:, HALF + 6000 : -8000]).max(axis=1)
    np.testing.assert_allclose(quiet, [0.5, 0.25], atol=0.05)
    assert notes == [
        f"the file holds 2 files, one behind the other, which were heard as one: {tmp_path / f'both{suffix}'}"
    ]


def test_a_file_of_another_rate_behind_the_first_is_named(tmp_path: Path) -> None:
    other = struct.pack("<HHIIHH", 1, 2, 48_000, 4 * 48_000, 4, 16)
    (tmp_path / "a.wav").write_bytes(WAV + riff(other, INTEGERS.tobytes()))
    notes = check_heard(tmp_path / "a.wav")
    assert notes[-1].startswith("file 2 of those in the file, and what follows it, was left out: it has another format")


@pytest.mark.parametrize("scale", [1 << 15, 1 << 23, 1 << 31])
def test_floats_at_the_scale_of_integers_are_scaled_down(tmp_path: Path, scale: int) -> None:
    (tmp_path / "a.wav").write_bytes(riff(form(3, 32), (SOUND.T * scale).astype("<f4").tobytes()))
    (note,) = check_heard(tmp_path / "a.wav")
    assert f"like integers of {scale.bit_length()} bits that were saved as floats" in note


def test_floats_a_little_above_full_scale_are_sound(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(riff(form(3, 32), (SOUND.T * 6).astype("<f4").tobytes()))
    heard, notes = hear(tmp_path / "a.wav")
    assert np.abs(heard - SOUND * 6).max() < 1e-5
    assert notes == []


def test_floats_that_leap_to_the_scale_of_integers_later_on_are_refused(tmp_path: Path) -> None:
    sound = np.zeros((13 * RATE_HZ, 2), "<f4")
    sound[-RATE_HZ:] = 20_000
    (tmp_path / "a.wav").write_bytes(riff(form(3, 32), sound.tobytes()))
    with pytest.raises(MediaError, match=r"samples reach 20000 times full scale, like integers .*a\.wav"):
        hear(tmp_path / "a.wav")


@pytest.mark.parametrize("offset", [(0.3, 0.3), (0.3, 0.0), (-0.02, 0.1)])
def test_a_constant_offset_is_taken_away(tmp_path: Path, offset: tuple[float, float]) -> None:
    data = np.round((SOUND.T + np.array(offset)) * 32767).astype("<i2").tobytes()
    (tmp_path / "a.wav").write_bytes(riff(form(1, 16), data))
    (note,) = check_heard(tmp_path / "a.wav")
    assert "constant offset" in note


def test_what_is_no_offset_stays_bit_by_bit(tmp_path: Path) -> None:
    drifting = SOUND.T + np.linspace(-0.1, 0.1, SECONDS * RATE_HZ)[:, None]
    data = np.round(drifting * 32767).astype("<i2")
    (tmp_path / "a.wav").write_bytes(riff(form(1, 16), data.tobytes()))
    heard, notes = hear(tmp_path / "a.wav")
    np.testing.assert_array_equal(heard, (data.T / 32768).astype(np.float32))
    assert notes == []


# Streams


def mux(path: Path, parts: list[tuple[str, np.ndarray]], marks: tuple[Disposition, ...] = ()) -> Path:
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("pcm_s16le", rate=RATE_HZ, layout=layout) for layout, _ in parts]
        for stream, mark in zip(streams, marks, strict=False):
            stream.disposition = mark
        for start in range(0, len(INTEGERS), 2400):
            for stream, (layout, samples) in zip(streams, parts, strict=True):
                piece = np.ascontiguousarray(samples[start : start + 2400].reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode(None))
    return path


LEFT, RIGHT, SILENCE = INTEGERS[:, :1], INTEGERS[:, 1:], np.zeros_like(INTEGERS)
MIX = np.repeat(LEFT, 2, axis=1)


@pytest.mark.parametrize(
    ("name", "parts", "marks", "note"),
    [
        ("a.mov", [("mono", LEFT), ("mono", RIGHT)], (), "took the mono streams 0 and 1 of 2 (1 channel, 1 channel)"),
        ("a.mkv", [("mono", LEFT), ("mono", RIGHT)], (), "took the mono streams 0 and 1"),
        ("a.mkv", [("stereo", SILENCE), ("stereo", INTEGERS)], (), "took stream 1 of 2 (2 channels, 2 channels)"),
        ("a.mkv", [("stereo", MIX), ("stereo", INTEGERS)], (Disposition.comment, Disposition.default), "took stream 1"),
        ("a.mkv", [("stereo", MIX), ("stereo", INTEGERS)], (Disposition.hearing_impaired,), "took stream 1"),
        ("a.mkv", [("stereo", MIX), ("stereo", INTEGERS)], (Disposition(0), Disposition.default), "took stream 1"),
        ("a.mkv", [("mono", LEFT), ("stereo", INTEGERS)], (), "took stream 1 of 2 (1 channel, 2 channels)"),
        ("a.mkv", [("stereo", INTEGERS), ("mono", LEFT), ("mono", LEFT)], (), "took stream 0 of 3"),
    ],
)
def test_the_stream_that_is_the_sound_is_heard_and_named(
    tmp_path: Path, name: str, parts: list, marks: tuple[Disposition, ...], note: str
) -> None:
    (found,) = check_heard(mux(tmp_path / name, parts, marks))
    assert found.startswith(note)


def test_a_stream_may_be_named(tmp_path: Path) -> None:
    path = mux(tmp_path / "a.mkv", [("stereo", MIX), ("stereo", INTEGERS)])
    heard, notes = hear(path, ChannelSelection(stream=1))
    assert np.abs(heard - SOUND).max() < 1e-3
    assert notes == ["took stream 1 of 2 (2 channels, 2 channels), as --stream says"]
    with pytest.raises(MediaError, match=r"--stream 2 asks for a stream that is not there; there are 2"):
        hear(path, ChannelSelection(stream=2))


def test_surround_sound_has_a_front_pair(tmp_path: Path) -> None:
    six = np.concatenate([INTEGERS, LEFT, LEFT, SILENCE], axis=1)
    path = mux(tmp_path / "a.wav", [("5.1", six)])
    assert check_heard(path) == ["took the front channels FL and FR of 5.1; --channels names others"]
    heard, notes = hear(path, ChannelSelection((1, 0)))
    assert np.abs(heard - SOUND[::-1]).max() < 1e-3
    assert notes == []


def test_four_channels_may_be_ambisonics_and_are_refused(tmp_path: Path) -> None:
    path = mux(tmp_path / "a.mkv", [("quad", np.concatenate([INTEGERS, INTEGERS], axis=1))])
    with pytest.raises(MediaError, match="expected stereo, got 4 channels; say which two are left and right"):
        hear(path)


def test_only_a_stream_that_is_named_is_written_down() -> None:
    assert ChannelSelection().to_json() == {"pair": None, "assume_mono": False}
    assert ChannelSelection.read("1,0", stream=2).to_json() == {"pair": (1, 0), "assume_mono": False, "stream": 2}
    with pytest.raises(UsageError):
        ChannelSelection.read("1", stream=2)
