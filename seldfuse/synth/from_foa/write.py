"""Cuts become clips on disk, in the layout of the challenge's data set."""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Float32, Float64

import seldfuse
from seldfuse.core.grid import SAMPLES_PER_FRAME, WINDOW_SAMPLES
from seldfuse.errors import MediaError
from seldfuse.formats.dcase import write_events
from seldfuse.media.encode import write_video, write_wav
from seldfuse.storage.digest import hash_text
from seldfuse.synth.dataset import workers
from seldfuse.synth.dataset.folder import DatasetSplit, describe_clip
from seldfuse.synth.from_foa.cuts import CutQueue, FoaCut
from seldfuse.synth.from_foa.labels import cut_events, read_labels
from seldfuse.synth.from_foa.recordings import FoaRecording
from seldfuse.synth.from_foa.reel import PanoramaReader
from seldfuse.synth.from_foa.sound import convert_to_stereo, read_foa
from seldfuse.synth.from_foa.view import PanoramaView
from seldfuse.synth.pictures.film import FPS

TOGETHER = 12
"""Cuts of one recording that one process makes at once, so that overlapping ones share what is decoded."""

LOUDEST = 0.9999
"""A clip that goes above is not made: its peaks would be cut off."""


class FoaOutcome(NamedTuple):
    """What became of a cut: the clip's line for the ledger, or an error; neither where it is too loud."""

    cut: FoaCut
    line: dict[str, Any] | None = None
    error: MediaError | None = None


@dataclass(frozen=True)
class FoaClipMaker:
    """All that a process needs to make clips in the folder `out`; `distance_m` is for labels without distances."""

    out: Path
    distance_m: float | None = None

    def make(self, cuts: Sequence[FoaCut]) -> list[FoaOutcome]:
        """Write the clips of cuts of one recording, which must come in the order of time. Raises UsageError."""
        recording = cuts[0].recording
        rows = read_labels(recording.labels, self.distance_m)
        reel = PanoramaReader(recording.video) if recording.video else None
        return [self._outcome(cut, rows, reel) for cut in cuts]

    def _outcome(self, cut: FoaCut, rows: Float64[np.ndarray, "row 6"], reel: PanoramaReader | None) -> FoaOutcome:
        try:
            audio = convert_to_stereo(
                read_foa(cut.recording.sound, cut.start_frame * SAMPLES_PER_FRAME, WINDOW_SAMPLES), cut.angle_deg
            )
            if np.abs(audio).max() > LOUDEST:
                return FoaOutcome(cut)
            return FoaOutcome(cut, self._written(cut, rows, audio, reel))
        except MediaError as error:
            return FoaOutcome(cut, error=error)

    def _written(
        self,
        cut: FoaCut,
        rows: Float64[np.ndarray, "row 6"],
        audio: Float32[np.ndarray, "2 sample"],
        reel: PanoramaReader | None,
    ) -> dict[str, Any]:
        split, events = DatasetSplit(self.out, cut.recording.split), cut_events(rows, cut.start_frame, cut.angle_deg)
        # The sound comes last, as in other data sets: a clip is complete once it is there.
        write_events(events, split.get_path(cut.name, "csv"))
        if reel is not None:
            write_video(split.get_path(cut.name, "mp4"), render_pictures(reel, cut), FPS, audio)
        write_wav(split.get_path(cut.name, "wav"), audio)
        written = describe_clip(split, cut.name, events, reel is not None)
        return {"number": cut.number, "name": cut.name, **asdict(written)}


def render_pictures(reel: PanoramaReader, cut: FoaCut) -> Iterator[VideoFrame]:
    """Render what the camera sees during the cut."""
    view = None
    for band in reel.read_frames(cut.start_frame):
        view = view or PanoramaView(band.luma.shape[2], cut.angle_deg)
        yield view.render(band)


def make_clips(
    queues: Sequence[CutQueue], maker: FoaClipMaker, finished: Callable[[FoaCut], bool], jobs: int
) -> Generator[FoaOutcome, None, None]:
    """Make the clips that are queued and not finished, with `jobs` processes.

    For a cut that is too loud the next one of its row is made, so a data set does not depend on the number of
    processes. Close the iterator to stop early. Raises UsageError, and SeldfuseError where a process dies.
    """
    by_split = {split: queue for queue in queues for split in queue.splits}
    while cuts := [cut for queue in queues for cut in queue.take_cuts()]:
        errands = group_by_recording([cut for cut in cuts if not finished(cut)])
        for outcomes in workers.run_workers(errands, maker, min(jobs, len(errands) or 1)):
            for outcome in outcomes:
                if outcome.line is None and outcome.error is None:
                    by_split[outcome.cut.recording.split].replace_last()
                yield outcome


def group_by_recording(cuts: Sequence[FoaCut]) -> list[list[FoaCut]]:
    """Group cuts by recording and in the order of time, some at a time."""
    ordered = sorted(cuts, key=lambda cut: (cut.recording.split, cut.recording.name, cut.start_frame, cut.angle_deg))
    of_one = [list(group) for _, group in groupby(ordered, key=lambda cut: cut.recording)]
    return [group[first : first + TOGETHER] for group in of_one for first in range(0, len(group), TOGETHER)]


def describe_cuts(recordings: Sequence[FoaRecording], **options: Any) -> dict[str, Any]:
    """Describe all that clips depend on but how many there are: version, options, a digest of names, lengths and
    sizes."""
    inputs = [
        (
            recording.split,
            recording.name,
            recording.frames,
            *(path and path.stat().st_size for path in (recording.sound, recording.labels, recording.video)),
        )
        for recording in recordings
    ]
    digest = hash_text(json.dumps(inputs), "sha256")
    return {"seldfuse": seldfuse.__version__, "made": "from-foa", **options, "recordings": digest}
