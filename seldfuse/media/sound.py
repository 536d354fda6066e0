"""The sound of a file, placed by its timestamps and brought to one rate, 24 kHz where nothing else is asked."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, pairwise, zip_longest
from os import SEEK_END
from pathlib import Path

import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from jaxtyping import Float32

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.errors import MediaError
from seldfuse.limits import LOUDEST
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.container import decode_stream, open_media, probe, read_start_s
from seldfuse.media.levels import LevelCorrection
from seldfuse.media.parts import FilePart, list_parts
from seldfuse.media.riff import is_unknown
from seldfuse.media.streams import StreamChoice, choose_streams, find_stream

NOTEWORTHY_S = 0.5
"""Sound that is missing or surplus for so long is worth a warning."""

LONGEST_GAP_S = 3600.0
"""A longer leap of the timestamps is damage, not a pause."""

# A damaged header may state any rate; 1 Hz would make hours of a small file, and 1 GHz a piece of memory of a second.
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 1_000_000

ALIKE_SAMPLES = 4096

# These containers write down how long the sound is; others leave it to be guessed from the file's size.
STATE_THEIR_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "wav", "w64", "flac", "aiff"}


def ignore_warning(_warning: str) -> None:
    """Ignore a warning."""


@dataclass(frozen=True)
class FileAudio:
    """The sound of a file: stereo, decoded piece by piece, from the beginning each time.

    `channels` are the stream and the two of several channels that are taken (`choose_streams`); where it assumes mono,
    a sound of one channel stays one. Floats at the scale of integers are scaled down, a constant offset is taken away,
    and files that are one behind the other in one file are one sound.
    Time 0 is the container's start, for sound and picture alike. A late start and gaps between timestamps become
    silence, overlaps are cut off, damaged packets are passed over. It comes at `rate_hz`: encoders of sound want more
    than the models, and what was once taken away does not come back.
    """

    path: Path
    channels: ChannelSelection = field(default_factory=ChannelSelection)
    rate_hz: int = SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float | None:
        """Return the length as the header states it, for progress only; None where it cannot be read."""
        try:
            return probe(self.path).duration_s
        except MediaError:
            return None

    def blocks(
        self, on_warning: Callable[[str], None] = ignore_warning
    ) -> Iterator[Float32[np.ndarray, "channel sample"]]:
        """Decode consecutive pieces of about a second; damage is reported to `on_warning`.

        Raises MediaError where the file is no media, has no sound, lacks the channels, or holds NaN or Inf.
        """

        def warn(text: str) -> None:
            on_warning(f"{text}: {self.path}")

        # What is odd about a file is the same in each of its parts.
        parts = list_parts(self.path)
        choice = choose_streams(self.path, parts[0] if parts else None, self.channels, _float_samples)
        if choice.note:
            on_warning(choice.note)
        with self._open(parts[0] if parts else None, choice, warn) as sound:
            if sound.note:
                on_warning(sound.note)
            levels = LevelCorrection(sound.rate_hz)
            decoded = _pool(chain(sound.pieces, self._follow(parts[1:], choice, sound, warn)), least=sound.rate_hz)
            pieces = levels.apply(self._finite(decoded, sound.rate_hz))
            try:
                yield from _resample(pieces, sound.rate_hz, self.rate_hz, sound.channels)
            except MediaError as error:
                raise error if str(error).endswith(str(self.path)) else MediaError(f"{error}: {self.path}") from error
            for text in levels.notes:
                warn(text)

    @contextmanager
    def _open(self, part: FilePart | None, choice: StreamChoice, warn: Callable[[str], None]) -> Iterator["_Sound"]:
        """Open the streams that were chosen, of the file or of one of its parts."""
        with ExitStack() as stack:
            sounds = [stack.enter_context(self._open_stream(part, number, choice, warn)) for number in choice.streams]
            first = sounds[0]
            if len(sounds) == 1:
                yield first
                return
            if any(sound.rate_hz != first.rate_hz for sound in sounds):
                rates = " and ".join(f"{sound.rate_hz} Hz" for sound in sounds)
                raise MediaError(
                    f"left and right have different sample rates, {rates}; take one, --stream 0: {self.path}"
                )
            yield _Sound(first.rate_hz, len(sounds), _zip_channels([sound.pieces for sound in sounds]))

    @contextmanager
    def _open_stream(
        self, part: FilePart | None, number: int, choice: StreamChoice, warn: Callable[[str], None]
    ) -> Iterator["_Sound"]:
        with open_media(self.path, part) as container:
            stream = find_stream(container, number)
            damage: list[FFmpegError] = []
            frames = decode_stream(container, stream, AudioFrame, damage.append)
            first = next(frames, None)
            if first is None:
                raise MediaError(f"the sound holds no samples, or none that can be decoded: {self.path}")
            self._check(first)
            rate_hz = first.sample_rate
            channels, note = ((0,), "") if len(choice.streams) > 1 else self._channels_of(first)
            timeline = _Timeline(rate_hz, read_start_s(container), channels)
            stated = _stated_length(container, stream, first)

            def decode() -> Iterator[Float32[np.ndarray, "channel sample"]]:
                pieces = _without_padding(timeline.place(_until_format_changes(first, frames, warn)), stated)
                gain = np.float32(1.0 if part is None else part.gain)
                yield from (piece if gain == 1 else piece * gain for piece in pieces)
                lacking_s = _lacking_s(self.path, stream) if part is None else 0.0
                _report(timeline, stated, lacking_s, damage, warn)

            yield _Sound(rate_hz, len(channels), decode(), note)

    def _follow(
        self, parts: Sequence[FilePart], choice: StreamChoice, before: "_Sound", warn: Callable[[str], None]
    ) -> Iterator[Float32[np.ndarray, "channel sample"]]:
        """The sound of the other files that are in the file."""
        if parts:
            warn(f"the file holds {len(parts) + 1} files, one behind the other, which were heard as one")
        for number, part in enumerate(parts, 2):
            try:
                with self._open(part, choice, warn) as sound:
                    if (sound.rate_hz, sound.channels) == (before.rate_hz, before.channels):
                        yield from sound.pieces
                        continue
                reason = f"it has another format, {sound.rate_hz} Hz"
            except (MediaError, IndexError) as error:
                reason = f"it cannot be read ({error})"
            warn(f"file {number} of those in the file, and what follows it, was left out: {reason}")
            return

    def _check(self, frame: AudioFrame) -> None:
        if not LOWEST_RATE_HZ <= frame.sample_rate <= HIGHEST_RATE_HZ:
            raise MediaError(
                f"expected a sample rate of {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz, got {frame.sample_rate} Hz; "
                f"the header is damaged, so export the sound anew: {self.path}"
            )
        if frame.format.packed.name == "s64":
            raise MediaError(f"expected samples of at most 32 bits, or floats, got 64-bit integers: {self.path}")

    def _channels_of(self, frame: AudioFrame) -> tuple[tuple[int, ...], str]:
        """The channels that are taken, and a note where there was a choice."""
        names = [channel.name for channel in frame.layout.channels]
        try:
            channels = self.channels.select_from(len(names), names)
        except MediaError as error:
            raise MediaError(f"{error}: {self.path}") from error
        if len(names) <= 2 or self.channels.pair is not None:
            return channels, ""
        return channels, f"took the front channels FL and FR of {frame.layout.name}; --channels names others"

    def _finite(
        self, pieces: Iterator[Float32[np.ndarray, "channel sample"]], rate_hz: int
    ) -> Iterator[Float32[np.ndarray, "channel sample"]]:
        start = 0
        for piece in pieces:
            bad = ~np.isfinite(piece).all(axis=0)
            if bad.any():
                second = (start + int(bad.argmax())) / rate_hz
                raise MediaError(f"the sound holds NaN or Inf, first at {second:.3f} s; export it anew: {self.path}")
            peak = max(piece.max(initial=0.0), -piece.min(initial=0.0))
            if peak > LOUDEST:
                raise MediaError(
                    f"the sound holds samples of {peak:g}, where full scale is 1; it is damaged, or its header is, so "
                    f"export it anew: {self.path}"
                )
            start += piece.shape[1]
            yield piece


@dataclass(frozen=True)
class _Sound:
    """A sound at its own rate, in pieces of any length; `note` says which of its channels they are."""

    rate_hz: int
    channels: int
    pieces: Iterator[Float32[np.ndarray, "channel sample"]]
    note: str = ""


class _Timeline:
    """Places frames by their timestamps, and counts what was missing or surplus on the way, in samples."""

    def __init__(self, rate_hz: int, origin_s: float, channels: tuple[int, ...]) -> None:
        self.rate_hz = rate_hz
        self.origin_s = origin_s
        self.channels = list(channels)
        self.position = self.missing = self.surplus = 0
        self.leap_s = 0.0

    def place(self, frames: Iterator[AudioFrame]) -> Iterator[Float32[np.ndarray, "channel sample"]]:
        for frame in frames:
            gap = self._gap(frame)
            if self.position > 0:
                self.missing += max(0, gap)
                self.surplus += min(frame.samples, max(0, -gap))
            samples = _float_samples(frame)[self.channels, max(0, -gap) :]
            self.position += max(0, gap) + samples.shape[1]
            # A long gap comes second by second, to keep memory small.
            for start in range(0, gap, self.rate_hz):
                yield np.zeros((len(self.channels), min(self.rate_hz, gap - start)), np.float32)
            yield samples

    def _gap(self, frame: AudioFrame) -> int:
        """Samples missing before this frame; negative where it overlaps what came before."""
        if frame.time is None:
            return 0
        gap = round((frame.time - self.origin_s) * self.rate_hz) - self.position
        # Timestamps are rounded (in Matroska to 1 ms), and mending that would click. A lost frame is a whole one.
        jitter = min(max(0.75 * frame.samples, 0.005 * self.rate_hz), 0.05 * self.rate_hz)
        if self.position > 0 and abs(gap) <= jitter:
            return 0
        if gap > LONGEST_GAP_S * self.rate_hz:
            self.leap_s = max(self.leap_s, gap / self.rate_hz)
            return 0
        return gap


def _until_format_changes(
    first: AudioFrame, rest: Iterator[AudioFrame], on_warning: Callable[[str], None]
) -> Iterator[AudioFrame]:
    yield first
    for frame in rest:
        if _format(frame) != _format(first):
            on_warning(
                f"the sound changes from {_format(first)} to {_format(frame)} at {frame.time or 0.0:.1f} s; "
                "what follows was left out"
            )
            return
        yield frame


def _report(
    timeline: _Timeline,
    stated: int | None,
    lacking_s: float,
    damage: list[FFmpegError],
    on_warning: Callable[[str], None],
) -> None:
    rate_hz = timeline.rate_hz
    missing_s, surplus_s, end_s = (n / rate_hz for n in (timeline.missing, timeline.surplus, timeline.position))
    stated_s = max(end_s if stated is None else stated / rate_hz, end_s + lacking_s)
    if damage:
        on_warning(f"packets of sound were damaged and passed over: {len(damage)} ({damage[0].strerror})")
    if missing_s >= NOTEWORTHY_S:
        on_warning(f"the timestamps leave out {missing_s:.1f} s of sound, which became silence")
    if surplus_s >= NOTEWORTHY_S:
        on_warning(f"the timestamps overlap by {surplus_s:.1f} s, which were cut off")
    if timeline.leap_s > LONGEST_GAP_S:
        on_warning(f"the timestamps leap ahead by {timeline.leap_s:.0f} s, which was not believed")
    if stated_s - end_s >= NOTEWORTHY_S:
        on_warning(f"the sound ends at {end_s:.1f} s, but the file promises {stated_s:.1f} s; was it cut off?")


def _format(frame: AudioFrame) -> str:
    return f"{frame.sample_rate} Hz {frame.layout.name}"


def _stated_length(container: InputContainer, stream: AudioStream, frame: AudioFrame) -> int | None:
    """Samples from time 0 to the end of the sound, where the container is one that knows."""
    if container.format.name not in STATE_THEIR_LENGTH or not stream.duration or stream.time_base is None:
        return None
    stated_bytes = stream.duration * stream.time_base * frame.sample_rate * frame.format.bytes * stream.channels
    if is_unknown(int(stated_bytes)):
        return None
    end_s = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return round((end_s - read_start_s(container)) * frame.sample_rate)


def _lacking_s(path: Path, stream: AudioStream) -> float:
    """Sound that a WAV file lacks by its own header; FFmpeg takes the end of the file for the end of the sound."""
    try:
        with path.open("rb") as file:
            kind, length = file.read(4), int.from_bytes(file.read(4), "little")
            lacking = 8 + length - file.seek(0, SEEK_END)
    except OSError:  # It was there when the decoding began, which is all that decoding needs.
        return 0.0
    if kind != b"RIFF" or is_unknown(length) or lacking <= 0:
        return 0.0
    return 8 * lacking / stream.bit_rate if stream.bit_rate else 0.0


def _float_samples(frame: AudioFrame) -> Float32[np.ndarray, "channel sample"]:
    """Samples as floats, full scale of integers at 1."""
    samples: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    if samples.dtype == np.uint8:
        samples = samples.astype(np.int16) - 128
    bits = 8 * frame.format.bytes
    return (samples / (2.0 ** (bits - 1) if samples.dtype.kind == "i" else 1.0)).astype(np.float32)


def _without_padding(
    pieces: Iterator[Float32[np.ndarray, "channel sample"]], stated: int | None
) -> Iterator[Float32[np.ndarray, "channel sample"]]:
    """The pieces, the last one cut at the stated end: lossy codecs fill their last packet up."""
    end = 0
    for piece, following in pairwise(chain(pieces, [None])):
        if piece is None:
            return
        end += piece.shape[1]
        surplus = end - (end if stated is None else stated)
        yield piece[:, :-surplus] if following is None and 0 < surplus < piece.shape[1] else piece


def _zip_channels(
    channels: Sequence[Iterator[Float32[np.ndarray, "1 sample"]]],
) -> Iterator[Float32[np.ndarray, "channel sample"]]:
    """Mono sounds as the channels of one, silence at the end of the shorter ones."""
    none = np.zeros((1, 0), np.float32)
    for group in zip_longest(*(_cut_alike(pieces) for pieces in channels), fillvalue=none):
        length = max(piece.shape[1] for piece in group)
        yield np.concatenate([np.pad(piece, ((0, 0), (0, length - piece.shape[1]))) for piece in group])


def _cut_alike(pieces: Iterator[Float32[np.ndarray, "1 sample"]]) -> Iterator[Float32[np.ndarray, "1 sample"]]:
    """The same samples in pieces of one length, but for the last."""
    rest = np.zeros((1, 0), np.float32)
    for piece in pieces:
        rest = np.concatenate([rest, piece], axis=1)
        number = rest.shape[1] // ALIKE_SAMPLES
        for first in range(0, number * ALIKE_SAMPLES, ALIKE_SAMPLES):
            yield rest[:, first : first + ALIKE_SAMPLES]
        rest = rest[:, number * ALIKE_SAMPLES :]
    if rest.shape[1]:
        yield rest


def _pool(
    pieces: Iterator[Float32[np.ndarray, "channel sample"]], least: int
) -> Iterator[Float32[np.ndarray, "channel sample"]]:
    """The same samples in pieces of at least `least`, but for the last."""
    pool: list[Float32[np.ndarray, "channel sample"]] = []
    for piece in pieces:
        pool.append(piece)
        if sum(held.shape[1] for held in pool) >= least:
            yield np.concatenate(pool, axis=1)
            pool = []
    if pool:
        yield np.concatenate(pool, axis=1)


def _resample(
    pieces: Iterator[Float32[np.ndarray, "channel sample"]], rate_hz: int, wanted_hz: int, channels: int
) -> Iterator[Float32[np.ndarray, "channel sample"]]:
    if rate_hz == wanted_hz:
        yield from pieces
        return
    stream = soxr.ResampleStream(rate_hz, wanted_hz, num_channels=channels, dtype="float32")
    for piece in pieces:
        yield stream.resample_chunk(np.ascontiguousarray(piece.T)).T
    yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).T
