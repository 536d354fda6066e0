"""Files as FFmpeg reads them: opening, headers, and frames that come out in spite of damage."""

import difflib
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EINVAL
from functools import cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import ArgumentError, FFmpegError, InvalidDataError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from seldfuse.errors import MediaError
from seldfuse.limits import LARGEST_PICTURE_PX
from seldfuse.media.parts import FilePart, PartFile, list_parts
from seldfuse.storage.impostors import describe_impostor

NAMES_OTHERS = frozenset({
    "alias_pix", "avisynth", "concat", "dash", "dvdvideo", "hls", "imf", "lavfi", "rtp", "rtsp", "sap", "sdp", "tee",
    "vapoursynth", "webm_dash_manifest",
})  # fmt: skip
"""Formats of FFmpeg whose files name other files, or addresses, and hold no sound or picture themselves."""

FILM_DIAGONAL_MM = 43.27
SHORTEST_MM, LONGEST_MM = 6.0, 1000.0
"""Of lenses whose pictures a pinhole camera explains."""

_FOCAL_LENGTH_TAG = re.compile(r"focal[_. ]?length.*35", re.IGNORECASE)
"""As in `com.apple.quicktime.camera.focal_length.35mm_equivalent` and `FocalLengthIn35mmFilm`."""

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:mm)?\s*$")

AnyFrame = TypeVar("AnyFrame", AudioFrame, VideoFrame)


@dataclass(frozen=True)
class MediaInfo:
    """What a file's header states; None where it states nothing, or where there is no such stream."""

    duration_s: float | None
    has_video: bool
    channels: int | None
    sample_rate_hz: int | None
    width: int | None
    height: int | None
    fps: float | None


def probe(path: Path) -> MediaInfo:
    """Read the header of a file, decoding next to nothing. Raises MediaError."""
    with open_media(path) as container:
        sound = find_audio_stream(container)
        picture = find_video_stream(container)
        return MediaInfo(
            duration_s=None if container.duration is None else container.duration / av.time_base,
            has_video=picture is not None,
            channels=sound.channels if sound else None,
            sample_rate_hz=sound.sample_rate if sound else None,
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            fps=float(picture.average_rate) if picture and picture.average_rate else None,
        )


def read_fov_deg(container: InputContainer, picture: VideoStream, width_px: int, height_px: int) -> float | None:
    """Read the field of view, in degrees, across a picture that is shown at some size; None where nothing states it.

    It follows from the focal length, as if on film of 35 mm, among the tags of the file or the stream. That
    stands for the field of view along the diagonal (CIPA DC-008), 43.3 mm on film. Other tags are passed over.
    """
    tags = {**container.metadata, **picture.metadata}
    stated = next((text for name, text in tags.items() if _FOCAL_LENGTH_TAG.search(name)), "")
    found = _NUMBER.match(stated)
    if found is None:
        return None
    focal_mm = float(found[1])
    if not SHORTEST_MM <= focal_mm <= LONGEST_MM:
        return None
    width_mm = FILM_DIAGONAL_MM * width_px / math.hypot(width_px, height_px)
    return math.degrees(2 * math.atan(width_mm / 2 / focal_mm))


@contextmanager
def open_media(path: Path, part: FilePart | None = None) -> Iterator[InputContainer]:
    """Open the file at `path` for reading, or one `part` of it; of a file in parts the first, where none is named.

    Raises MediaError where there is none or it is no media.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise describe_missing_file(path) from None
    except OSError as error:
        raise MediaError(f"the file cannot be reached ({error.strerror}): {path}") from error
    if not S_ISREG(status.st_mode):
        found = "a folder" if S_ISDIR(status.st_mode) else "a pipe or a device"
        raise MediaError(f"expected a sound or video file, got {found}: {path}")
    if status.st_size == 0:
        raise MediaError(f"the file is empty: {path}")
    options = _options()
    if path.suffix.lower() == ".wav":
        # The samples may be AC-3 in disguise. FFmpeg would look at 32 packets, longer than it takes to decode a clip.
        options["max_probe_packets"] = "1"
    part = part or next(iter(list_parts(path)), None)
    try:
        # An absolute path keeps a file called `a:b.wav` from being taken for an address.
        # Titles in Latin-1 are no reason to refuse a recording.
        source: Any = str(path.absolute()) if part is None else PartFile(path, part)
        container = av.open(source, options=options, metadata_errors="replace")
    except (InvalidDataError, EOFError) as error:
        if impostor := describe_impostor(path, "a recording"):
            raise MediaError(f"{impostor}: {path}") from error
        raise MediaError(f"this is no sound or video that FFmpeg reads, or its header is damaged: {path}") from error
    except ArgumentError as error:
        raise MediaError(
            "this is a list of recordings, such as a playlist, or another format that names files, and no recording "
            f"itself; name the recordings: {path}"
        ) from error
    except (FFmpegError, OSError) as error:
        raise MediaError(f"the file cannot be opened ({error.strerror}): {path}") from error
    with container:
        yield container


def open_alone(path: Path) -> InputContainer:
    """Open a sound or a picture of a collection: nothing that names other files is read, and no pipe.

    Raises FFmpegError and OSError.
    """
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "it is no file")
    return av.open(str(path.absolute()), options=_options())


def _options() -> dict[str, str]:
    # A playlist may name addresses on the network; nothing here goes there.
    return {"protocol_whitelist": "file", "format_whitelist": _list_recordings(), "pattern_type": "none"}


@cache
def _list_recordings() -> str:
    """List the formats that are read: all but those that name others."""
    names = {part for name in av.formats_available for part in name.split(",")}
    return ",".join(sorted(names - NAMES_OTHERS))


def describe_missing_file(path: Path) -> MediaError:
    """Build the error for a file that is not there; it names a neighbour of similar name."""
    try:
        neighbours = os.listdir(path.parent)
    except OSError:
        neighbours = []
    close = difflib.get_close_matches(path.name, neighbours, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return MediaError(f"no such file{hint}: {path}")


def find_audio_stream(container: InputContainer) -> AudioStream | None:
    """Find the first audio stream that can be decoded; one of an unknown codec has no context."""
    return next((stream for stream in container.streams.audio if stream.codec_context), None)


def find_video_stream(container: InputContainer) -> VideoStream | None:
    """Find the first video stream that can be decoded; cover art is none."""
    streams = (stream for stream in container.streams.video if stream.codec_context)
    return next((stream for stream in streams if not stream.disposition & Disposition.attached_pic), None)


def read_start_s(container: InputContainer) -> float:
    """Read the timestamp that is time 0. What comes before zero is a codec's run-in, which players drop."""
    return max(0.0, (container.start_time or 0) / av.time_base)


def decode_stream(
    container: InputContainer,
    stream: AudioStream | VideoStream,
    kind: type[AnyFrame],
    on_damage: Callable[[FFmpegError], Any],
) -> Iterator[AnyFrame]:
    """Decode the frames of one stream. Packets that cannot be decoded are skipped and reported to `on_damage`."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except FFmpegError as error:
            on_damage(error)
            continue
        if packet is None:
            return
        for frame in frames:
            if isinstance(frame, VideoFrame) and frame.width * frame.height > LARGEST_PICTURE_PX:
                raise MediaError(
                    f"the picture has {frame.width} × {frame.height} pixels, more than {LARGEST_PICTURE_PX:,}: "
                    f"{container.name}"
                )
            if isinstance(frame, kind):
                yield frame
