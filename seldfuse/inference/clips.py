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

from seldfuse.catalogue.guard import AT_WORK, guard_plugin
from seldfuse.catalogue.models import BackendModel
from seldfuse.catalogue.registry import Registry
from seldfuse.core.clip import Clip
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
from seldfuse.inference.check_posterior import check_form, find_impossible
from seldfuse.inference.mask import mask_impossible
from seldfuse.media.stereo import StereoCheck
from seldfuse.media.windows import OVERLAP_FRAMES, cut_windows

BATCH_WINDOWS = 16

MONO = "a mono recording has no directions: the result is which classes sound"

NO_PICTURE = "no picture: backends that use pictures went by sound alone"

TOO_LOUD = 1000.0
"""Of samples, full scale at 1: no backend needs to know what to do with more."""

LEAVE_OUT = "leave it out of --backends"

SHORTER_S = 0.5
"""A picture that ends so little before the sound is not worth a note."""

OnFailure = Callable[[Clip, SeldfuseError], None]


@dataclass(frozen=True)
class LoadedBackends:
    """Loaded backends by instance name, what they need, and where they compute.

    `encoders`, by the references by which backends ask for their tokens, encode each window once for all backends;
    `token_cache` holds tokens of former runs; features are those of `registry`, of all that is installed where it is
    None. `provides` are the fields that each backend promises.
    """

    backends: Mapping[str, BackendModel]
    features: tuple[str, ...]
    device: torch.device
    encoders: Mapping[str, LoadedEncoder] = field(default_factory=dict)
    token_cache: TokenCache | None = None
    registry: Registry | None = None
    provides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def infer_clips(
    clips: Iterable[Clip], backends: LoadedBackends, stats: RunStats, on_failure: OnFailure
) -> Iterator[MemberPosteriors]:
    """Infer each clip's posteriors, in order. `on_failure` is told of clips that cannot be read, and of those for which
    a backend fails or breaks a promise; they are left out.

    Raises PluginError where a backend does so for each of several clips, CheckpointError where one has no class of the
    first.
    """
    pending: deque[_Recording] = deque()
    cut = _cut(clips, backends, pending, stats, on_failure)
    while batch := list(islice(cut, BATCH_WINDOWS)):
        _infer_batch(batch, backends, stats, on_failure)
        yield from _pop_finished(pending, stats)
    yield from _pop_finished(pending, stats)


def _infer_batch(batch: list["_Window"], backends: LoadedBackends, stats: RunStats, on_failure: OnFailure) -> None:
    """Infer windows; where a backend fails, clip by clip, so that the clip for which it fails is alone in that."""
    batch = [window for window in batch if not window.recording.failed]
    if not batch:
        return
    try:
        posteriors = _infer(batch, backends, stats)
    except PluginError as error:
        by_clip = [list(windows) for _, windows in groupby(batch, key=lambda window: id(window.recording))]
        if len(by_clip) == 1:
            batch[0].recording.fail(error, on_failure)
            return
        for windows in by_clip:
            _infer_batch(windows, backends, stats, on_failure)
        if all(window.recording.failed for window in batch):
            raise
        return
    for name, posterior in posteriors.items():
        for row, what in find_impossible(posterior).items():
            batch[row].recording.fail(_blame(name, what, batch[row]), on_failure)
    with stats.measure("stitching"):
        _distribute(batch, posteriors, on_failure)


def _blame(backend: str, what: str, window: "_Window") -> SeldfuseError:
    """Say whose fault values are that cannot be: a sound's that is beyond any level, or else the backend's."""
    peak = float(np.abs(window.samples).max())
    if peak > TOO_LOUD:
        return MediaError(f"the sound holds samples of {peak:g}, where full scale is 1: {window.recording.clip.path}")
    return PluginError(f"the backend {backend} gave {what}; {LEAVE_OUT}")


class _Recording:
    """A clip on its way: how much of it has been read, and the posteriors of that part."""

    def __init__(self, clip: Clip, backends: LoadedBackends) -> None:
        self.clip = clip
        self.stitchers = {name: WindowAggregator(OVERLAP_FRAMES) for name in backends.backends}
        self.forms: Mapping[str, tuple[Any, ...]] = {}
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

    def fail(self, error: SeldfuseError, on_failure: OnFailure) -> None:
        """Give the clip up, and tell of it once."""
        if not self.failed:
            self.failed = True
            on_failure(self.clip, error)

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
                if recording.failed:
                    break
        except (MediaError, PluginError) as error:
            recording.fail(error, on_failure)
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
        before = features.count_writes()
        with stats.measure(name), torch.no_grad(), guard_plugin(f"the backend {name} failed", LEAVE_OUT, AT_WORK):
            given = backend.infer(features)
            # A check calls properties, which may be code of the plugin, too.
            posteriors[name] = check_form(
                f"the backend {name}",
                given,
                (len(batch), features.frames),
                audio.device,
                backends.provides.get(name, ()),
            )
        if written := features.find_written(before):
            raise PluginError(f"the backend {name} wrote into {written}, which others share; {LEAVE_OUT}")
    _check_classes(posteriors)
    return posteriors


def _check_classes(posteriors: Mapping[str, Posterior]) -> None:
    (first, reference), *others = posteriors.items()
    for name, posterior in others:
        if all(place is None for place in match_classes(reference.labels, posterior.labels)):
            raise CheckpointError(
                f"the checkpoints know different classes: {first} has {', '.join(reference.labels.names)}; "
                f"{name} has {', '.join(posterior.labels.names)}; run them apart, or name checkpoints of one label set"
            )


def _distribute(batch: list[_Window], posteriors: Mapping[str, Posterior], on_failure: OnFailure) -> None:
    """Give each recording its rows of every posterior; one whose form changes within a recording is refused."""
    forms = {name: (one.provides, one.tracks, one.labels) for name, one in posteriors.items()}
    numbered = enumerate(batch)
    for _, group in groupby(numbered, key=lambda pair: id(pair[1].recording)):
        rows, cuts = zip(*group, strict=True)
        recording = cuts[0].recording
        changed = [name for name, form in recording.forms.items() if form != forms[name]]
        if changed:
            what = "must give the same fields, tracks and classes for all windows of a recording"
            recording.fail(PluginError(f"the backend {changed[0]} {what}; {LEAVE_OUT}"), on_failure)
        if recording.failed:
            continue
        recording.forms = forms
        for name, stitcher in recording.stitchers.items():
            part = posteriors[name].map(lambda tensor, rows=rows: tensor[rows[0] : rows[-1] + 1])
            stitcher.add(part, [cut.start_frame for cut in cuts])


def _pop_finished(pending: deque[_Recording], stats: RunStats) -> Iterator[MemberPosteriors]:
    while pending and pending[0].read:
        recording = pending.popleft()
        if not recording.failed:
            yield recording.finish()
        stats.clips += 1
