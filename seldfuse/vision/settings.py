"""How far detectors are trusted: `bayes` or `rules` with the numbers that ship fitted, or a TOML file.

A file may say::

    mode = "bayes"                    # or "rules"
    audio_azimuth_std_deg = { music = 14, default = 9 }   # how far off the azimuth of the audio is
    azimuth_outlier_rate = 0.1        # how often it is nowhere near

    [detectors.keypoint]              # a detector; `default` is any other
    recall = { clapping = 0.5, default = 0.8 }    # how often a source in the picture is detected
    distractors_per_frame = 0.7       # things per picture that could make the sound, and do not
    azimuth_std_deg = 1.5             # how far off the azimuth of a detection is

    [detectors."gdino@yolox"]         # a detector with one engine, the first word of the engine's id
    recall = 0.2

What each number does stands in docs/vision.md.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import ClassValues, Number, to_class_tensor
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError
from seldfuse.settings.aliases import VISION, rename_typed_keys
from seldfuse.settings.bounds import NOT_NEGATIVE, SHARE, STRICT, Bounds
from seldfuse.settings.known import check_known
from seldfuse.settings.toml import parse_table, read_settings

WORD = re.compile(r"[^\s:]*")

MODES = ("bayes", "rules")

FITTED = Path(__file__).with_name("fitted.toml")
"""Settings fitted for the bundled mvanet and sce; `python -m benchmarks post-fit` writes them."""

ClassShares = Annotated[ClassValues, SHARE]
ClassNumbers = Annotated[ClassValues, NOT_NEGATIVE]
Share = Annotated[Number, SHARE]
Quantity = Annotated[Number, NOT_NEGATIVE]


@dataclass(frozen=True)
class DetectorReliability:
    """How reliable one detector is; numbers may differ from class to class.

    `recall` is how often the thing is detected whose sound comes from inside of the picture, `distractors_per_frame`
    how many things per picture are detected that might make the sound and do not, `azimuth_std_deg` how far off the
    azimuth of a detected place is (standard deviation).
    """

    __pydantic_config__ = STRICT

    recall: ClassShares = 0.7
    distractors_per_frame: ClassNumbers = 0.7
    azimuth_std_deg: ClassNumbers = 2.0

    def resolve_for(self, labels: LabelSet) -> "ClassReliability":
        """Resolve to numbers of each class. Raises UsageError for unknown classes."""
        return ClassReliability(
            to_class_tensor(self.recall, labels, 0.0),
            to_class_tensor(self.distractors_per_frame, labels, 0.0),
            to_class_tensor(self.azimuth_std_deg, labels, 2.0),
        )


@dataclass(frozen=True)
class ClassReliability:
    """`DetectorReliability` as numbers of each class, on the CPU, where detections are."""

    recall: Float[Tensor, "cls"]
    distractors_per_frame: Float[Tensor, "cls"]
    azimuth_std_deg: Float[Tensor, "cls"]


@dataclass(frozen=True)
class ResolvedVision:
    """The values by class of `VisionSettings` as tensors: made once for the classes of a run, and used for each clip.

    `reliabilities` are those of `VisionSettings.detectors` and, under the empty name, of a detector that has none.
    """

    audio_azimuth_std_deg: Float[Tensor, "cls"]
    reliabilities: Mapping[str, ClassReliability]


@dataclass(frozen=True)
class VisionSettings:
    """How detections in the picture correct the posterior of the audio.

    Both modes: detectors get the pictures in which a class with a rule is more likely than `activity_threshold`;
    keypoints with a score above `keypoint_threshold` count.

    `bayes`: `audio_azimuth_std_deg` is how far off the azimuth of the audio is (standard deviation, beside the spread
    of the members), `azimuth_outlier_rate` how often it is nowhere near, `uninformative_rate` how often a picture has
    nothing to do with the sound. The log-odds of the backends' on-screen are scaled by `prior_weight` and shifted by
    `prior_bias`; evidence is averaged over `smoothing_s` before and after, and its logarithm scaled by
    `evidence_weight`, for a backend that estimates on-screen has used the picture already. Where none does,
    `onscreen_prior` is how often a source inside of the picture is on-screen, and evidence counts in full: under a view
    at random half of what seems to be in front is behind.

    `rules`: a detection within `tolerance_deg` of an event is its source; within `margin_deg` of the picture's edge
    nothing is decided.
    """

    __pydantic_config__ = STRICT

    mode: str = "bayes"
    activity_threshold: Share = 0.2
    keypoint_threshold: Share = 0.2
    audio_azimuth_std_deg: ClassNumbers = 10.0
    azimuth_outlier_rate: Share = 0.1
    uninformative_rate: Share = 0.1
    prior_weight: Quantity = 1.0
    prior_bias: Annotated[Number, Bounds("a number, -100 or more", ge=-100)] = 0.0
    evidence_weight: Quantity = 1.0
    onscreen_prior: Share = 0.5
    smoothing_s: Quantity = 1.0
    tolerance_deg: Quantity = 15.0
    margin_deg: Quantity = 5.0
    detectors: Mapping[str, DetectorReliability] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_known(self.mode, MODES, "vision mode")

    @classmethod
    def resolve(cls, text: "str | Path | Mapping[str, Any] | VisionSettings") -> "VisionSettings":
        """Resolve a mode's name, which stands for the fitted settings, a TOML file or what one holds.

        Raises UsageError.
        """
        if isinstance(text, VisionSettings):
            return text
        if isinstance(text, Mapping):
            return cls.from_table(text)
        if str(text) in MODES:
            return replace(cls.read(FITTED), mode=str(text))
        if not Path(text).is_file():
            raise UsageError(f"--vision expects {', '.join(MODES)}, or a TOML file, got {str(text)!r}")
        return cls.read(Path(text))

    @classmethod
    def read(cls, path: Path) -> "VisionSettings":
        """Read a TOML file. Raises UsageError where it cannot be read or has something unknown."""
        return read_settings(path, "a TOML file of vision settings", cls.from_table)

    @classmethod
    def from_table(cls, data: Mapping[str, Any]) -> "VisionSettings":
        """Make settings of what a TOML file holds.

        Raises UsageError for unknown keys and for what is no number, or out of bounds.
        """
        return parse_table(cls, rename_typed_keys(data, VISION), "vision setting")

    def to_json(self) -> dict[str, Any]:
        """Write what `from_table` reads."""
        return asdict(self)

    def get_reliability(self, detector: str, engine_id: str) -> DetectorReliability:
        """Get the reliability of a detector with its engine, else with any, else what stands for any detector."""
        return self.detectors.get(self.find_reliability_key(detector, engine_id), DetectorReliability())

    def find_reliability_key(self, detector: str, engine_id: str) -> str:
        """Find the name of the table that holds for a detector with its engine; empty where there is none."""
        name = detector.partition("@")[0]
        keys = (build_reliability_key(name, engine_id), name, "default")
        return next((key for key in keys if key in self.detectors), "")

    def resolve_for(self, labels: LabelSet, device: torch.device) -> ResolvedVision:
        """Resolve to numbers of each class, once for all clips that have the same classes and device.

        Raises UsageError for classes that are neither among `labels` nor the challenge's.
        """
        if (labels, device) not in self._resolved:
            self._resolved[labels, device] = ResolvedVision(
                to_class_tensor(self.audio_azimuth_std_deg, labels, 10.0).to(device),
                {"": DetectorReliability().resolve_for(labels)}
                | {name: one.resolve_for(labels) for name, one in self.detectors.items()},
            )
        return self._resolved[labels, device]

    @cached_property
    def _resolved(self) -> dict[tuple[LabelSet, torch.device], ResolvedVision]:
        return {}

    def add_defaults(self, reliability: Mapping[str, DetectorReliability]) -> "VisionSettings":
        """Add what detectors state of themselves, by their names, for those that the settings do not name."""
        return replace(self, detectors={**reliability, **self.detectors})

    def restrict_to(self, labels: LabelSet) -> "VisionSettings":
        """Restrict the numbers to these classes; those of others of the challenge's classes are left out.

        Raises UsageError for classes that are neither.
        """

        def cut(value: ClassValues) -> ClassValues:
            return _cut(value, labels) if isinstance(value, Mapping) else value

        detectors = {
            name: DetectorReliability(cut(one.recall), cut(one.distractors_per_frame), cut(one.azimuth_std_deg))
            for name, one in self.detectors.items()
        }
        return replace(self, audio_azimuth_std_deg=cut(self.audio_azimuth_std_deg), detectors=detectors)


def _cut(value: Mapping[str, Number], labels: LabelSet) -> dict[str, Number]:
    for name in value:
        if name not in ("default", *labels.names):
            DCASE2025.index(name)
    return {name: number for name, number in value.items() if name in ("default", *labels.names)}


def name_with_engine(detector: str, engine_id: str) -> str:
    """Name a detector together with its engine, as in `gdino@yolox`, however it was asked for."""
    return detector if "@" in detector else build_reliability_key(detector, engine_id)


def build_reliability_key(detector: str, engine_id: str) -> str:
    """Build the name of a table: the detector's, and the first word of its engine's id, as in `gdino@yolox`."""
    return f"{detector.partition('@')[0]}@{WORD.match(engine_id)[0]}"  # type: ignore[index]
