"""Posteriors by audio, targets and detections of many clips: the data that the correction is fitted on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seldfuse.core.geometry import Camera
from seldfuse.core.labels import LabelSet
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
    """Clips of equal length: their posterior by audio and their target (batches), and each detector's detections.

    `references` are the reference events in plain rows, `recording` numbers each clip's recording. `detections` holds
    one list for each clip, with one entry for each detector.
    """

    posterior: Posterior
    target: Posterior
    references: Sequence[Scene]
    recording: Int[Tensor, "clip"]
    detections: Sequence[Sequence[ClipDetections]]
    camera: Camera
    interval_s: float

    def take(self, chosen: Bool[Tensor, "clip"]) -> "VisionTuningData":
        """Select some of the clips."""
        numbers = chosen.nonzero().squeeze(1).tolist()
        return replace(
            self,
            posterior=self.posterior.map(lambda value: value[chosen]),
            target=self.target.map(lambda value: value[chosen]),
            references=[self.references[clip] for clip in numbers],
            recording=self.recording[chosen],
            detections=[self.detections[clip] for clip in numbers],
        )

    def select_with_detections(self) -> "VisionTuningData":
        """Select the clips with detections."""
        return self.take(torch.tensor([bool(detections) for detections in self.detections]))

    def sample_unrelated(self) -> "VisionTuningData":
        """Replace each clip's detections by those of the clip after."""
        return replace(self, detections=[*self.detections[1:], *self.detections[:1]])

    def clip(self, number: int) -> Posterior:
        return self.posterior.map(lambda value: value[number : number + 1])


def read_vision_data(
    folders: Sequence[str | Path],
    reference: Path,
    detections: Path,
    fusion: FusionSettings,
    fov_deg: float,
    warn: Callable[[str], None],
    labels: LabelSet | None = None,
) -> VisionTuningData:
    """Read and merge members' posteriors; read label files, and what `seldfuse run --post` stored in `out/detections`.

    A clip that a member or the reference lacks, or that has no detections, is left out, and `warn` is called. Raises
    UsageError where nothing fits together, or detectors ran at different numbers of pictures a second.
    """
    data, names = read_members(folders, reference, warn, labels)
    stored = _list_stored(detections)
    pooled, evidence = pool_all(data, fusion)
    posterior = fusion.uncertainty.apply(pooled, evidence)
    records = [
        [(detector, read_detections(files[name])) for detector, files in stored.items() if name in files]
        for name in names
    ]
    rates_hz = {float(record.key["rate_hz"]) for clip in records for _, record in clip}
    if not rates_hz:
        raise UsageError(f"expected detections of the clips of {reference}, found those of other clips: {detections}")
    if len(rates_hz) > 1:
        rates = " and ".join(f"{rate_hz:g}" for rate_hz in sorted(rates_hz))
        raise UsageError(f"detectors ran at {rates} pictures a second; fit to one --detector-fps: {detections}")
    (rate_hz,) = rates_hz
    clip_detections = [[_detect(detector, record, rate_hz) for detector, record in clip] for clip in records]
    camera = Camera(horizontal_fov_deg=fov_deg)
    scenes = VisionTuningData(
        posterior, data.target, data.references, data.recording, clip_detections, camera, 1 / rate_hz
    )
    if without := sum(not clip for clip in clip_detections):
        warn(f"{without} clips were left out: they have no detections")
    return scenes.select_with_detections()


def _list_stored(folder: Path) -> dict[str, dict[str, Path]]:
    """List files by detector and clip. Raises UsageError where there are none."""
    found = {
        detector_folder.name: {
            path.name.removesuffix(SUFFIX): path for path in list_files(detector_folder, f"*{SUFFIX}")
        }
        for detector_folder in (list_folders(folder) if folder.is_dir() else [])
    }
    if not any(found.values()):
        raise UsageError(
            f"expected detections that `seldfuse run --post … -o out` stores in out/detections, found none: {folder}"
        )
    return found


def _detect(postprocessor: str, record: DetectionFile, rate_hz: float) -> ClipDetections:
    return record.memory.to_clip_detections(postprocessor, str(record.key["looks_with"]), record.rules, rate_hz)
