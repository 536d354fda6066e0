"""How far eyes are believed: `bayes` or `rules` with the numbers that ship fitted, or a TOML file.

A file may say::

    mode = "bayes"                    # or "rules"
    audio_azimuth_std_deg = { music = 14, default = 9 }   # how far off the heard azimuth is
    azimuth_outlier_rate = 0.1        # how often it is nowhere near

    [detectors.keypoint]              # a post-processor; `default` is any other
    recall = { clapping = 0.5, default = 0.8 }    # how often what sounds in the picture is seen
    distractors_per_frame = 0.7       # things per picture that could sound, and do not
    azimuth_std_deg = 1.5             # how far off a place seen is

    [detectors."gdino@yolox"]            # a post-processor with one engine, the first word of what it says it looks
    with recall = 0.2

What each number does stands in docs/vision.md.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from seldfuse.core.class_values import ClassValues, Number, check_keys, check_known, check_number, check_numbers
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError
from seldfuse.settings.aliases import VISION, rename_typed_keys

WORD = re.compile(r"[^\s:]*")

MODES = ("bayes", "rules")

FITTED = Path(__file__).with_name("fitted.toml")
"""Settings fitted for the bundled mvanet and sce; `python -m benchmarks post-fit` writes them."""

SHARES = (
    "activity_threshold",
    "keypoint_threshold",
    "azimuth_outlier_rate",
    "uninformative_rate",
    "onscreen_prior",
    "recall",
)
"""Settings that are probabilities."""


@dataclass(frozen=True)
class DetectorReliability:
    """What one post-processor is worth; numbers may differ from class to class.

    `recall` is how often the thing is found whose sound comes from inside of the picture, `distractors_per_frame` how
    many things per picture are found that might make the sound and do not, `compute_azimuth_std_deg` how far off the
    azimuth of a found place is (standard deviation).
    """

    recall: ClassValues = 0.7
    distractors_per_frame: ClassValues = 0.7
    azimuth_std_deg: ClassValues = 2.0

    @classmethod
    def from_table(cls, table: Any, what: str) -> "DetectorReliability":
        if not isinstance(table, Mapping):
            raise UsageError(f"{what} must be a table, got {table!r}")
        check_keys(table, [entry.name for entry in fields(cls)], f"setting of {what}")
        for name, value in table.items():
            check_numbers(value, f"{what}.{name}")
            _check_share(name, value, f"{what}.{name}")
        return cls(**table)


@dataclass(frozen=True)
class VisionSettings:
    """How what was seen corrects what was heard.

    Both modes: pictures are looked at where a class with a rule is more likely than `activity_threshold`; keypoints
    with a score above `keypoint_threshold` count.

    `bayes`: `audio_azimuth_std_deg` is how far off the heard azimuth is (standard deviation, beside the spread of the
    members), `azimuth_outlier_rate` how often it is nowhere near, `uninformative_rate` how often a picture tells
    nothing of what is heard. The log-odds of what was called on-screen are scaled by `prior_weight` and shifted by
    `prior_bias`; evidence is averaged over `smoothing_s` before and after, and its logarithm scaled by
    `evidence_weight`, for who calls something on-screen has looked already. Where nobody does, `onscreen_prior` is how
    often what is heard inside of the picture is on-screen, and evidence counts in full: under a view at random half of
    what is heard in front is behind.

    `rules`: what is seen within `tolerance_deg` of where something is heard is its source; `margin_deg` from the
    picture's edge nothing is told.
    """

    mode: str = "bayes"
    activity_threshold: Number = 0.2
    keypoint_threshold: Number = 0.2
    audio_azimuth_std_deg: ClassValues = 10.0
    azimuth_outlier_rate: Number = 0.1
    uninformative_rate: Number = 0.1
    prior_weight: Number = 1.0
    prior_bias: Number = 0.0
    evidence_weight: Number = 1.0
    onscreen_prior: Number = 0.5
    smoothing_s: Number = 1.0
    tolerance_deg: Number = 15.0
    margin_deg: Number = 5.0
    detectors: Mapping[str, DetectorReliability] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_known(self.mode, MODES, "mode of seeing")

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
        """Raises UsageError where the file cannot be read or says something unknown."""
        try:
            return cls.from_table(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise UsageError(f"expected a TOML file that can be read ({error.strerror}): {path}") from error
        except ValueError as error:
            raise UsageError(f"settings of seeing are no TOML ({error}): {path}") from error
        except UsageError as error:
            raise UsageError(f"{error}: {path}") from error

    @classmethod
    def from_table(cls, data: Mapping[str, Any]) -> "VisionSettings":
        """Settings from what a TOML file holds.

        Raises UsageError for unknown keys and for what is no number, or none that can be.
        """
        data = rename_typed_keys(data, VISION)
        check_keys(data, [entry.name for entry in fields(cls)], "vision setting")
        for name, value in data.items():
            if name == "audio_azimuth_std_deg":
                check_numbers(value, name)
            elif name not in ("mode", "detectors"):
                check_number(value, name, -100 if name == "prior_bias" else 0)
                _check_share(name, value, name)
        detectors = data.get("detectors", {})
        if not isinstance(detectors, Mapping):
            raise UsageError(f"detectors must be a table, got {detectors!r}")
        found = {name: DetectorReliability.from_table(table, f"detectors.{name}") for name, table in detectors.items()}
        return cls(**{**data, "detectors": found})

    def to_json(self) -> dict[str, Any]:
        """What `from_table` reads."""
        return asdict(self)

    def get_reliability(self, postprocessor: str, looks_with: str) -> DetectorReliability:
        """What a post-processor is worth with what it looks with, else with anything, else what stands for any."""
        name = postprocessor.partition("@")[0]
        known = (key for key in (build_reliability_key(name, looks_with), name, "default") if key in self.detectors)
        return self.detectors.get(next(known, ""), DetectorReliability())

    def restrict_to(self, labels: LabelSet) -> "VisionSettings":
        """The numbers of these classes; what the file says of others of the challenge's is left out.

        Raises UsageError for classes that nobody knows.
        """

        def cut(value: ClassValues) -> ClassValues:
            return _cut(value, labels) if isinstance(value, Mapping) else value

        sight = {
            name: DetectorReliability(cut(one.recall), cut(one.distractors_per_frame), cut(one.azimuth_std_deg))
            for name, one in self.detectors.items()
        }
        return replace(self, audio_azimuth_std_deg=cut(self.audio_azimuth_std_deg), detectors=sight)


def _cut(value: Mapping[str, Number], labels: LabelSet) -> dict[str, Number]:
    for name in value:
        if name not in ("default", *labels.names):
            DCASE2025.index(name)
    return {name: number for name, number in value.items() if name in ("default", *labels.names)}


def build_reliability_key(postprocessor: str, looks_with: str) -> str:
    """The name of a table: the post-processor's, and the first word of what it looks with, as in `gdino@yolox`."""
    return f"{postprocessor.partition('@')[0]}@{WORD.match(looks_with)[0]}"  # type: ignore[index]


def _check_share(name: str, value: Any, what: str) -> None:
    if name not in SHARES:
        return
    for number in value.values() if isinstance(value, Mapping) else [value]:
        if number > 1:
            raise UsageError(f"{what} must be a share from 0 to 1, got {number!r}")
