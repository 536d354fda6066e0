"""First-order recordings on disk, with the labels and the panoramic videos that belong to them."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seldfuse.clip import SAMPLE_RATE_HZ
from seldfuse.errors import MediaError, SeldfuseError, UsageError
from seldfuse.media.container import opened, picture_stream, probe
from seldfuse.media.inputs import VIDEO_SUFFIXES
from seldfuse.media.windows import WINDOW_FRAMES
from seldfuse.synth.from_foa.labels import read_labels

CHANNELS = 4
FRAMES_PER_S = 10

LAYOUTS = (
    "give a folder that holds foa_dev/<split>/<name>.wav, metadata_dev/<split>/<name>.csv and, for pictures, "
    "video_dev/<split>/<name>.mp4, or one in which they lie side by side"
)

# The folders of a data set that are apart only because of what kind of file is in them.
_PART = re.compile(r"(foa|metadata|labels|video)(_dev|_eval)?")

# The same recordings in the raw channels of the microphone, and what an archive made on a Mac leaves behind.
_FOREIGN = re.compile(r"mic(_dev|_eval)?|__MACOSX|\..*")

SHOWN = 3


@dataclass(frozen=True)
class Recording:
    """A sound with labels, and a video where there is one; `frames` of 100 ms are in both."""

    split: str
    name: str
    sound: Path
    labels: Path
    video: Path | None
    frames: int

    @property
    def starts(self) -> int:
        """At how many frames a clip may begin."""
        return self.frames - WINDOW_FRAMES + 1


def find_recordings(
    folder: Path, with_video: bool, distance_m: float | None, on_problem: Callable[[str], None] | None = None
) -> list[Recording]:
    """The recordings in a folder and below it, sorted by split and name as the challenge's program has them.

    Files belong together whose paths differ only in the folders foa_dev, metadata_dev and video_dev, and in their
    suffix. The split is the folder that a sound is in. Headers and labels are read; `on_problem` is told of what is
    wrong with them, and the rest goes on; without it the error is raised. A video that cannot be read, or is no
    panorama, is passed over and its recording stays. `distance_m` is for labels that have no distances.

    Raises UsageError where there is no folder, where labels lack distances, and where no recording is left; there
    MediaError where the first one cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of first-order recordings; {LAYOUTS}: {folder}")
    sounds, tables, videos = _files(folder)
    if not sounds:
        raise UsageError(f"expected WAV files, found none; {LAYOUTS}: {folder}")
    problems = _Problems(on_problem)
    found = []
    for key in sorted(sounds, key=lambda key: f"{key}.csv"):
        if key not in tables:
            continue
        with problems.passed_over(key):
            video = _video(videos[key], problems) if with_video and key in videos else None
            found.append(_recording(folder, key, sounds[key], tables[key], video, distance_m))
    problems.tell_of_strays(sorted(sounds.keys() - tables.keys()), folder)
    if not found:
        raise problems.first or UsageError(f"expected a label file for each sound, found none; {LAYOUTS}: {folder}")
    return found
