"""Writing sound and video files."""

import heapq
import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float32, UInt8

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically

AAC_PACKET = 1024
"""Samples of one packet."""

# A file cut off on its way then still plays.
HEADER_FIRST = {"movflags": "+faststart"}

# Three to six times as quick as the encoder's default, and no worse; files are up to four times as large.
QUICK = {"preset": "ultrafast"}

# The encoder may save bits by coding only levels for the two channels, or noise: directions would suffer. Its `fast`
# search takes a third of the time of its own default, to no less accurate a sound.
LEVELS = {"aac_is": "0", "aac_pns": "0", "aac_coder": "fast"}

Picture = UInt8[np.ndarray, "height width 3"] | VideoFrame
"""RGB, or a picture that FFmpeg has already."""

Timed = tuple[Fraction, VideoFrame | AudioFrame]


def write_wav(path: Path, samples: Float32[np.ndarray, "channel sample"], sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Write 16-bit PCM. Raises ValueError where a sample lies outside [−1, 1], and UsageError where writing fails."""
    _check_level(samples)
    whole = np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2")
    with write_atomically(path) as draft, wave.open(str(draft), "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(whole.T.tobytes())


def write_video(
    path: Path,
    frames: Iterable[Picture],
    fps: int | float | Fraction,
    samples: Float32[np.ndarray, "2 sample"],
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> None:
    """Write H.264 pictures (MPEG-4 where FFmpeg has no H.264 encoder) and AAC sound into an MP4 file.

    A picture of FFmpeg's that is YUV 4:2:0 is coded without its colours being converted, and their meaning is noted in
    the file. Width and height must be even. Raises ValueError where they are not, where there is no frame, or where a
    sample lies outside [−1, 1]; UsageError where writing fails.
    """
    _check_level(samples)
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError("a video needs at least one frame, got none")
    height, width = (first.height, first.width) if isinstance(first, VideoFrame) else first.shape[:2]
    if width % 2 or height % 2:
        raise ValueError(f"width and height must be even, got {width}×{height}")
    pictures, rate = chain([first], pictures), Fraction(fps).limit_denominator(1001)
    try:
        with write_atomically(path) as draft, av.open(str(draft), "w", format="mp4", options=HEADER_FIRST) as file:
            video = _video_stream(file, (width, height), rate)
            if isinstance(first, VideoFrame):
                video.colorspace, video.color_range = first.colorspace, first.color_range
            _mux(file, video, _pictures(pictures, rate), samples, sample_rate_hz)
    except FFmpegError as error:
        raise UsageError(f"writing the video failed ({error.strerror}): {path}") from error


def _video_stream(file: OutputContainer, size: tuple[int, int], fps: Fraction) -> VideoStream:
    codec: Literal["libx264", "mpeg4"] = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    video = file.add_stream(codec, rate=fps, options=QUICK if codec == "libx264" else {})
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    # On more threads the bytes would depend on their number.
    video.thread_count = 1
    return video


def _mux(
    file: OutputContainer,
    video: VideoStream,
    pictures: Iterator[Timed],
    samples: Float32[np.ndarray, "2 sample"],
    sample_rate_hz: int,
) -> None:
    sound = file.add_stream("aac", rate=sample_rate_hz, layout="stereo", options=LEVELS)
    sound.bit_rate = 160_000

    # By time, so that in the file neither waits for the other.
    for _, frame in heapq.merge(pictures, _chunks(samples, sample_rate_hz), key=itemgetter(0)):
        file.mux(video.encode(frame) if isinstance(frame, VideoFrame) else sound.encode(frame))
    file.mux(video.encode(None))
    file.mux(sound.encode(None))


def _pictures(pictures: Iterator[Picture], fps: Fraction) -> Iterator[Timed]:
    shown, frame = np.empty(0, dtype=np.uint8), VideoFrame()
    for number, picture in enumerate(pictures):
        if isinstance(picture, VideoFrame):
            frame = picture.reformat(format="yuv420p")
        # Converting colours takes longer than coding, and where nobody moves nothing changes.
        elif not np.array_equal(picture, shown):
            shown, frame = picture, VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, 1 / fps
        yield number / fps, frame


def _chunks(samples: Float32[np.ndarray, "2 sample"], sample_rate_hz: int) -> Iterator[Timed]:
    for start in range(0, samples.shape[1], AAC_PACKET):
        chunk = np.ascontiguousarray(samples[:, start : start + AAC_PACKET])
        frame = AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = sample_rate_hz, start, Fraction(1, sample_rate_hz)
        yield Fraction(start, sample_rate_hz), frame


def _check_level(samples: Float32[np.ndarray, "channel sample"]) -> None:
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak <= 1.0:
        raise ValueError(f"samples must lie in [−1, 1], but their peak is {peak:.3g}; scale them down before writing")
