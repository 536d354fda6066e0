"""Which of several audio streams is heard, and of which channels.

Cameras store left and right as two mono streams, or a guide track before the sound; films have several languages, and
comments. What was taken is said wherever there was a choice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from seldfuse.errors import MediaError
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.container import decode_stream, open_media
from seldfuse.media.parts import FilePart
from seldfuse.media.stereo import SILENT_PEAK

SIDE_TRACKS = (
    Disposition.comment
    | Disposition.dub
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.karaoke
    | Disposition.lyrics
    | Disposition.descriptions
)
"""What streams that are not the sound itself are marked as."""


@dataclass(frozen=True)
class StreamChoice:
    """The numbers of the streams that are heard, one, or two mono streams that are left and right; `note` says so."""

    streams: tuple[int, ...]
    note: str = ""


def choose_streams(
    path: Path, part: FilePart | None, selection: ChannelSelection, to_samples: Callable[[AudioFrame], np.ndarray]
) -> StreamChoice:
    """Choose among the audio streams that can be decoded, numbered from 0.

    The selection may name one. Else, of several: two mono streams alone are left and right; streams of two and more
    channels come before mono ones, comments and the like after all others, then what is marked as default; of those
    the first that is not silent. Raises MediaError where there is none.
    """
    with open_media(path, part) as container:
        streams = [stream for stream in container.streams.audio if stream.codec_context]
        if not streams:
            found = "one of an unknown codec" if container.streams.audio else "no audio stream"
            raise MediaError(f"expected a file with sound, found {found} in it: {path}")
        if selection.stream is not None and selection.stream >= len(streams):
            raise MediaError(
                f"--stream {selection.stream} asks for a stream that is not there; there are {len(streams)}, numbered "
                f"from 0: {path}"
            )
        kinds = [_describe(stream) for stream in streams]
        ranked = sorted(range(len(streams)), key=lambda number: (_rank(streams[number]), number))
        main = [number for number in ranked if not streams[number].disposition & SIDE_TRACKS]
        mono = [number for number in main if streams[number].channels == 1]
    if len(kinds) == 1:
        return StreamChoice((0,))
    if selection.stream is not None:
        return StreamChoice((selection.stream,), f"took stream {selection.stream} of {_list(kinds)}, as --stream says")
    if len(mono) == len(main) == 2:
        left, right = sorted(mono)
        text = f"took the mono streams {left} and {right} of {_list(kinds)} as left and right; --stream names one"
        return StreamChoice((left, right), text)
    sounding = (number for number in ranked if not _is_silent(path, part, number, to_samples))
    chosen = next(sounding, ranked[0])
    return StreamChoice((chosen,), f"took stream {chosen} of {_list(kinds)}; --stream names another")


def find_stream(container: InputContainer, number: int) -> AudioStream:
    """Find an audio stream by its number among those that can be decoded."""
    return [stream for stream in container.streams.audio if stream.codec_context][number]


def _rank(stream: AudioStream) -> tuple[bool, bool, bool]:
    side, default = stream.disposition & SIDE_TRACKS, stream.disposition & Disposition.default
    return bool(side), stream.channels < 2, not default


def _describe(stream: AudioStream) -> str:
    return f"{stream.channels} channel{'' if stream.channels == 1 else 's'}"


def _list(kinds: list[str]) -> str:
    return f"{len(kinds)} ({', '.join(kinds)})"


def _is_silent(path: Path, part: FilePart | None, number: int, to_samples: Callable[[AudioFrame], np.ndarray]) -> bool:
    """Tell whether a stream holds no sound at all; of one that does little is decoded."""
    return not any(peak > SILENT_PEAK for peak in _peaks(path, part, number, to_samples))


def _peaks(
    path: Path, part: FilePart | None, number: int, to_samples: Callable[[AudioFrame], np.ndarray]
) -> Iterator[float]:
    with open_media(path, part) as container:
        for frame in decode_stream(container, find_stream(container, number), AudioFrame, lambda _: None):
            samples = to_samples(frame)
            # A constant offset is no sound.
            yield float(np.abs(samples - samples.mean(axis=1, keepdims=True)).max(initial=0.0))
