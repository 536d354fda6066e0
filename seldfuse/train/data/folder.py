"""Scenes from folders of recordings and label files."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from seldfuse.core.events import Events
from seldfuse.core.grid import WINDOW_FRAMES
from seldfuse.core.labels import LabelSet
from seldfuse.encoders.tokens import EncoderTokens, concat_tokens
from seldfuse.errors import UsageError
from seldfuse.features.load import make_batch
from seldfuse.features.stack import stack_features
from seldfuse.formats.label_files import LabelFile
from seldfuse.train.augment.apply import augment_audio
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data.file_windows import FileWindow, WindowReader, cut_files
from seldfuse.train.data.labelled_files import LabelledFile
from seldfuse.train.data.source import ProcessShare
from seldfuse.train.data.targets import FRAME, TargetTracks, build_target, convert_file, cut_tracks
from seldfuse.train.data.window_tokens import WindowTokens

READERS = 4
"""Threads that read while the network learns."""

AUDIO_STREAM = 1
"""Separates the random numbers of the augmentation of sound from those of the order."""


class _Scene(NamedTuple):
    audio: Float[Tensor, "2 sample"]
    tracks: TargetTracks
    tokens: dict[str, EncoderTokens]
    labelled: Bool[np.ndarray, "cls"]


class FolderSource:
    """The windows of 5 s of recordings on disk, over and over, each time in another order.

    Of every step's scenes this process takes its block: with n windows, the p-th scene of all processes together is
    that of place p mod n in the order of epoch p // n, which depends on the seed alone. `augment` is the amount of
    every augmentation; those of sound are applied here. The next scenes are read while the network learns.

    Raises UsageError where there is no pair, MediaError where a file cannot be read.
    """

    def __init__(
        self,
        pairs: Sequence[LabelledFile],
        labels: LabelSet,
        features: Sequence[str],
        seed: int,
        share: ProcessShare,
        augment: Mapping[str, float],
        device: torch.device,
        tokens: WindowTokens,
    ) -> None:
        if not pairs:
            raise UsageError("expected sounds with labels to train on, got none; choose other folds, or other folders")
        self.labels, self.names, self.device = labels, tuple(features), device
        self.seed, self.share, self.augment = seed, share, augment
        self.windows = cut_files(pairs)
        self.drawn = 0
        self._recordings = _LabelledRecordings(labels, tokens)
        self._order = lru_cache(maxsize=2)(partial(shuffle_epoch, seed, len(self.windows)))
        self._readers = ThreadPoolExecutor(READERS, "scenes")
        self._ahead: dict[int, Future[_Scene]] = {}

    def __len__(self) -> int:
        """Count the windows of an epoch."""
        return len(self.windows)

    @property
    def problems(self) -> list[str]:
        """Problems of the files read so far that did not stop the training."""
        return list(self._recordings.problems)

    def draw(self, count: int) -> TrainingBatch:
        """Draw the next `count` scenes of this process, features `(count, channel, 250, mel)`.

        Raises MediaError where a sound cannot be read or is mono, UsageError where a label file cannot be read.
        """
        due = self._begin(self._positions(self.drawn, count))
        # The guess that as many scenes are drawn next is right but for mixtures, whose shares vary by one.
        following = self._begin(self._positions(self.drawn + count, count))
        for scene in self._ahead.values():
            scene.cancel()
        self._ahead = following
        batch = _batch([scene.result() for scene in due.values()], self.names, self.labels, self.device)
        self.drawn += count
        return batch

    def seek(self, drawn: int) -> None:
        self.drawn = drawn

    def close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _positions(self, drawn: int, count: int) -> range:
        first = self.share.processes * drawn + self.share.rank * count
        return range(first, first + count)

    def _begin(self, positions: range) -> dict[int, Future[_Scene]]:
        """Return the scenes at these positions, those that are on their way and those that must be asked for."""
        return {
            position: self._ahead.pop(position)
            if position in self._ahead
            else self._readers.submit(self._read, position)
            for position in positions
        }

    def _read(self, position: int) -> _Scene:
        epoch, place = divmod(position, len(self.windows))
        scene = self._recordings.read(self.windows[self._order(epoch)[place]])
        rng = np.random.default_rng([self.seed, position, AUDIO_STREAM])
        return scene._replace(audio=augment_audio(scene.audio[None], self.augment, rng)[0])


class FolderValidation:
    """The windows of 5 s of recordings on disk, in order, read anew each time.

    `references` holds the events of each window by the label files, frames counted from its beginning, `labelled` marks
    the classes that were annotated. Raises UsageError where a label file cannot be read, MediaError where a sound
    cannot.
    """

    def __init__(
        self,
        pairs: Sequence[LabelledFile],
        labels: LabelSet,
        features: Sequence[str],
        device: torch.device,
        batch: int,
        tokens: WindowTokens,
    ) -> None:
        self.labels, self.names, self.device, self.batch = labels, tuple(features), device, batch
        self.windows = cut_files(pairs)
        self._recordings = _LabelledRecordings(labels, tokens)
        self.references = list(self._references())
        self.labelled = np.array([_labelled(window) for window in self.windows])

    @property
    def problems(self) -> list[str]:
        """Problems of the files read so far that did not keep them from being read."""
        return list(self._recordings.problems)

    def batches(self) -> Iterator[TrainingBatch]:
        """Yield all windows, `batch` at a time; the last batch may be smaller. Raises MediaError."""
        parts = [self.windows[first : first + self.batch] for first in range(0, len(self.windows), self.batch)]
        readers = ThreadPoolExecutor(READERS, "validation")
        try:
            following = [readers.submit(self._recordings.read, window) for window in parts[0]] if parts else []
            for part in [*parts[1:], []]:
                due, following = following, [readers.submit(self._recordings.read, window) for window in part]
                if due:
                    yield _batch([scene.result() for scene in due], self.names, self.labels, self.device)
        finally:
            readers.shutdown(cancel_futures=True)

    def _references(self) -> Iterator[Events]:
        events = Events.empty(self.labels)
        for window in self.windows:
            if window.start_frame == 0:
                file = window.pair.annotation.read(window.pair.labels)
                events = file.to_events(self.labels)
                self._recordings.store_labels(window, file)
            yield _part(events, window)


class _LabelledRecordings:
    """Recordings, their encoders' tokens and their labels, which are small and stay in memory once they were read."""

    def __init__(self, labels: LabelSet, tokens: WindowTokens) -> None:
        self.labels, self.tokens = labels, tokens
        # A dictionary, for threads meet the same problem again.
        self.problems: dict[str, None] = {}
        self._reader = WindowReader(self._note)
        self._tracks: dict[Path, TargetTracks] = {}

    def read(self, window: FileWindow) -> _Scene:
        path = window.pair.labels
        if path not in self._tracks:
            self.store_labels(window, window.pair.annotation.read(path))
        sound = self._reader.read(window)
        tracks = cut_tracks(self._tracks[path], window.start_frame, sound.frames)
        return _Scene(torch.from_numpy(sound.samples), tracks, self.tokens.read(window, self._note), _labelled(window))

    def store_labels(self, window: FileWindow, file: LabelFile) -> None:
        """Store the labels of the window's recording, up to its end."""
        path, end = window.pair.labels, window.recording_frames
        tracks = convert_file(file, self._note)
        late = tracks[:, FRAME] >= end
        if late.any():
            self._note(
                f"the sound has {end} frames of 100 ms, the labels have some from frame {tracks[late, FRAME][0]:.0f} "
                f"on, which were left out: {path}"
            )
        self._tracks[path] = tracks[~late]

    def _note(self, problem: str) -> None:
        self.problems[problem] = None


def _labelled(window: FileWindow) -> Bool[np.ndarray, "cls"]:
    return window.pair.annotation.mark_labelled()


def shuffle_epoch(seed: int, windows: int, epoch: int) -> Int64[np.ndarray, " windows"]:
    """Draw the order in which an epoch goes through the windows."""
    return np.random.default_rng([seed, epoch]).permutation(windows)


def _part(events: Events, window: FileWindow) -> Events:
    """Select the events within a window, none behind the recording's end."""
    frame = events.table["frame"].to_numpy() - window.start_frame
    frames = min(WINDOW_FRAMES, window.recording_frames - window.start_frame)
    chosen = (frame >= 0) & (frame < frames)
    if window.start_frame == 0 and chosen.all():
        return events
    return Events(events.table[chosen].assign(frame=frame[chosen]), events.labels, events.hop_s)


def _batch(scenes: Sequence[_Scene], names: tuple[str, ...], labels: LabelSet, device: torch.device) -> TrainingBatch:
    audio = torch.stack([scene.audio for scene in scenes]).to(device)
    target = build_target([scene.tracks for scene in scenes], labels, np.array([scene.labelled for scene in scenes]))
    tokens = concat_tokens([scene.tokens for scene in scenes])
    return TrainingBatch(stack_features(make_batch(audio), names), names, target, tokens).to(device)
