"""From a clip and what was heard in it to what is to be seen: who looks, at which pictures, and what is kept of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from seldfuse.catalogue.models import DetectorModel
from seldfuse.core.clip import Clip, Frame
from seldfuse.core.detections import Detections
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import build_empty_changes
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import CheckpointError, MediaError, PluginError, SeldfuseError
from seldfuse.settings.aliases import RULES, VISION, restore_old_keys
from seldfuse.vision.detection_store import (
    NOTHING,
    CachedDetections,
    DetectionFile,
    build_path,
    load_if_same,
    save_detections,
)
from seldfuse.vision.refine import (
    ClipDetections,
    Refinement,
    compute_frame_times_s,
    refine_posterior,
)
from seldfuse.vision.settings import VisionSettings
from seldfuse.vision.validate import drop_invalid

BATCH_FRAMES = 16
"""Pictures that are in memory at a time, and that a post-processor gets at once, at most."""

BLIND = "no picture: what was heard was not corrected by what is to be seen"


@dataclass(frozen=True)
class VisualCorrector:
    """Loaded post-processors by instance name, in the order in which they look, and how they are believed.

    They look at `rate_hz` pictures a second, where there is something to look for. Detections are kept in `folder`,
    where there is one. `fail_fast` raises what is a note otherwise.
    """

    detectors: Mapping[str, DetectorModel]
    settings: VisionSettings = field(default_factory=VisionSettings)
    rate_hz: float = 2.0
    folder: Path | None = None
    fail_fast: bool = False

    def to_json(self) -> dict[str, Any]:
        """All that the correction depends on but the clip, as JSON values; keys are those that manifests have on
        disk."""
        lookers = {
            name: {
                "looks_with": one.engine_id,
                "rules": restore_old_keys({cls: asdict(rule) for cls, rule in one.rules.by_class.items()}, RULES),
            }
            for name, one in self.detectors.items()
        }
        return {
            "postprocessors": lookers,
            "settings": restore_old_keys(self.settings.to_json(), VISION),
            "rate_hz": self.rate_hz,
        }

    def correct(self, clip: Clip, content: str | None, posterior: Posterior, watch: RunStats) -> "CorrectedClip":
        """The posterior with what is to be seen in the clip; `content` is a digest of its video, for what is kept.

        Raises CheckpointError where a post-processor has nothing to look with, and UsageError where detections cannot
        be kept. What else goes wrong is a note, unless `fail_fast` wants it raised: the clip goes on as it was heard.
        """
        looks, notes = self.detect(clip, content, posterior, watch)
        with watch.measure("vision"):
            refined = (
                refine_posterior(posterior, looks, clip.camera, 1 / self.rate_hz, self.settings) if looks else None
            )
        return CorrectedClip(refined or Refinement(posterior, build_empty_changes()), tuple(notes))

    def detect(
        self, clip: Clip, content: str | None, posterior: Posterior, watch: RunStats
    ) -> tuple[list[ClipDetections], list[str]]:
        """What each post-processor sees where something is heard, and what went wrong. Raises as `correct` does."""
        if clip.video is None:
            return [], [BLIND]
        gazes = self._start_passes(clip, content, posterior)
        notes: list[str] = []
        try:
            for frames in _batches(self._pictures(clip, gazes, watch)):
                self._ask(clip, frames, gazes, notes, watch)
        except MediaError as error:
            if self.fail_fast:
                raise
            notes.append(f"the picture could not be read, and corrected nothing ({error})")
        for gaze in gazes:
            if gaze.path is not None and gaze.fresh:
                save_detections(gaze.path, DetectionFile(gaze.memory, gaze.key, gaze.postprocessor.rules))
            if gaze.improper:
                notes.append(
                    f"{gaze.name} gave {gaze.improper} detections without a place, a score or a time in the picture; "
                    "they were passed over"
                )
        return [look for gaze in gazes if (look := gaze.look(self.rate_hz)) is not None], notes

    def _start_passes(self, clip: Clip, content: str | None, posterior: Posterior) -> list["_DetectorPass"]:
        gazes: list[_DetectorPass] = []
        for name, postprocessor in self.detectors.items():
            # What one sees may depend on what those before it saw.
            before = [gaze.postprocessor.engine_id for gaze in gazes]
            key = {"content": content, "looks_with": postprocessor.engine_id, "after": before, "rate_hz": self.rate_hz}
            lasting = content is not None and postprocessor.cacheable
            path = build_path(self.folder, name, clip.name) if self.folder is not None and lasting else None
            wanted = select_key_frames(posterior, postprocessor, self.rate_hz, float(self.settings.activity_threshold))
            memory = NOTHING if path is None else load_if_same(path, key)
            gazes.append(_DetectorPass(name, postprocessor, set(wanted.tolist()), memory, path, key))
        return gazes

    def _pictures(self, clip: Clip, gazes: Sequence["_DetectorPass"], watch: RunStats) -> Iterator[Frame]:
        """The key frames that somebody misses, each decoded once."""
        missing = np.array(sorted(set().union(*(gaze.missing for gaze in gazes))), dtype=np.int64)
        assert clip.video is not None
        for stretch in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1):
            if not len(stretch):
                return
            end_s = (int(stretch[-1]) + 0.5) / self.rate_hz
            frames = clip.video.frames(self.rate_hz, int(stretch[0]) / self.rate_hz, end_s)
            for number in stretch.tolist():
                with watch.measure("pictures"):
                    frame = next(frames, None)
                if frame is None:
                    break
                yield Frame(number / self.rate_hz, frame.rgb)

    def _ask(
        self, clip: Clip, frames: Sequence[Frame], gazes: Sequence["_DetectorPass"], notes: list[str], watch: RunStats
    ) -> None:
        """What each post-processor sees in the frames that it misses, told what those before it saw."""
        numbers = [round(frame.time_s * self.rate_hz) for frame in frames]
        before: list[Detections] = []
        for gaze in gazes:
            asked = [frame for frame, number in zip(frames, numbers, strict=True) if number in gaze.missing]
            if asked and not gaze.failed:
                seen = Detections.concat([_select_at(found, asked) for found in before]) if before else None
                try:
                    with watch.measure(gaze.name):
                        gaze.detect(clip, asked, seen, self.rate_hz)
                    watch.frames_detected[gaze.name] = watch.frames_detected.get(gaze.name, 0) + len(asked)
                except CheckpointError:
                    raise
                except SeldfuseError as error:
                    if self.fail_fast:
                        raise
                    gaze.failed = True
                    notes.append(f"{error}; the rest of the clip went on without it")
            before.append(gaze.memory.detections)


@dataclass(frozen=True)
class CorrectedClip:
    """The correction, and what there is to say of how it came about."""

    refinement: Refinement
    notes: tuple[str, ...]


@dataclass
class _DetectorPass:
    """One post-processor on its way through a clip: the key frames that it is wanted to look at, and what it saw."""

    name: str
    postprocessor: DetectorModel
    wanted: set[int]
    memory: CachedDetections
    path: Path | None
    key: dict[str, Any]
    fresh: bool = False
    failed: bool = False
    improper: int = 0

    @property
    def missing(self) -> set[int]:
        return self.wanted - self.memory.looked

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None, rate_hz: float) -> None:
        """Raises PluginError where the post-processor fails or gives something else, and what it raises itself."""
        try:
            found = self.postprocessor.detect(clip, frames, seen)
        except SeldfuseError:
            raise
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise PluginError(f"the post-processor {self.name} failed ({cause})") from error
        if not isinstance(found, Detections):
            raise PluginError(f"the post-processor {self.name} must give Detections, gave {type(found).__name__}")
        good, improper = drop_invalid(found, frames)
        looked = self.memory.looked | {round(frame.time_s * rate_hz) for frame in frames}
        height_px, width_px = frames[0].rgb.shape[:2]
        self.memory = CachedDetections(Detections.concat([self.memory.detections, good]), looked, (width_px, height_px))
        self.improper += improper
        self.fresh = True

    def look(self, rate_hz: float) -> ClipDetections | None:
        """What the correction takes of it; None where it did not look at anything wanted."""
        # What an earlier run looked at beyond that would make a result depend on its history.
        memory = self.memory.select_frames(self.wanted, rate_hz)
        if not memory.looked:
            return None
        return memory.to_clip_detections(self.name, self.postprocessor.engine_id, self.postprocessor.rules, rate_hz)


def select_key_frames(
    posterior: Posterior, postprocessor: DetectorModel, rate_hz: float, look_above: float
) -> Int64[np.ndarray, "key"]:
    """The numbers of the key frames, `rate_hz` a second, that are worth a look.

    Each stands for the time until the next; wanted are those in whose time a class that has a rule is more likely than
    `look_above`.
    """
    ruled = [cls for cls, name in enumerate(posterior.labels.names) if name in postprocessor.rules.by_class]
    loud = (posterior.activity[0][:, ruled] > look_above).flatten(1).any(1).cpu().numpy()
    return np.unique(np.floor(compute_frame_times_s(posterior)[loud] * rate_hz).astype(np.int64))


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    while batch := list(islice(frames, BATCH_FRAMES)):
        yield batch


def _select_at(found: Detections, frames: Sequence[Frame]) -> Detections:
    times_s = np.array([frame.time_s for frame in frames])
    return found.select((np.abs(found.table["time_s"].to_numpy()[:, None] - times_s) < 1e-3).any(axis=1))
