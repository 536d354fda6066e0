"""Recordings on disk as windows of five seconds, the length that networks are trained on."""

import wave
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from seldfuse.core.grid import FRAME_S, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, WINDOW_FRAMES, WINDOW_SAMPLES
from seldfuse.errors import MediaError
from seldfuse.media.container import probe
from seldfuse.media.sound import NOTEWORTHY_S, FileAudio, ignore_warning
from seldfuse.train.data.labelled_files import LabelledFile

SHORTEST_SAMPLES = SAMPLE_RATE_HZ
"""The rest of a recording becomes a window of its own, filled up with silence, from 1 s on."""

KEPT_SAMPLES = 60 * 60 * SAMPLE_RATE_HZ
"""An hour of sound, 0.7 GB, of recordings in which no window can be found without decoding what is before it."""


class FileWindow(NamedTuple):
    """Five seconds of a recording that lasts `recording_frames` frames, the last one perhaps not to its end."""

    pair: LabelledFile
    start_frame: int
    recording_frames: int


class WindowAudio(NamedTuple):
    """The sound of a window; there is sound in the first `frames` of its frames, the others are filled up."""

    samples: Float32[np.ndarray, "2 sample"]
    frames: int


def cut_files(pairs: Sequence[LabelledFile]) -> list[FileWindow]:
    """Cut all pairs into windows, one behind the other: a recording of up to 5 s is one, a longer one several.

    Only the headers of files outside the challenge's layout are read. Raises MediaError.
    """
    return [window for pair in pairs for window in _cut(pair)]


class WindowReader:
    """A reader of windows, for several threads. `note` is given problems, perhaps several times of the same."""

    def __init__(self, note: Callable[[str], None] = ignore_warning) -> None:
        self._note = note
        self._cached: dict[Path, Float32[np.ndarray, "2 sample"]] = {}
        self._begun: set[Path] = set()
        self._room_samples = KEPT_SAMPLES
        self._lock = Lock()

    def read(self, window: FileWindow) -> WindowAudio:
        """Read a window at 24 kHz.

        Raises MediaError where the file cannot be read, is mono, or is a clip of the challenge that lasts a second more
        than it should.
        """
        path, start = window.pair.sound, window.start_frame * SAMPLES_PER_FRAME
        # No clip of the challenge has been measured so far.
        surplus = SHORTEST_SAMPLES if window.pair.of_challenge else 0
        found = read_pcm_wav(path, start, WINDOW_SAMPLES + surplus)
        if found is None:
            found = self._decode(window, start, WINDOW_SAMPLES + surplus)
        if surplus and found.shape[1] == WINDOW_SAMPLES + surplus:
            raise MediaError(
                "expected 5 s, which every clip in stereo_dev lasts, but the sound goes on; cut it up, or put sounds "
                f"and CSV files side by side into one folder, where they may be of any length: {path}"
            )
        return self._fill(window, found[:, :WINDOW_SAMPLES])

    def _fill(self, window: FileWindow, found: Float32[np.ndarray, "2 sample"]) -> WindowAudio:
        frames = -(-found.shape[1] // SAMPLES_PER_FRAME)
        expected = min(WINDOW_FRAMES, window.recording_frames - window.start_frame)
        if (expected - frames) * FRAME_S >= NOTEWORTHY_S:
            self._note(
                f"expected {window.recording_frames * FRAME_S:.1f} s of sound, but it ends at "
                f"{(window.start_frame + frames) * FRAME_S:.1f} s; the rest became silence: {window.pair.sound}"
            )
        filled = np.zeros((2, WINDOW_SAMPLES), np.float32)
        filled[:, : found.shape[1]] = found
        return WindowAudio(filled, frames)

    def _decode(self, window: FileWindow, start: int, count: int) -> Float32[np.ndarray, "2 sample"]:
        path = window.pair.sound
        if path not in self._cached and self._may_keep(window):
            self._cached[path] = decode_samples(path, self._note)
        if path in self._cached:
            return self._cached[path][:, start : start + count]
        return decode_samples(path, self._note, start, count)

    def _may_keep(self, window: FileWindow) -> bool:
        samples = window.recording_frames * SAMPLES_PER_FRAME
        with self._lock:
            cacheable = WINDOW_SAMPLES < samples <= self._room_samples and window.pair.sound not in self._begun
            if cacheable:
                self._begun.add(window.pair.sound)
                self._room_samples -= samples
        return cacheable


def decode_samples(
    path: Path, note: Callable[[str], None] = ignore_warning, start: int = 0, count: int | None = None
) -> Float32[np.ndarray, "2 found"]:
    """Decode up to `count` samples from `start` on, all that come where it is None. Raises MediaError."""
    position, pieces = 0, [np.zeros((2, 0), np.float32)]
    with closing(_blocks(path, note)) as blocks:
        for block in blocks:
            pieces.append(block[:, max(0, start - position) : None if count is None else start + count - position])
            position += block.shape[1]
            if count is not None and position >= start + count:
                break
    return np.concatenate(pieces, axis=1)


def read_pcm_wav(path: Path, start: int, count: int) -> Float32[np.ndarray, "2 found"] | None:
    """Read the samples that `decode_samples` gives, twenty times as fast.

    Returns None where the file is no 16-bit stereo WAV of 24 kHz.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if _samples_of(file) is None:
                return None
            file.setpos(min(start, file.getnframes()))
            data = file.readframes(count)
    except (OSError, EOFError, wave.Error):
        # Decoding says what is wrong with it.
        return None
    # A file that was cut off may end within a sample.
    whole = np.frombuffer(data[: len(data) - len(data) % 4], "<i2").reshape(-1, 2)
    return np.ascontiguousarray(whole.T).astype(np.float32) / np.float32(32768)


def _cut(pair: LabelledFile) -> Iterator[FileWindow]:
    samples = WINDOW_SAMPLES if pair.of_challenge else _length(pair.sound)
    frames = -(-samples // SAMPLES_PER_FRAME)
    windows, rest = divmod(samples, WINDOW_SAMPLES)
    for number in range(max(1, windows + (rest >= SHORTEST_SAMPLES))):
        yield FileWindow(pair, number * WINDOW_FRAMES, frames)


def _length(path: Path) -> int:
    """Samples at 24 kHz, by the header where there is one that tells."""
    try:
        with wave.open(str(path), "rb") as file:
            samples = _samples_of(file)
    except (OSError, EOFError, wave.Error):
        samples = None
    if samples is not None:
        return min(samples, path.stat().st_size // 4)
    duration_s = probe(path).duration_s
    return decode_samples(path).shape[1] if duration_s is None else round(duration_s * SAMPLE_RATE_HZ)


def _samples_of(file: wave.Wave_read) -> int | None:
    """Samples of a plain file by its header; 0 stands in some for a length that was not known yet."""
    plain = (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, SAMPLE_RATE_HZ)
    return file.getnframes() or None if plain else None


def _blocks(path: Path, note: Callable[[str], None]) -> Generator[Float32[np.ndarray, "2 sample"], None, None]:
    yield from FileAudio(path).blocks(note)
