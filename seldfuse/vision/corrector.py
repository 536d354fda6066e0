"""The visual correction of a clip: which detector gets which pictures, what is stored, and the corrected posterior."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from jaxtyping import Int64

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.models import DetectorModel
from seldfuse.core.clip import Clip, Frame
from seldfuse.core.detections import Detections
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import build_empty_changes
from seldfuse.core.rules import Rules
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
"""Pictures that are in memory at a time, and that a detector gets at once, at most."""

NO_PICTURE = "no picture: the result from sound was not corrected"


@dataclass(frozen=True)
class VisualCorrector:
    """Loaded detectors by instance name, in the order in which they run, and the settings of the correction.

    They get `rate_hz` pictures a second, at times at which a class with a rule sounds. Detections are stored in
    `folder`, where there is one. `fail_fast` raises what is a note otherwise.
    """

    detectors: Mapping[str, DetectorModel]
    settings: VisionSettings = field(default_factory=VisionSettings)
    rate_hz: float = 2.0
    folder: Path | None = None
    fail_fast: bool = False
    adapted: dict[LabelSet, Mapping[str, tuple[DetectorModel, Rules]]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Detectors and rules for the label sets that were met; a field, so that copies need not load them again."""

    def to_json(self) -> dict[str, Any]:
        """Describe all that the correction depends on but the clip, as JSON values; keys are those that manifests have
        on disk."""
        detectors = {
            name: {
                "looks_with": one.engine_id,
                "rules": restore_old_keys({cls: asdict(rule) for cls, rule in one.rules.by_class.items()}, RULES),
            }
            for name, one in self.detectors.items()
        }
        return {
            "postprocessors": detectors,
            "settings": restore_old_keys(self.settings.to_json(), VISION),
            "rate_hz": self.rate_hz,
        }

    def correct(self, clip: Clip, content: str | None, posterior: Posterior, stats: RunStats) -> "CorrectedClip":
        """Correct a posterior by the clip's pictures; `content` is a digest of its video, for stored detections.

        The provenance of what was corrected names the mode and, by instance name, the `engine_id` of each detector that
        got pictures. Raises CheckpointError where a detector lacks weights or recordings, and UsageError where
        detections cannot be stored. What else goes wrong is a note, unless `fail_fast` wants it raised: the clip goes
        on without correction.
        """
        found, notes = self.detect(clip, content, posterior, stats)
        if not found:
            return CorrectedClip(Refinement(posterior, build_empty_changes()), tuple(notes))
        with stats.measure("vision"):
            refined = refine_posterior(posterior, found, clip.camera, 1 / self.rate_hz, self.settings)
        if refined.posterior is posterior:
            return CorrectedClip(refined, tuple(notes))
        vision = {"mode": self.settings.mode, "detectors": {one.name: one.engine_id for one in found}}
        corrected = replace(refined.posterior, provenance={**posterior.provenance, "vision": vision})
        return CorrectedClip(replace(refined, posterior=corrected), tuple(notes))

    def detect(
        self, clip: Clip, content: str | None, posterior: Posterior, stats: RunStats
    ) -> tuple[list[ClipDetections], list[str]]:
        """Run each detector where a class with a rule sounds, and note what went wrong. Raises as `correct` does."""
        if clip.video is None:
            return [], [NO_PICTURE]
        passes = self._start_passes(clip, content, posterior)
        notes: list[str] = []
        try:
            for frames in _batches(self._decode_key_frames(clip, passes, stats)):
                self._detect_batch(clip, frames, passes, notes, stats)
        except MediaError as error:
            if self.fail_fast:
                raise
            notes.append(f"the picture could not be read, and corrected nothing ({error})")
        for one_pass in passes:
            if one_pass.path is not None and one_pass.fresh:
                save_detections(one_pass.path, DetectionFile(one_pass.memory, one_pass.key, one_pass.rules))
            if one_pass.improper:
                notes.append(
                    f"{one_pass.name} gave {one_pass.improper} detections without a place, a score or a time in the "
                    "picture; they were passed over"
                )
        found = (one_pass.finish(self.rate_hz) for one_pass in passes)
        return [one for one in found if one is not None], notes

    def _start_passes(self, clip: Clip, content: str | None, posterior: Posterior) -> list["_DetectorPass"]:
        passes: list[_DetectorPass] = []
        for name, (detector, rules) in self._adapt_to(posterior.labels).items():
            # What one detects may depend on what those before it detected.
            before = [one_pass.detector.engine_id for one_pass in passes]
            key = {"content": content, "looks_with": detector.engine_id, "after": before, "rate_hz": self.rate_hz}
            lasting = content is not None and detector.cacheable
            path = build_path(self.folder, name, clip.name) if self.folder is not None and lasting else None
            wanted = select_key_frames(posterior, rules, self.rate_hz, float(self.settings.activity_threshold))
            memory = NOTHING if path is None else load_if_same(path, key)
            passes.append(_DetectorPass(name, detector, rules, set(wanted.tolist()), memory, path, key))
        return passes

    def _adapt_to(self, labels: LabelSet) -> Mapping[str, tuple[DetectorModel, Rules]]:
        """The detectors and their rules for the classes of a label set, made once for all clips."""
        if labels not in self.adapted:
            self.adapted[labels] = {name: adapt_detector(one, labels) for name, one in self.detectors.items()}
        return self.adapted[labels]

    def _decode_key_frames(self, clip: Clip, passes: Sequence["_DetectorPass"], stats: RunStats) -> Iterator[Frame]:
        """Decode the key frames that some detector lacks, each once."""
        missing = np.array(sorted(set().union(*(one_pass.missing for one_pass in passes))), dtype=np.int64)
        assert clip.video is not None
        for stretch in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1):
            if not len(stretch):
                return
            end_s = (int(stretch[-1]) + 0.5) / self.rate_hz
            frames = clip.video.frames(self.rate_hz, int(stretch[0]) / self.rate_hz, end_s)
            for number in stretch.tolist():
                with stats.measure("pictures"):
                    frame = next(frames, None)
                if frame is None:
                    break
                yield Frame(number / self.rate_hz, frame.rgb)

    def _detect_batch(
        self, clip: Clip, frames: Sequence[Frame], passes: Sequence["_DetectorPass"], notes: list[str], stats: RunStats
    ) -> None:
        """Have each detector detect in the frames that it lacks, given what those before it detected."""
        numbers = [round(frame.time_s * self.rate_hz) for frame in frames]
        before: list[Detections] = []
        for one_pass in passes:
            asked = [frame for frame, number in zip(frames, numbers, strict=True) if number in one_pass.missing]
            if asked and not one_pass.failed:
                earlier = Detections.concat([_select_at(found, asked) for found in before]) if before else None
                try:
                    with stats.measure(one_pass.name):
                        one_pass.detect(clip, asked, earlier, self.rate_hz, watched=len(passes) > 1)
                    stats.frames_detected[one_pass.name] = stats.frames_detected.get(one_pass.name, 0) + len(asked)
                except CheckpointError:
                    raise
                except SeldfuseError as error:
                    if self.fail_fast:
                        raise
                    one_pass.failed = True
                    notes.append(f"{error}; the rest of the clip went on without it")
            before.append(one_pass.memory.detections)


@dataclass(frozen=True)
class CorrectedClip:
    """The correction, and notes on how it came about."""

    refinement: Refinement
    notes: tuple[str, ...]


@dataclass
class _DetectorPass:
    """One detector on its way through a clip: the key frames that it is to get, and what it detected."""

    name: str
    detector: DetectorModel
    rules: Rules
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

    def detect(
        self, clip: Clip, frames: Sequence[Frame], earlier: Detections | None, rate_hz: float, watched: bool
    ) -> None:
        """Detect in some frames; where `watched`, for others come after it, they must stay as they are.

        Raises PluginError where the detector fails or gives something else, and its own.
        """
        before = [_hash_picture(frame) for frame in frames] if watched else []
        with guard_plugin(f"the detector {self.name} failed", "leave it out of --post"):
            found = self.detector.detect(clip, frames, earlier)
        if watched and before != [_hash_picture(frame) for frame in frames]:
            raise PluginError(f"the detector {self.name} wrote into pictures, which others share")
        if not isinstance(found, Detections):
            raise PluginError(f"the detector {self.name} must give Detections, gave {type(found).__name__}")
        try:
            good, improper = drop_invalid(found, frames)
        except (ValueError, TypeError, KeyError) as error:
            raise PluginError(f"the detector {self.name} gave a table that cannot be read ({error})") from error
        looked = self.memory.looked | {round(frame.time_s * rate_hz) for frame in frames}
        height_px, width_px = frames[0].rgb.shape[:2]
        self.memory = CachedDetections(Detections.concat([self.memory.detections, good]), looked, (width_px, height_px))
        self.improper += improper
        self.fresh = True

    def finish(self, rate_hz: float) -> ClipDetections | None:
        """Give what the correction takes; None where no wanted frame was there."""
        # What an earlier run detected beyond that would make a result depend on its history.
        memory = self.memory.select_frames(self.wanted, rate_hz)
        if not memory.looked:
            return None
        return memory.to_clip_detections(self.name, self.detector.engine_id, self.rules, rate_hz)


def adapt_detector(detector: DetectorModel, labels: LabelSet) -> tuple[DetectorModel, Rules]:
    """Adapt a detector to the classes of a label set: what it is asked for, where it can be asked, and its rules.

    A detector that can be asked has `ask_for(rules)`, which gives one that detects what these rules name. Raises
    UsageError where prompts contradict each other, and PluginError where it fails.
    """
    ask = getattr(detector, "ask_for", None)
    rules = detector.rules.adapt_to(labels, asks=ask is not None)
    if ask is None or all(detector.rules.by_class.get(name) == rule for name, rule in rules.by_class.items()):
        return detector, rules
    with guard_plugin("the detector cannot be asked for what the label set states", "leave it out of --post"):
        return ask(rules), rules


def select_key_frames(
    posterior: Posterior, rules: Rules, rate_hz: float, activity_threshold: float
) -> Int64[np.ndarray, "key"]:
    """Select the numbers of the key frames, `rate_hz` a second, that a detector is to get.

    Each stands for the time until the next; selected are those in whose time a class that has a rule is more likely
    than `activity_threshold`.
    """
    ruled = [cls for cls, name in enumerate(posterior.labels.names) if name in rules.by_class]
    loud = (posterior.activity[0][:, ruled] > activity_threshold).flatten(1).any(1).cpu().numpy()
    return np.unique(np.floor(compute_frame_times_s(posterior)[loud] * rate_hz).astype(np.int64))


def _hash_picture(frame: Frame) -> int:
    return crc32(np.ascontiguousarray(frame.rgb).data)


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    while batch := list(islice(frames, BATCH_FRAMES)):
        yield batch


def _select_at(found: Detections, frames: Sequence[Frame]) -> Detections:
    times_s = np.array([frame.time_s for frame in frames])
    return found.select((np.abs(found.table["time_s"].to_numpy()[:, None] - times_s) < 1e-3).any(axis=1))
