"""Which five seconds of which recordings are cut out, and where the camera points."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from seldfuse.core.grid import FRAMES_PER_S
from seldfuse.errors import UsageError
from seldfuse.synth.from_foa.recordings import FoaRecording

ANGLES = 360
"""Viewing angles are whole degrees."""


@dataclass(frozen=True)
class FoaCut:
    """Five seconds from a frame of 100 ms on, with the scene turned to the left by `angle_deg`.

    `number` counts the cuts that were drawn in all splits, those among them that nobody wants, too.
    """

    number: int
    recording: FoaRecording
    angle_deg: int
    start_frame: int

    @property
    def name(self) -> str:
        """Build the name as the challenge names its clips."""
        return f"{self.recording.name}_deg{self.angle_deg:03}_start{self.start_frame:04}"


class CutQueue:
    """So many clips from a row of cuts: the first ones that can be used. `splits` are those that the row comes from."""

    def __init__(self, cuts: Iterator[FoaCut], count: int, splits: frozenset[str]) -> None:
        self.splits = splits
        self.missing = count
        self._cuts = cuts

    def take_cuts(self) -> list[FoaCut]:
        """Take as many of the next cuts as clips are missing, fewer where no more are left; they are missing no
        more."""
        taken = list(islice(self._cuts, self.missing))
        self.missing = 0
        return taken

    def replace_last(self) -> None:
        """Ask for another cut in place of one that cannot be used."""
        self.missing += 1


def draw_cuts(recordings: Sequence[FoaRecording], seed: int) -> Iterator[FoaCut]:
    """Draw random cuts, no two alike, until there are no others.

    A recording is drawn with a weight of its length, then a frame to start at, then an angle, with the calls of the
    standard library that the challenge's program has: of the same recordings, the same seed makes the same cuts.
    """
    rng = random.Random(seed)
    weights = [recording.frames for recording in recordings]
    drawn: set[tuple[int, int, int]] = set()
    possible = ANGLES * sum(recording.starts for recording in recordings)
    while len(drawn) < possible:
        (index,) = rng.choices(range(len(recordings)), weights)
        start_frame = rng.randint(0, recordings[index].starts - 1)
        angle_deg = rng.randint(0, ANGLES - 1)
        if (index, start_frame, angle_deg) not in drawn:
            drawn.add((index, start_frame, angle_deg))
            yield FoaCut(len(drawn) - 1, recordings[index], angle_deg, start_frame)


def cut_evenly(recordings: Sequence[FoaRecording], hop_s: float, seed: int) -> Iterator[FoaCut]:
    """Cut all recordings from beginning to end, one every `hop_s` seconds, each at a random angle."""
    rng = random.Random(seed)
    hop = round(hop_s * FRAMES_PER_S)
    starts = ((recording, start) for recording in recordings for start in range(0, recording.starts, hop))
    for number, (recording, start_frame) in enumerate(starts):
        yield FoaCut(number, recording, rng.randint(0, ANGLES - 1), start_frame)


def queue_all(recordings: Sequence[FoaRecording], hop_s: float, seed: int) -> CutQueue:
    """Queue everything, cut every `hop_s` seconds. Raises UsageError where these are not whole frames."""
    if hop_s < 1 / FRAMES_PER_S or not math.isclose(hop_s * FRAMES_PER_S, round(hop_s * FRAMES_PER_S)):
        raise UsageError(f"--hop expects seconds in steps of {1 / FRAMES_PER_S}, such as 2.5, got {hop_s}")
    cuts = list(cut_evenly(recordings, hop_s, seed))
    return CutQueue(iter(cuts), len(cuts), frozenset(recording.split for recording in recordings))


def queue_counts(texts: Sequence[str], recordings: Sequence[FoaRecording], seed: int) -> list[CutQueue]:
    """Queue random cuts, as many as `--clips` says: a number for all splits together, or SPLIT=NUMBER once or several
    times.

    SPLIT may be the beginning of several splits' names: dev-train is both dev-train-sony and dev-train-tau. All are
    drawn together, so that those of one split do not depend on the others' numbers. Raises UsageError.
    """
    splits = sorted({recording.split for recording in recordings})
    queues: list[CutQueue] = []
    for text in texts:
        beginning, count = _parse_wanted(text)
        meant = frozenset(split for split in splits if split.startswith(beginning))
        if not meant:
            raise UsageError(f"--clips {text}: no split is called {beginning}; there are {', '.join(splits)}")
        twice = sorted(meant.intersection(*[other.splits for other in queues])) if queues else []
        if twice:
            raise UsageError(f"--clips {text}: another --clips speaks of {twice[0]} already")
        queues.append(CutQueue(_select_source(meant, draw_cuts(recordings, seed)), count, meant))
    return queues


def _select_source(splits: frozenset[str], cuts: Iterator[FoaCut]) -> Iterator[FoaCut]:
    return (cut for cut in cuts if cut.recording.split in splits)


def _parse_wanted(text: str) -> tuple[str, int]:
    beginning, _, count = text.rpartition("=")
    if not count.isdecimal() or int(count) < 1:
        raise UsageError(f"--clips expects a number such as 30000, or SPLIT=NUMBER, got {text!r}")
    return beginning, int(count)
