"""How members are weighed and what counts as a sound: a preset, or a TOML file.

A file may say::

    preset = "mean"              # or "nercslip"
    combine = "arithmetic"       # how activities are averaged; or "log-odds", "geometric"
    unify_angle_deg = 15

    [weights.doa]                # a member, by the name under which it runs
    direction = 2.0
    activity = { female_speech = 1.5, default = 1.0 }

    [calibration.doa]            # the log-odds of its activity are divided by the temperature; the bias is added
    temperature = 1.8
    bias = { knock = -0.4, default = 0.1 }

    [decode]                     # fields of DecodeSettings; a number, or a table by class
    threshold = { knock = 0.4, default = 0.5 }
    max_gap_frames = 2

    [smooth.activity]            # along time: see `seldfuse.fusion.smooth`
    start = 0.01

    [uncertainty.azimuth]           # what the result is worth: see `seldfuse.fusion.uncertainty`
    constant = 2.6
"""

import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import (
    ClassValues,
    Number,
    check_keys,
    check_known,
    check_number,
    check_numbers,
    to_class_tensor,
)
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.decode import DecodeSettings
from seldfuse.fusion.smooth import SmoothSettings
from seldfuse.fusion.uncertainty import UncertaintySettings
from seldfuse.settings.aliases import FUSION, rename_typed_keys

PRESETS = ("mean", "nercslip")

TUNED = Path(__file__).parent / "tuned.toml"
"""Settings fitted for the bundled doa, sde and sce; `python -m benchmarks tuning` writes them."""

COOLEST = 0.01
"""A temperature below this would make certainties of doubts."""

WEIGHED = ("activity", "direction", "distance", "onscreen")


@dataclass(frozen=True)
class FusionSettings:
    """Weights by member and field (numbers, or numbers by class), over those of the preset; and every other stage.

    Preset `mean`: all providers of a field count alike. Preset `nercslip` (after the ensemble of NERC-SLIP, DCASE 2025
    Task 3): activity and on-screen as `mean`; direction and distance from the specialists alone, which are the
    providers that have the fewest fields.

    Raises UsageError for an unknown preset or an unknown way to combine.
    """

    preset: str = "mean"
    combine: str = "arithmetic"
    weights: Mapping[str, Mapping[str, ClassValues]] = field(default_factory=dict)
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    unify_angle_deg: Number = 15.0
    smooth: SmoothSettings = field(default_factory=SmoothSettings)
    uncertainty: UncertaintySettings = field(default_factory=UncertaintySettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)

    def __post_init__(self) -> None:
        check_known(self.preset, PRESETS, "fusion preset")
        check_known(self.combine, COMBINERS, "way to combine")

    @classmethod
    def resolve(cls, fusion: "str | Path | Mapping[str, Any] | FusionSettings") -> "FusionSettings":
        """Resolve a preset's name, `tuned` for the fitted settings that ship, a TOML file or what one holds.

        Raises UsageError.
        """
        if isinstance(fusion, FusionSettings):
            return fusion
        if isinstance(fusion, Mapping):
            return cls.from_table(fusion)
        if str(fusion) in PRESETS:
            return cls(preset=str(fusion))
        if str(fusion) == TUNED.stem:
            return cls.read(TUNED)
        if not Path(fusion).is_file():
            known = ", ".join([*PRESETS, TUNED.stem])
            raise UsageError(f"--fusion expects {known}, or a TOML file, got {str(fusion)!r}")
        return cls.read(Path(fusion))

    @classmethod
    def read(cls, path: Path) -> "FusionSettings":
        """Reads a TOML file. Raises UsageError where it cannot be read or says something unknown."""
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            presets = ", ".join(PRESETS)
            raise UsageError(
                f"expected a preset ({presets}) or a TOML file that can be read ({error.strerror}): {path}"
            ) from error
        except ValueError as error:
            raise UsageError(f"fusion settings are no TOML ({error}): {path}") from error
        try:
            return cls.from_table(data)
        except UsageError as error:
            raise UsageError(f"{error}: {path}") from error

    @classmethod
    def from_table(cls, data: Mapping[str, Any]) -> "FusionSettings":
        """Settings from what a TOML file holds.

        Raises UsageError for unknown keys and for what is no number (or table of numbers) of at least 0.
        """
        data = rename_typed_keys(data, FUSION)
        check_keys(data, [entry.name for entry in fields(cls)], "fusion setting")
        check_known(str(data.get("preset", "mean")), PRESETS, "fusion preset")
        check_known(str(data.get("combine", "arithmetic")), COMBINERS, "way to combine")
        check_number(data.get("unify_angle_deg", 0), "unify_angle_deg")
        weights, decoding = _table(data, "weights"), _table(data, "decode")
        calibration = {member: _calibration(data, member) for member in _table(data, "calibration")}
        for member in weights:
            table = _table(weights, member, "weights.")
            check_keys(table, WEIGHED, f"field to weigh in weights.{member}")
            for name, value in table.items():
                check_numbers(value, f"weights.{member}.{name}")
        check_keys(decoding, [entry.name for entry in fields(DecodeSettings)], "setting of decode")
        for name, value in decoding.items():
            check = check_number if name == "unify_angle_deg" else check_numbers
            check(value, f"decode.{name}")
        parts = {
            "weights": weights,
            "calibration": calibration,
            "smooth": SmoothSettings.from_table(_table(data, "smooth")),
            "uncertainty": UncertaintySettings.from_table(_table(data, "uncertainty")),
            "decode": DecodeSettings(**decoding),
        }
        return cls(**{**data, **parts})

    def to_json(self) -> dict[str, Any]:
        """What `from_table` reads; only what is set, for TOML and its kin know no null."""
        data = {**asdict(self), "smooth": self.smooth.to_json(), "uncertainty": self.uncertainty.to_json()}
        data["decode"] = {name: value for name, value in data["decode"].items() if value is not None}
        return data

    def check(self, members: Collection[str], labels: LabelSet) -> None:
        """Raises UsageError for weights of members that do not run and for unknown classes."""
        for member, table in self.weights.items():
            check_known(member, sorted(members), "member of this run")
            for value in table.values():
                to_class_tensor(value, labels, 1.0)
        for member, calibration in self.calibration.items():
            check_known(member, sorted(members), "member of this run")
            to_class_tensor(calibration.temperature, labels, 1.0)
            to_class_tensor(calibration.bias, labels, 0.0)
        self.smooth.check(labels)
        self.uncertainty.check(labels)
        self.decode.resolve_limits(labels)


def resolve_weights(
    settings: FusionSettings, posteriors: Mapping[str, Posterior]
) -> dict[str, Float[Tensor, "member cls"]]:
    """The weight of every member and class for each field, members in the order of `posteriors`.

    Raises UsageError as `FusionSettings.check` does, and where all providers of a field weigh nothing.
    """
    first = next(iter(posteriors.values()))
    settings.check(posteriors, first.labels)
    weights = {name: _field_weights(name, settings, posteriors) for name in WEIGHED}
    return {name: weight.to(first.activity.device) for name, weight in weights.items()}


def _field_weights(
    name: str, settings: FusionSettings, posteriors: Mapping[str, Posterior]
) -> Float[Tensor, "member cls"]:
    labels = next(iter(posteriors.values())).labels
    providers = {member: _breadth(posterior) for member, posterior in posteriors.items() if name in posterior.provides}
    rows = []
    for member in posteriors:
        specialist = member in providers and providers[member] == min(providers.values())
        choosy = settings.preset == "nercslip" and name in ("direction", "distance")
        preset = float(specialist if choosy else member in providers)
        own = to_class_tensor(settings.weights.get(member, {}).get(name, preset), labels, preset)
        rows.append(own * (member in providers))
    weight = torch.stack(rows)
    if providers and (weight.sum(0) == 0).any():
        cls = labels.names[int((weight.sum(0) == 0).int().argmax())]
        raise UsageError(
            f"{name} of {cls} gets no weight from any of {', '.join(providers)}; give one of them more than 0"
        )
    return weight


def _calibration(data: Mapping[str, Any], member: str) -> Calibration:
    table = _table(_table(data, "calibration"), member, "calibration.")
    check_keys(table, [entry.name for entry in fields(Calibration)], f"part of calibration.{member}")
    check_numbers(table.get("temperature", 1.0), f"calibration.{member}.temperature", COOLEST)
    check_numbers(table.get("bias", 0.0), f"calibration.{member}.bias", -math.inf)
    return Calibration(**table)


def _breadth(posterior: Posterior) -> int:
    return sum(name in posterior.provides for name in WEIGHED)


def _table(data: Mapping[str, Any], name: str, within: str = "") -> Mapping[str, Any]:
    value = data.get(name, {})
    if not isinstance(value, Mapping):
        raise UsageError(f"{within}{name} must be a table, got {value!r}")
    return value
