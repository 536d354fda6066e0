"""From clips to what each backend says of them.

Windows of several clips share a batch, so that a folder of short clips is no slower than one long recording. Sound is
read piece by piece and forgotten once it has been heard.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from seldfuse.clip import SAMPLE_RATE_HZ, Clip
from seldfuse.errors import CheckpointError, MediaError, PluginError, SeldfuseError
from seldfuse.features import ClipBatch
from seldfuse.features.batch import Feature
from seldfuse.features.encoders.reference import Encoder
from seldfuse.features.encoders.sound_encoder import SoundEncoder
from seldfuse.features.hearing import Hearing
from seldfuse.features.kept import Kept
from seldfuse.features.sight import Sight
from seldfuse.fusion.conform import counterparts
from seldfuse.fusion.stitch import Stitcher
from seldfuse.heard import Heard
from seldfuse.media.stereo import StereoCheck
from seldfuse.media.windows import OVERLAP_FRAMES, WINDOW_FRAMES, windows
from seldfuse.plugin import Backend
from seldfuse.posterior import Posterior
from seldfuse.watch import Watch

BATCH_WINDOWS = 16

MONO = "a mono recording has no directions: what was heard is which classes sound"

NO_PICTURE = "no picture: backends with eyes went by sound alone"

SHORTER_S = 0.5
"""A picture that ends so little before the sound is not worth a word."""

OnFailure = Callable[[Clip, SeldfuseError], None]


@dataclass(frozen=True)
class Ears:
    """Loaded backends by instance name, what they need, and where they compute.

    `encoders`, by the names by which backends ask for what they give, make embeddings of each window's pictures or
    sound, once for all backends; `kept` holds those of former runs.
    """

    backends: Mapping[str, Backend]
    features: tuple[str, ...]
    device: torch.device
    functions: Mapping[str, Feature] = field(default_factory=dict)
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    kept: Kept | None = None


def listen(clips: Iterable[Clip], ears: Ears, watch: Watch, on_failure: OnFailure) -> Iterator[Heard]:
    """What the backends say of each clip, in order. `on_failure` hears of clips that cannot be read; they are left out.

    Raises PluginError where a backend fails or breaks a promise, CheckpointError where one has no class of the first.
    """
    pending: deque[_Recording] = deque()
    cut = _cut(clips, ears, pending, watch, on_failure)
    while batch := list(islice(cut, BATCH_WINDOWS)):
        posteriors = _infer(batch, ears, watch)
        with watch.stage("stitching"):
            _hand_out(batch, posteriors)
        yield from _finished(pending, watch)
    yield from _finished(pending, watch)


class _Recording:
    """A clip on its way: how much of it has been read, and what has been said of it so far."""

    def __init__(self, clip: Clip, ears: Ears) -> None:
        self.clip = clip
        self.stitchers = {name: Stitcher(OVERLAP_FRAMES) for name in ears.backends}
        self.check = StereoCheck()
        self.notes: list[str] = []
        self.senses = {name: self._sense(encoder, ears.kept) for name, encoder in ears.encoders.items()}
        self.samples = 0
        self.frames = 0
        self.read = False
        self.failed = False
        self.mono = False

    def _sense(self, encoder: Encoder, kept: Kept | None) -> Sight | Hearing:
        if isinstance(encoder, SoundEncoder):
            return Hearing.of(self.clip, encoder, kept, self._note)
        return Sight.of(self.clip, encoder, kept, self._note)

    def blocks(self, watch: Watch) -> Iterator[Float32[np.ndarray, "2 sample"]]:
        return self.check.watch(self._pairs(watch))

    def _pairs(self, watch: Watch) -> Iterator[Float32[np.ndarray, "2 sample"]]:
        blocks = self.clip.audio.blocks(self.notes.append)
        while True:
            with watch.stage("decoding"):
                block = next(blocks, None)
            if block is None:
                return
            self.samples += block.shape[1]
            watch.audio_s += block.shape[1] / SAMPLE_RATE_HZ
            self.mono = len(block) == 1
            yield np.broadcast_to(block, (2, block.shape[1]))

    def tokens(self, start_frame: int, watch: Watch) -> dict[str, Tensor]:
        """What every encoder makes of a window."""
        found = {}
        for name, sense in self.senses.items():
            with watch.stage(name):
                found[name] = sense.window(start_frame, WINDOW_FRAMES)
        return found

    def _note(self, problem: str) -> None:
        if problem not in self.notes:
            self.notes.append(problem)

    def heard(self) -> Heard:
        posteriors = {name: self._possible(stitcher.finish(self.frames)) for name, stitcher in self.stitchers.items()}
        about = (MONO,) if self.mono and not self.check.silent else self.check.warnings()
        duration_s = self.samples / SAMPLE_RATE_HZ
        notes = (*self.notes, *about, *self._blind(duration_s))
        return Heard(self.clip.name, posteriors, duration_s, notes, self.clip)

    def _blind(self, duration_s: float) -> tuple[str, ...]:
        """From when on backends with eyes had nothing but sound."""
        ends_s = [sense.end_s for sense in self.senses.values() if isinstance(sense, Sight)]
        end_s = min(ends_s, default=duration_s)
        if end_s > duration_s - SHORTER_S:
            return ()
        return (NO_PICTURE if end_s == 0.0 else f"the picture ends at {end_s:.1f} s; from there on it was sound alone",)

    def _possible(self, posterior: Posterior) -> Posterior:
        """What can be true of this recording: networks may hear things in zeros, or directions in one channel."""
        activity = torch.zeros_like(posterior.activity) if self.check.silent else posterior.activity
        if self.mono:
            return Posterior(activity, labels=posterior.labels, hop_s=posterior.hop_s, provenance=posterior.provenance)
        return replace(posterior, activity=activity)


class _Window(NamedTuple):
    recording: _Recording
    samples: Float32[np.ndarray, "2 sample"]
    start_frame: int
    tokens: dict[str, Tensor]


def _cut(
    clips: Iterable[Clip], ears: Ears, pending: deque[_Recording], watch: Watch, on_failure: OnFailure
) -> Iterator[_Window]:
    """Windows of all clips, one after the other; every clip begun is entered in `pending`."""
    for clip in clips:
        recording = _Recording(clip, ears)
        pending.append(recording)
        try:
            for cut in windows(recording.blocks(watch), batch_size=1):
                recording.frames = cut.end_frame
                start_frame = cut.start_frame[0]
                yield _Window(recording, cut.samples[0], start_frame, recording.tokens(start_frame, watch))
        except MediaError as error:
            recording.failed = True
            on_failure(clip, error)
        recording.read = True


def _infer(batch: list[_Window], ears: Ears, watch: Watch) -> dict[str, Posterior]:
    audio = torch.from_numpy(np.stack([window.samples for window in batch])).to(ears.device)
    tokens = {name: torch.stack([window.tokens[name] for window in batch]).to(ears.device) for name in ears.encoders}
    features = ClipBatch(audio, ears.functions, tokens)
    with watch.stage("features"):
        for name in ears.features:
            features[name]
    posteriors = {}
    for name, backend in ears.backends.items():
        with watch.stage(name):
            try:
                posteriors[name] = backend.infer(features)
            except SeldfuseError:
                raise
            except Exception as error:
                cause = f"{type(error).__name__}: {error}"
                raise PluginError(f"the backend {name} failed ({cause}); leave it out of --backends") from error
            _check(name, posteriors[name], features)
    _check_classes(posteriors)
    return posteriors


def _check(name: str, posterior: Posterior, batch: ClipBatch) -> None:
    expected, found = (len(batch), batch.frames), tuple(posterior.activity.shape[:2])
    if found != expected:
        raise PluginError(f"the backend {name} must give (windows, frames) = {expected}, gave {found}")
    for field_name, tensor in posterior.tensors().items():
        if not tensor.isfinite().all():
            raise PluginError(f"the backend {name} gave values of {field_name} that are not numbers")


def _check_classes(posteriors: Mapping[str, Posterior]) -> None:
    (first, reference), *others = posteriors.items()
    for name, posterior in others:
        if all(place is None for place in counterparts(reference.labels, posterior.labels)):
            raise CheckpointError(
                f"the checkpoints know different classes: {first} has {', '.join(reference.labels.names)}; "
                f"{name} has {', '.join(posterior.labels.names)}; run them apart, or name checkpoints of one label set"
            )


def _hand_out(batch: list[_Window], posteriors: Mapping[str, Posterior]) -> None:
    """Gives each recording its rows of every posterior."""
    numbered = enumerate(batch)
    for _, group in groupby(numbered, key=lambda pair: id(pair[1].recording)):
        rows, cuts = zip(*group, strict=True)
        for name, stitcher in cuts[0].recording.stitchers.items():
            part = posteriors[name].map(lambda tensor, rows=rows: tensor[rows[0] : rows[-1] + 1])
            stitcher.add(part, [cut.start_frame for cut in cuts])


def _finished(pending: deque[_Recording], watch: Watch) -> Iterator[Heard]:
    while pending and pending[0].read:
        recording = pending.popleft()
        if not recording.failed:
            yield recording.heard()
        watch.clips += 1
