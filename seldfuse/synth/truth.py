"""What a scene's labels say: which source is active in which frame, from where, and whether in the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.events import Events
from seldfuse.core.geometry import Camera, fold_azimuth
from seldfuse.core.grid import FRAME_S, SAMPLES_PER_FRAME, TRACKS
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.sounds.soundbank import ACTIVE_RANGE_DB

_CLOSED_FRAMES = 2
"""People who label do not mark pauses as short as this."""


@dataclass(frozen=True)
class SceneTruth:
    """The sources of all scenes of a batch, one after the other.

    `scene` and `cls` say whose row is whose. `azimuth_deg` is where the source is, rear included; labels fold it.
    """

    labels: LabelSet
    scenes: int
    scene: Int[np.ndarray, "source"]
    cls: Int[np.ndarray, "source"]
    active: Bool[np.ndarray, "source frame"]
    azimuth_deg: Float[np.ndarray, "source frame"]
    elevation_deg: Float[np.ndarray, "source frame"]
    distance_m: Float[np.ndarray, "source frame"]

    @property
    def onscreen(self) -> Bool[np.ndarray, "source frame"]:
        """Test whether a direction lies in the challenge's picture, by the pinhole law."""
        return np.asarray(Camera().contains(self.azimuth_deg, self.elevation_deg), dtype=bool)

    def to_posterior(self) -> Posterior:
        """Convert to a posterior: activity 0 or 1 on three tracks, filled from the first; direction folded to the
        front.
        """
        lane = _lanes(self.scene, self.cls)
        stored = lane < TRACKS
        frames = self.active.shape[1]
        shape = (self.scenes, frames, len(self.labels), TRACKS)
        fields = [self.active, fold_azimuth(self.azimuth_deg), self.distance_m, self.onscreen]
        filled = [np.zeros(shape, dtype=np.float32) for _ in fields]
        for values, tensor in zip(fields, filled, strict=True):
            tensor[self.scene[stored], :, self.cls[stored], lane[stored]] = values[stored]
        order = np.argsort(-filled[0], axis=-1, kind="stable")
        activity, azimuth_deg, distance, onscreen = (
            torch.from_numpy(np.take_along_axis(tensor, order, axis=-1)) for tensor in filled
        )
        return Posterior(activity, direction_from_azimuth(azimuth_deg), distance, onscreen, labels=self.labels)

    def to_events(self) -> list[Events]:
        """Convert scene by scene to what a label file holds; a source's number is its place in the scene's plan."""
        source, frame = np.nonzero(self.active)
        first = np.searchsorted(self.scene, np.arange(self.scenes))
        cell = (source, frame)
        table = pd.DataFrame(
            {
                "frame": frame,
                "cls": self.cls[source],
                "source": source - first[self.scene[source]],
                "azimuth_deg": fold_azimuth(self.azimuth_deg[cell]),
                "distance_m": self.distance_m[cell],
                "onscreen": self.onscreen[cell].astype(float),
            }
        )
        table = table.sort_values(["frame", "cls", "source"], kind="stable")
        whose = self.scene[source][table.index]
        return [
            Events(table[whose == scene].reset_index(drop=True), self.labels, FRAME_S) for scene in range(self.scenes)
        ]


def compute_truth(scenes: Sequence[ScenePlan], labels: LabelSet, dry: Float[Tensor, "source sample"]) -> SceneTruth:
    """Compute the truth of scenes whose sources, one after the other, sound as `dry` says. Places are those
    mid-frame."""
    sources = [(number, source) for number, scene in enumerate(scenes) for source in scene.sources]
    frames = scenes[0].frames
    middle_s = (np.arange(frames) + 0.5) * FRAME_S
    place_m = np.array([source.path.compute_position(middle_s) for _, source in sources]).reshape(-1, frames, 3)
    distance_m = np.linalg.norm(place_m, axis=-1)
    return SceneTruth(
        labels,
        len(scenes),
        np.array([number for number, _ in sources], dtype=np.int64),
        np.array([source.cls for _, source in sources], dtype=np.int64),
        _active(dry).cpu().numpy(),
        np.degrees(np.arctan2(place_m[..., 1], place_m[..., 0])),
        np.degrees(np.arcsin(place_m[..., 2] / distance_m)),
        distance_m,
    )


def _active(dry: Float[Tensor, "source sample"]) -> Bool[Tensor, "source frame"]:
    """Frames within 35 dB of the source's loudest one, short pauses closed."""
    power = dry.reshape(len(dry), dry.shape[1] // SAMPLES_PER_FRAME, SAMPLES_PER_FRAME).square().mean(dim=-1)
    loud = power > power.amax(dim=1, keepdim=True) * 10 ** (-ACTIVE_RANGE_DB / 10)
    wide = F.pad(loud.float(), (_CLOSED_FRAMES, _CLOSED_FRAMES)).unsqueeze(1)
    grown = F.max_pool1d(wide, _CLOSED_FRAMES + 1, stride=1)
    return -F.max_pool1d(-grown, _CLOSED_FRAMES + 1, stride=1).squeeze(1) > 0.5


def _lanes(scene: Int[np.ndarray, "source"], cls: Int[np.ndarray, "source"]) -> Int[np.ndarray, "source"]:
    """How many sources of the same scene and class come before each."""
    same = (scene[:, None] == scene) & (cls[:, None] == cls)
    return np.asarray(np.tril(same, -1).sum(axis=1))
