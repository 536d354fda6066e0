"""A small output folder with everything that a page can show, made without a model."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from worlds import film, noise, result_of

from seldfuse.core.clip import Clip
from seldfuse.core.detections import PERSON, UNTRACKED, Detections
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import Result
from seldfuse.core.rules import Rules
from seldfuse.formats import dcase
from seldfuse.formats import json as json_format
from seldfuse.formats.files import save_members
from seldfuse.media.encode import write_wav
from seldfuse.media.inputs import find_clips
from seldfuse.run_manifest import RunManifest
from seldfuse.vision.detection_store import CachedDetections, DetectionFile, build_path, save_detections

BELL = DCASE2025.names.index("bell")
SPEECH_DEG, BELL_DEG = 40.0, -30.0
HOSTILE = "</script><img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class ReportWorld:
    """An output folder, the recording that it is of, and labels of which one event is missed."""

    out: Path
    recording: Path
    labels: Path
    name: str

    @property
    def page(self) -> Path:
        return self.out / "report" / "clips" / f"{self.name}.html"


def make_events(labels: LabelSet = DCASE2025) -> Events:
    """Speech on the left that moves a little from 1 to 3 s, and a bell on the right from 3.5 to 4.5 s."""
    speech, bell = np.arange(10, 30), np.arange(35, 45)
    rows = len(speech) + len(bell)
    columns = {
        "frame": np.r_[speech, bell],
        "cls": np.r_[np.zeros(len(speech)), np.full(len(bell), min(BELL, len(labels) - 1))],
        "azimuth_deg": np.r_[SPEECH_DEG + np.linspace(-4, 4, len(speech)).round(), np.full(len(bell), BELL_DEG)],
        "distance_m": np.full(rows, 1.5),
        "onscreen": np.r_[np.ones(len(speech)), np.zeros(len(bell))],
        "score": np.full(rows, 0.75),
        "azimuth_std_deg": np.full(rows, 10.0),
        "distance_std_m": np.full(rows, 0.3),
    }
    return Events.from_batch(columns, [rows], labels)[0]


def make_result(name: str, labels: LabelSet = DCASE2025) -> Result:
    """A result of two backends, the second of which gives no directions."""
    generator = torch.Generator().manual_seed(0)
    activity = torch.rand((1, 50, len(labels), 2), generator=generator)
    whole = Posterior(activity, direction_from_azimuth(180 * activity - 90), labels=labels)
    members = {"sce": whole, "sed/other": Posterior(activity[..., :1], labels=labels)}
    return replace(result_of(make_events(labels), name=name), members=members, notes=("a note",))


def make_world(root: Path, name: str = "talk", picture: bool = True, labels: LabelSet = DCASE2025) -> ReportWorld:
    """Make the folder; the recording is a video, or else a sound."""
    out, recording = root / "out", root / "in" / f"{name}{'.mp4' if picture else '.wav'}"
    recording.parent.mkdir(parents=True, exist_ok=True)
    if picture:
        film(recording, 5.0)
    else:
        write_wav(recording, noise(5.0))
    (clip,) = find_clips([recording])
    clip = replace(clip, name=name)
    result = make_result(name, labels)
    manifest = RunManifest(out, {"fov_deg": 100.0, "channels": {"pair": None, "assume_mono": False}})
    manifest.find_finished(clip)
    files = [out / f"{name}.json", out / f"{name}.csv"]
    json_format.write_result(result, files[0])
    dcase.write_result(result, files[1])
    save_members(result, out)
    if picture:
        save_person(out, name)
    manifest.finish(name, files)
    return ReportWorld(out, recording, write_labels(root / "labels", name), name)


def save_person(out: Path, name: str, phrase: str = PERSON) -> None:
    """What a detector found: somebody in the left half, in two pictures a second."""
    rows = [(number / 2, phrase, 0.9, 8.0, 4.0, 24.0, 32.0, UNTRACKED) for number in range(10)]
    points = [np.tile([16.0, 12.0, 0.9], (17, 1))] * len(rows)
    memory = CachedDetections(Detections.from_rows(rows, points), frozenset(range(10)), (64, 36))
    record = DetectionFile(memory, {"rate_hz": 2.0}, Rules({}))
    save_detections(build_path(out / "detections", "keypoint", name), record)


def write_labels(folder: Path, name: str) -> Path:
    """True events: the speech as it was found, and music that nobody found."""
    speech = "".join(f"{frame},0,0,{SPEECH_DEG:.0f},150,1\n" for frame in range(10, 30))
    music = "".join(f"{frame},8,0,-80,300,0\n" for frame in range(40, 50))
    path = folder / f"{Path(name).name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"frame,class,source,azimuth,distance,onscreen\n{speech}{music}")
    return folder


def read_data(page: Path) -> Any:
    """The data that a page holds for its script."""
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def find_clip(world: ReportWorld) -> Clip:
    (clip,) = find_clips([world.recording])
    return clip
