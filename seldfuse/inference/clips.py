"""From clips to what each backend infers of them.

Windows of several clips share a batch, so that a folder of short clips is no slower than one long recording. Sound is
read piece by piece and forgotten once all backends had it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from seldfuse.catalogue.load import describe_cause
from seldfuse.catalogue.models import BackendModel
from seldfuse.catalogue.registry import Registry
from seldfuse.core.clip import Clip
from seldfuse.core.clip_batch import ClipBatch
from seldfuse.core.grid import SAMPLE_RATE_HZ, WINDOW_FRAMES
from seldfuse.core.labels import match_classes
from seldfuse.core.member_posteriors import MemberPosteriors
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.encoders.audio_reader import AudioTokenReader
from seldfuse.encoders.load import LoadedEncoder
from seldfuse.encoders.models import AudioEncoderModel, ImageEncoderModel, LogmelEncoderModel
from seldfuse.encoders.token_cache import TokenCache
from seldfuse.encoders.video_reader import VideoTokenReader
from seldfuse.errors import CheckpointError, MediaError, PluginError, SeldfuseError
from seldfuse.features.load import make_batch
from seldfuse.fusion.aggregate import WindowAggregator
from seldfuse.inference.mask import mask_impossible
from seldfuse.media.stereo import StereoCheck
from seldfuse.media.windows import OVERLAP_FRAMES, cut_windows

BATCH_WINDOWS = 16

MONO = "a mono recording has no directions: the result is which classes sound"

NO_PICTURE = "no picture: backends that use pictures went by sound alone"

SHORTER_S = 0.5
"""A picture that ends so little before the sound is not worth a note."""

OnFailure = Callable[[Clip, SeldfuseError], None]


@dataclass(frozen=True)
class LoadedBackends:
    """Loaded backends by instance name, what they need, and where they compute.

    `encoders`, by the references by which backends ask for their tokens, encode each window once for all backends;
    `token_cache` holds tokens of former runs; features are those of `registry`, of all that is installed where it is
    None.
    """

    backends: Mapping[str, BackendModel]
    features: tuple[str, ...]
    device: torch.device
    encoders: Mapping[str, LoadedEncoder] = field(default_factory=dict)
    token_cache: TokenCache | None = None
    registry: Registry | None = None


def infer_clips(
    clips: Iterable[Clip], backends: LoadedBackends, stats: RunStats, on_failure: OnFailure
) -> Iterator[MemberPosteriors]:
    """Infer each clip's posteriors, in order. `on_failure` is told of clips that cannot be read; they are left out.

    Raises PluginError where a backend fails or breaks a promise, CheckpointError where one has no class of the first.
    """
    pending: deque[_Recording] = deque()
    cut = _cut(clips, backends, pending, stats, on_failure)
    while batch := list(islice(cut, BATCH_WINDOWS)):
        posteriors = _infer(batch, backends, stats)
        with stats.measure("stitching"):
            _distribute(batch, posteriors)
        yield from _pop_finished(pending, stats)
    yield from _pop_finished(pending, stats)


class _Recording:
    """A clip on its way: how much of it has been read, and the posteriors of that part."""

    def __init__(self, clip: Clip, backends: LoadedBackends) -> None:
        self.clip = clip
        self.stitchers = {name: WindowAggregator(OVERLAP_FRAMES) for name in backends.backends}
        self.check = StereoCheck()
        self.notes: list[str] = []
        self.readers = {
            name: self._make_reader(encoder, backends.token_cache)
            for name, encoder in backends.encoders.items()
            if encoder.value.input != "logmel"
        }
        self.samples = 0
        self.frames = 0
        self.read = False
        self.failed = False
        self.mono = False

    def _make_reader(self, encoder: LoadedEncoder, cache: TokenCache | None) -> VideoTokenReader | AudioTokenReader:
        if encoder.value.input == "audio":
            assert isinstance(encoder.model, AudioEncoderModel)
            return AudioTokenReader.from_clip(self.clip, encoder.model, cache, self._note)
        assert isinstance(encoder.model, ImageEncoderModel)
        return VideoTokenReader.from_clip(self.clip, encoder.model, cache, self._note)

    def blocks(self, stats: RunStats) -> Iterator[Float32[np.ndarray, "2 sample"]]:
        return self.check.pass_through(self._pairs(stats))

    def _pairs(self, stats: RunStats) -> Iterator[Float32[np.ndarray, "2 sample"]]:
        blocks = self.clip.audio.blocks(self.notes.append)
        while True:
            with stats.measure("decoding"):
                block = next(blocks, None)
            if block is None:
                return
            self.samples += block.shape[1]
            stats.audio_s += block.shape[1] / SAMPLE_RATE_HZ
            self.mono = len(block) == 1
            yield np.broadcast_to(block, (2, block.shape[1]))

    def read_tokens(self, start_frame: int, stats: RunStats) -> dict[str, Tensor]:
        """Read every encoder's tokens of a window."""
        found = {}
        for name, reader in self.readers.items():
            with stats.measure(name):
                found[name] = reader.read_window(start_frame, WINDOW_FRAMES)
        return found

    def _note(self, problem: str) -> None:
        if problem not in self.notes:
            self.notes.append(problem)

    def finish(self) -> MemberPosteriors:
        """Give the posteriors of the whole clip, and notes."""
        joined = {name: stitcher.finish(self.frames) for name, stitcher in self.stitchers.items()}
        duration_s = self.samples / SAMPLE_RATE_HZ
        ends_s = [reader.end_s for reader in self.readers.values() if isinstance(reader, VideoTokenReader)]
        # Nearly as long as the sound is as long: the last picture is shown a little longer.
        shown_s = math.inf if self.clip.video is not None else 0.0
        picture_s = next((end_s for end_s in sorted(ends_s) if end_s <= duration_s - SHORTER_S), shown_s)
        posteriors = mask_impossible(joined, silent=self.check.silent, mono=self.mono, picture_s=picture_s)
        about = (MONO,) if self.mono and not self.check.silent else self.check.warnings()
        notes = (*self.notes, *about, *(_note_missing_picture(picture_s) if ends_s else ()))
        return MemberPosteriors(self.clip.name, posteriors, duration_s, notes, self.clip)


def _note_missing_picture(picture_s: float) -> tuple[str, ...]:
    """From when on backends that use pictures had nothing but sound."""
    if picture_s == math.inf:
        return ()
    return (
        NO_PICTURE if picture_s == 0.0 else f"the picture ends at {picture_s:.1f} s; from there on it was sound alone",
    )


class _Window(NamedTuple):
    recording: _Recording
    samples: Float32[np.ndarray, "2 sample"]
    start_frame: int
    tokens: dict[str, Tensor]


def _cut(
    clips: Iterable[Clip], backends: LoadedBackends, pending: deque[_Recording], stats: RunStats, on_failure: OnFailure
) -> Iterator[_Window]:
    """Windows of all clips, one after the other; every clip begun is entered in `pending`."""
    for clip in clips:
        recording = _Recording(clip, backends)
        pending.append(recording)
        try:
            for cut in cut_windows(recording.blocks(stats)):
                recording.frames = cut.end_frame
                tokens = recording.read_tokens(cut.start_frame, stats)
                yield _Window(recording, cut.samples, cut.start_frame, tokens)
        except MediaError as error:
            recording.failed = True
            on_failure(clip, error)
        recording.read = True


def _infer(batch: list[_Window], backends: LoadedBackends, stats: RunStats) -> dict[str, Posterior]:
    audio = torch.from_numpy(np.stack([window.samples for window in batch])).to(backends.device)
    tokens = {
        name: torch.stack([window.tokens[name] for window in batch]).to(backends.device) for name in batch[0].tokens
    }
    by_logmel = {
        name: encoder.model.encode
        for name, encoder in backends.encoders.items()
        if isinstance(encoder.model, LogmelEncoderModel) and encoder.value.input == "logmel"
    }
    features = make_batch(audio, tokens, by_logmel, backends.registry)
    with stats.measure("features"):
        for name in backends.features:
            features[name]
    for name in by_logmel:
        with stats.measure(name):
            features[name]
    posteriors = {}
    for name, backend in backends.backends.items():
        with stats.measure(name):
            try:
                with torch.no_grad():
                    posteriors[name] = _detach(backend.infer(features))
            except SeldfuseError:
                raise
            except Exception as error:
                raise PluginError(
                    f"the backend {name} failed ({describe_cause(error)}); leave it out of --backends"
                ) from error
            _check(name, posteriors[name], features)
    _check_classes(posteriors)
    return posteriors


def _detach(given: Any) -> Any:
    """Cut what a backend's gradients hang on; what is no posterior is told later."""
    if isinstance(given, Posterior) and any(tensor.requires_grad for tensor in given.tensors().values()):
        return given.map(Tensor.detach)
    return given


def _check(name: str, posterior: object, batch: ClipBatch) -> None:
    if not isinstance(posterior, Posterior):
        raise PluginError(f"the backend {name} must give a Posterior, gave {type(posterior).__name__}")
    expected, found = (len(batch), batch.frames), tuple(posterior.activity.shape[:2])
    if found != expected:
        raise PluginError(f"the backend {name} must give (windows, frames) = {expected}, gave {found}")
    for field_name, tensor in posterior.tensors().items():
        if not tensor.isfinite().all():
            raise PluginError(f"the backend {name} gave values of {field_name} that are not numbers")


def _check_classes(posteriors: Mapping[str, Posterior]) -> None:
    (first, reference), *others = posteriors.items()
    for name, posterior in others:
        if all(place is None for place in match_classes(reference.labels, posterior.labels)):
            raise CheckpointError(
                f"the checkpoints know different classes: {first} has {', '.join(reference.labels.names)}; "
                f"{name} has {', '.join(posterior.labels.names)}; run them apart, or name checkpoints of one label set"
            )


def _distribute(batch: list[_Window], posteriors: Mapping[str, Posterior]) -> None:
    """Give each recording its rows of every posterior."""
    numbered = enumerate(batch)
    for _, group in groupby(numbered, key=lambda pair: id(pair[1].recording)):
        rows, cuts = zip(*group, strict=True)
        for name, stitcher in cuts[0].recording.stitchers.items():
            part = posteriors[name].map(lambda tensor, rows=rows: tensor[rows[0] : rows[-1] + 1])
            stitcher.add(part, [cut.start_frame for cut in cuts])


def _pop_finished(pending: deque[_Recording], stats: RunStats) -> Iterator[MemberPosteriors]:
    while pending and pending[0].read:
        recording = pending.popleft()
        if not recording.failed:
            yield recording.finish()
        stats.clips += 1
