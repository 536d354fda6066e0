"""The pictures of a file, chosen by their timestamps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from seldfuse.core.clip import Frame, FrameSource
from seldfuse.errors import MediaError
from seldfuse.media.container import decode_stream, find_video_stream, open_media, read_fov_deg, read_start_s
from seldfuse.media.presentation import describe_change, measure_shown, show_picture
from seldfuse.storage.digest import hash_input

SEEK_FROM_S = 2.0
"""Nearer to the beginning, decoding from there is as quick as seeking."""

# Times are compared with this much slack, lest rounding show the picture before the one whose time has come.
ROUNDING_S = 1e-6


@dataclass(frozen=True)
class FileFrames:
    """The pictures of a file's first video stream as they are shown, on the same clock as its sound; cover art is no
    video. `presentation` says how that differs from what is stored, "" where it does not.
    """

    path: Path
    presentation: str = ""

    def frames(self, rate_hz: float = 10.0, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Frame]:
        """Yield the picture shown at `start_s`, `start_s + 1 / rate_hz`, … before `end_s` or the end of the video.

        Shown is the last picture whose timestamp is not later; before the first one, the first. A picture shown at
        several times is one array. Raises MediaError where the file has no picture.
        """
        converted, rgb = None, None
        pixel_aspect = read_pixel_aspect(self.path)
        for time_s, picture in decode_shown(self.path, rate_hz, start_s, end_s):
            if rgb is None or picture is not converted:
                converted, rgb = picture, show_picture(picture, pixel_aspect)
            yield Frame(time_s, rgb)


class ShownPicture(NamedTuple):
    """The size in pixels at which pictures of a file are shown, how that differs from what is stored, and how many
    degrees they span where the file states the focal length.
    """

    width_px: int
    height_px: int
    presentation: str
    fov_deg: float | None = None


def hash_pictures(path: Path | None, video: FrameSource | None) -> str | None:
    """Hash the content of a file of pictures, and how they are shown, for keys of what is computed of them; None where
    there is no such file. Raises OSError.
    """
    digest = hash_input(path)
    return digest and digest + getattr(video, "presentation", "")


def probe_picture(path: Path) -> ShownPicture | None:
    """Read how pictures of a file are shown, of its first one; None where there is none. Raises MediaError."""
    with open_media(path) as container:
        stream = find_video_stream(container)
        if stream is None or not (stream.width and stream.height):
            return None
        aspect = stream.sample_aspect_ratio
        first = next(decode_stream(container, stream, VideoFrame, on_damage=lambda _: None), None)
        if first is None:
            return ShownPicture(stream.width, stream.height, "")
        width_px, height_px = measure_shown(first, aspect)
        fov_deg = read_fov_deg(container, stream, width_px, height_px)
        return ShownPicture(width_px, height_px, describe_change(first, aspect), fov_deg)


def read_pixel_aspect(path: Path) -> Fraction | None:
    """Read the width of a pixel over its height; None where the file does not say it. Raises MediaError."""
    with open_media(path) as container:
        stream = find_video_stream(container)
        return None if stream is None else stream.sample_aspect_ratio


def decode_shown(
    path: Path, rate_hz: float, start_s: float = 0.0, end_s: float | None = None
) -> Iterator[tuple[float, VideoFrame]]:
    """Decode what `FileFrames.frames` gives, as times and stored pictures. Raises MediaError as that does."""
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
