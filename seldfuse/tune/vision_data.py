"""What was heard, what is true, and what detectors saw of many clips: the material that the correction is fitted on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seldfuse.core.geometry import Camera
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings
from seldfuse.metrics.rows import Scene
from seldfuse.storage.walk import list_files, list_folders
from seldfuse.tune.fit import pool_all
from seldfuse.tune.tuning_data import read_members
from seldfuse.vision.detection_store import DetectionFile, read_detections
from seldfuse.vision.recorded import SUFFIX
from seldfuse.vision.refine import ClipDetections


@dataclass(frozen=True)
class VisionTuningData:
    """Clips of equal length: what was heard in them (a batch), what is true, and what each post-processor saw.

    `references` are the true events in plain rows, `recording` numbers each clip's recording. `looks` holds one list
    for each clip, with the post-processors by their names.
    """

    posterior: Posterior
    truth: Posterior
    references: Sequence[Scene]
    recording: Int[Tensor, "clip"]
    detections: Sequence[Sequence[ClipDetections]]
    camera: Camera
    interval_s: float

    def take(self, chosen: Bool[Tensor, "clip"]) -> "VisionTuningData":
        """Some of the clips."""
        kept = chosen.nonzero().squeeze(1).tolist()
        return replace(
            self,
            posterior=self.posterior.map(lambda value: value[chosen]),
            truth=self.truth.map(lambda value: value[chosen]),
            references=[self.references[clip] for clip in kept],
            recording=self.recording[chosen],
            detections=[self.detections[clip] for clip in kept],
        )

    def select_looked_at(self) -> "VisionTuningData":
        """The clips that some post-processor looked at."""
        return self.take(torch.tensor([bool(looks) for looks in self.detections]))

    def sample_unrelated(self) -> "VisionTuningData":
        """The same with the pictures of the clip after."""
        return replace(self, detections=[*self.detections[1:], *self.detections[:1]])

    def clip(self, number: int) -> Posterior:
        return self.posterior.map(lambda value: value[number : number + 1])


def read_vision_data(
    folders: Sequence[Path],
    reference: Path,
    detections: Path,
    fusion: FusionSettings,
    fov_deg: float,
    warn: Callable[[str], None],
) -> VisionTuningData:
    """Members' folders of posteriors, merged; label files; and what `seldfuse run --post` kept in `out/detections`.

    A clip that a member or the reference lacks, or that no detector looked at, is left out, which `warn` hears of.
    Raises UsageError where nothing fits together, or detectors looked at different numbers of pictures a second.
    """
    material, names = read_members(folders, reference, warn)
    kept = _read_kept(detections)
    pooled, evidence = pool_all(material, fusion)
    said = fusion.uncertainty.apply(pooled, evidence)
    records = [
        [(post, read_detections(files[name])) for post, files in kept.items() if name in files] for name in names
    ]
    rates_hz = {float(record.key["rate_hz"]) for clip in records for _, record in clip}
    if not rates_hz:
        raise UsageError(f"expected what was seen in the clips of {reference}, found it of other clips: {detections}")
    if len(rates_hz) > 1:
        told = " and ".join(f"{rate_hz:g}" for rate_hz in sorted(rates_hz))
        raise UsageError(f"detectors looked {told} times a second; fit to one --detector-fps: {detections}")
    (rate_hz,) = rates_hz
    looks = [[_detect(post, record, rate_hz) for post, record in clip] for clip in records]
    camera = Camera(horizontal_fov_deg=fov_deg)
    scenes = VisionTuningData(said, material.truth, material.references, material.recording, looks, camera, 1 / rate_hz)
    if unseen := sum(not clip for clip in looks):
        warn(f"{unseen} clips were left out: no detector looked at them")
    return scenes.select_looked_at()


def _read_kept(folder: Path) -> dict[str, dict[str, Path]]:
    """Files by post-processor and clip. Raises UsageError where there are none."""
    found = {
        place.name: {path.name.removesuffix(SUFFIX): path for path in list_files(place, f"*{SUFFIX}")}
        for place in (list_folders(folder) if folder.is_dir() else [])
    }
    if not any(found.values()):
        raise UsageError(
            f"expected the detections that `seldfuse run --post … -o out` keeps in out/detections, found none: {folder}"
        )
    return found


def _detect(postprocessor: str, record: DetectionFile, rate_hz: float) -> ClipDetections:
    return record.memory.to_clip_detections(postprocessor, str(record.key["looks_with"]), record.rules, rate_hz)
