"""A video again, with its pictures drawn over and its sound as it was."""

import heapq
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from seldfuse.errors import MediaError, UsageError
from seldfuse.media.container import decode_stream, find_audio_stream, find_video_stream, open_media, read_start_s
from seldfuse.media.encode import HEADER_FIRST
from seldfuse.media.presentation import read_turn
from seldfuse.storage.atomic import write_atomically

# Without B-frames no picture waits for a later one, and packets come in the order in which they are shown.
ENCODER = {"preset": "superfast", "crf": "21", "bf": "0"}

# Late beginnings are counted by this clock, whose ticks are milliseconds otherwise.
FINE_CLOCK = {"movie_timescale": "90000"}

LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1", 8: "7.1"}

BT709 = 1
"""FFmpeg's number of that matrix of colours; all others are drawn as BT.601."""

FULL_RANGE = 2
"""FFmpeg's number of the range from 0 to 255."""

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Planes:
    """A picture as luma and the two chromas of half its width and height, turned and mirrored as players show it, to be
    drawn on in place.
    """

    luma: UInt8[np.ndarray, "height width"]
    blue: UInt8[np.ndarray, "half_height half_width"]
    red: UInt8[np.ndarray, "half_height half_width"]
    bt709: bool = False
    full_range: bool = False

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.luma.shape[1], self.luma.shape[0]


TimedPacket = tuple[float, Any]
"""A packet and when it is due, in seconds."""

Draw = Callable[[float, Planes], None]
"""Draws what belongs to a time in seconds from the start of the recording."""


def redraw_video(video: Path, sound: Path | None, out: Path, draw: Draw) -> None:
    """Write an MP4 file of the pictures of `video`, each drawn over by `draw`, and the packets of `sound` as they are.

    Every picture keeps its timestamp, counted from the start of its file, so that variable rates and late beginnings
    stay; it is turned upright where the file says so, and widths and heights become even. Pictures are coded as H.264
    (MPEG-4 where FFmpeg has no such encoder). One picture is in memory at a time. Raises MediaError where there is no
    picture, or the sound is such as MP4 cannot hold, and UsageError where writing fails.
    """
    try:
        with ExitStack() as stack:
            draft = stack.enter_context(write_atomically(out))
            pictures = stack.enter_context(open_media(video))
            sounds = stack.enter_context(open_media(sound)) if sound else None
            file = stack.enter_context(av.open(str(draft), "w", format="mp4", options={**HEADER_FIRST, **FINE_CLOCK}))
            packets = [_redraw(pictures, file, draw, video)]
            if sounds and (heard := find_audio_stream(sounds)):
                packets.append(_copy(sounds, heard, file, sound))
            # By time, so that in the file neither waits for the other.
            for _, packet in heapq.merge(*packets, key=itemgetter(0)):
                file.mux(packet)
    except FFmpegError as error:
        raise UsageError(f"writing the video failed ({error.strerror}): {out}") from error


def _redraw(source: InputContainer, file: OutputContainer, draw: Draw, path: Path) -> Iterator[TimedPacket]:
    stream = find_video_stream(source)
    if stream is None:
        raise MediaError(f"expected a file with a picture, found no video stream in it: {path}")
    stream.thread_type = "AUTO"
    decoded = decode_stream(source, stream, VideoFrame, on_damage=lambda _: None)
    timed = (picture for picture in decoded if picture.pts is not None)
    first = next(timed, None)
    if first is None or stream.time_base is None:
        raise MediaError(f"the video holds no picture that can be decoded and has a timestamp: {path}")
    target = _add_video(file, stream, first)
    return _encode(chain([first], timed), first, target, _start_ticks(source, stream), draw)


def _encode(
    pictures: Iterator[VideoFrame], first: VideoFrame, target: VideoStream, start: int, draw: Draw
) -> Iterator[TimedPacket]:
    last = None
    time_base = first.time_base
    assert time_base is not None
    for picture in pictures:
        assert picture.pts is not None
        pts = picture.pts - start
        # A damaged file may go back in time, which no encoder takes.
        if last is not None and pts <= last:
            continue
        last = pts
        planes = _unpack(picture, first)
        draw(float(pts * time_base), planes)
        yield from _time(target.encode(_pack(planes, pts, picture)))
    yield from _time(target.encode(None))


def _time(packets: list[Any]) -> Iterator[TimedPacket]:
    for packet in packets:
        assert packet.dts is not None
        yield float(packet.dts * packet.time_base), packet


def _copy(
    source: InputContainer, stream: AudioStream, file: OutputContainer, path: Path | None
) -> Iterator[TimedPacket]:
    codec = stream.codec_context.name
    if codec not in file.supported_codecs:
        raise MediaError(
            f"an MP4 file cannot hold sound coded as {codec}; convert it, with "
            f"`ffmpeg -i {path and path.name} -c:v copy -c:a aac OTHER.mkv`, and run on that: {path}"
        )
    target = file.add_stream_from_template(stream)
    if stream.layout.name.endswith(" channels") and stream.channels in LAYOUTS:
        # A plain WAV file does not say which channel is which, and MP4 wants to know.
        target.codec_context.layout = LAYOUTS[stream.channels]
    start = _start_ticks(source, stream)

    def packets() -> Iterator[TimedPacket]:
        for packet in _demux(source, stream):
            if packet.size == 0 or packet.pts is None:
                continue
            packet.dts = (packet.pts if packet.dts is None else packet.dts) - start
            packet.pts -= start
            packet.stream = target
            yield float(packet.dts * packet.time_base), packet

    return packets()


def _demux(source: InputContainer, stream: AudioStream) -> Iterator[Any]:
    """Packets of a stream, without those that are too damaged to be read."""
    packets = source.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            continue
        if packet is None:
            return
        yield packet


def _start_ticks(source: InputContainer, stream: VideoStream | AudioStream) -> int:
    """The start of the recording in units of a stream."""
    assert stream.time_base is not None
    return round(Fraction(round(read_start_s(source) * MICROSECONDS), MICROSECONDS) / stream.time_base)


def _add_video(file: OutputContainer, stream: VideoStream, first: VideoFrame) -> VideoStream:
    codec: Literal["libx264", "mpeg4"] = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    target = file.add_stream(codec, rate=rate, options=ENCODER if codec == "libx264" else {})
    target.width, target.height = _unpack(first, first).size_px
    target.pix_fmt = "yuv420p"
    assert stream.time_base is not None
    target.time_base = target.codec_context.time_base = stream.time_base
    target.thread_type = "AUTO"
    plain = _to_plain(first, first)
    target.colorspace, target.color_range = plain.colorspace, plain.color_range
    target.color_primaries, target.color_trc = plain.color_primaries, plain.color_trc
    ratio = stream.sample_aspect_ratio
    if ratio:
        target.codec_context.sample_aspect_ratio = 1 / ratio if read_turn(first).transposed else ratio
    return target


def _to_plain(picture: VideoFrame, first: VideoFrame) -> VideoFrame:
    """A picture as YUV 4:2:0, of the size of the first one made even."""
    width, height = first.width + first.width % 2, first.height + first.height % 2
    return picture.reformat(width=width, height=height, format="yuv420p")


def _unpack(picture: VideoFrame, first: VideoFrame) -> Planes:
    """The planes of a picture, of the size of the first one, as players show them."""
    plain = _to_plain(picture, first)
    width, height = plain.width, plain.height
    samples = plain.to_ndarray().reshape(-1)
    half = (height // 2, width // 2)
    luma, blue, red = np.split(samples, [height * width, height * width + half[0] * half[1]])
    turn = read_turn(first)
    luma, blue, red = (turn.apply(one) for one in (luma.reshape(height, width), blue.reshape(half), red.reshape(half)))
    return Planes(luma, blue, red, plain.colorspace == BT709, plain.color_range == FULL_RANGE)


def _pack(planes: Planes, pts: int, source: VideoFrame) -> VideoFrame:
    width, height = planes.size_px
    samples = np.concatenate([plane.reshape(-1) for plane in (planes.luma, planes.blue, planes.red)])
    picture = VideoFrame.from_ndarray(samples.reshape(height * 3 // 2, width), format="yuv420p")
    picture.pts, picture.time_base, picture.duration = pts, source.time_base, source.duration
    return picture
