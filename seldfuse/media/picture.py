"""The pictures of a file, chosen by their timestamps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from seldfuse.core.clip import Frame
from seldfuse.errors import MediaError
from seldfuse.media.container import decode_stream, find_video_stream, open_media, read_start_s

SEEK_FROM_S = 2.0
"""Nearer to the beginning, decoding from there is as quick as seeking."""

# Times are compared with this much slack, lest rounding show the picture before the one whose time has come.
ROUNDING_S = 1e-6


@dataclass(frozen=True)
class FileFrames:
    """The pictures of a file's first video stream, on the same clock as its sound; cover art is no video."""

    path: Path

    def frames(self, rate_hz: float = 10.0, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Frame]:
        """Yield the picture shown at `start_s`, `start_s + 1 / rate_hz`, … before `end_s` or the end of the video.

        Shown is the last picture whose timestamp is not later; before the first one, the first. A picture shown at
        several times is one array. Raises MediaError where the file has no picture.
        """
        converted, rgb = None, None
        for time_s, picture in decode_shown(self.path, rate_hz, start_s, end_s):
            if rgb is None or picture is not converted:
                converted, rgb = picture, picture.to_ndarray(format="rgb24")
            yield Frame(time_s, rgb)


def decode_shown(
    path: Path, rate_hz: float, start_s: float = 0.0, end_s: float | None = None
) -> Iterator[tuple[float, VideoFrame]]:
    """Decode what `FileFrames.frames` gives, as times and pictures that are not converted yet. Raises MediaError as
    that does.
    """
    end_s = (math.inf if end_s is None else end_s) - ROUNDING_S
    tick = 0
    for until_s, picture in _spans(_with_times(path, start_s, seek=start_s >= SEEK_FROM_S)):
        while (time_s := start_s + tick / rate_hz) < min(until_s - ROUNDING_S, end_s):
            yield time_s, picture
            tick += 1
        if time_s >= end_s:
            return


def _spans(timed: Iterator[tuple[float, VideoFrame]]) -> Iterator[tuple[float, VideoFrame]]:
    """Each picture with the time at which the next one takes its place."""
    until_s, held = 0.0, None
    for from_s, picture in timed:
        if held is not None:
            yield from_s, held
        until_s, held = from_s + _duration_s(picture), picture
    if held is not None:
        yield until_s, held


def _duration_s(picture: VideoFrame) -> float:
    return float(picture.duration * picture.time_base) if picture.time_base else 0.0


def _with_times(path: Path, start_s: float, seek: bool) -> Iterator[tuple[float, VideoFrame]]:
    """Pictures and their times, from one that is not later than `start_s` where there is such."""
    with open_media(path) as container:
        stream = find_video_stream(container)
        if stream is None:
            raise MediaError(f"expected a file with a picture, found no video stream in it: {path}")
        stream.thread_type = "AUTO"
        seek = seek and _seek(container, stream, start_s)
        origin = read_start_s(container)
        pictures = decode_stream(container, stream, VideoFrame, on_damage=lambda _: None)
        timed = ((picture.time - origin, picture) for picture in pictures if picture.time is not None)
        first = next(timed, None)
        if first is not None and (not seek or first[0] <= start_s):
            yield from chain([first], timed)
            return
    if not seek:
        raise MediaError(f"the video holds no picture that can be decoded and has a timestamp: {path}")
    # Where a container has no index, seeking may land too late.
    yield from _with_times(path, start_s, seek=False)


def _seek(container: InputContainer, stream: VideoStream, start_s: float) -> bool:
    try:
        timestamp = (start_s + read_start_s(container)) / float(stream.time_base or 1)
        container.seek(int(timestamp), stream=stream)
    except FFmpegError:
        return False
    return True
