"""How members are weighed, which frames are active and what counts as an event: a preset, or a TOML file.

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

    [decode]                     # what counts as active: fields of DecodeSettings; a number, or a table by class
    threshold = { knock = 0.4, default = 0.5 }
    max_gap_frames = 2

    [events]                     # what people are shown as an event: fields of EventSettings
    min_duration_s = { knock = 0.1, default = 0.3 }

    [smooth.activity]            # along time: see `seldfuse.fusion.smooth`
    start = 0.01

    [uncertainty.azimuth]           # what the result is worth: see `seldfuse.fusion.uncertainty`
    constant = 2.6
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import ClassValues, Number, to_class_tensor
from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.decode import DecodeSettings
from seldfuse.fusion.events import EventSettings
from seldfuse.fusion.resolved import ResolvedFusion
from seldfuse.fusion.smooth import SmoothSettings
from seldfuse.fusion.uncertainty import UncertaintySettings
from seldfuse.settings.aliases import FUSION, rename_typed_keys
from seldfuse.settings.bounds import NOT_NEGATIVE, STRICT, Names
from seldfuse.settings.known import check_known
from seldfuse.settings.toml import parse_table, read_settings

PRESETS = ("mean", "nercslip")

AUTO, TUNED = "auto", "tuned"
"""What depends on the members of a run: see `seldfuse.fusion.fitted`."""

WEIGHED = ("activity", "direction", "distance", "onscreen")

Weights = Mapping[Annotated[str, Names(WEIGHED)], Annotated[ClassValues, NOT_NEGATIVE]]
"""What a member weighs in each field."""

Provided = tuple[str, ...]
"""The fields of a posterior, as `Posterior.provides` has them."""


@dataclass(frozen=True)
class FusionSettings:
    """Weights by member and field (numbers, or numbers by class), over those of the preset; and every other stage.

    Preset `mean`: all providers of a field count alike. Preset `nercslip` (after the ensemble of NERC-SLIP, DCASE 2025
    Task 3): activity and on-screen as `mean`; direction and distance from the specialists alone, which are the
    providers that have the fewest fields.

    Raises UsageError for an unknown preset or an unknown way to combine.
    """

    __pydantic_config__ = STRICT

    preset: str = "mean"
    combine: str = "arithmetic"
    weights: Mapping[str, Weights] = field(default_factory=dict)
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    unify_angle_deg: Annotated[Number, NOT_NEGATIVE] = 15.0
    smooth: SmoothSettings = field(default_factory=SmoothSettings)
    uncertainty: UncertaintySettings = field(default_factory=UncertaintySettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    events: EventSettings = field(default_factory=EventSettings)

    def __post_init__(self) -> None:
        check_known(self.preset, PRESETS, "fusion preset")
        check_known(self.combine, COMBINERS, "way to combine")

    @classmethod
    def resolve(cls, fusion: "str | Path | Mapping[str, Any] | FusionSettings") -> "FusionSettings":
        """Resolve a preset's name, a TOML file or what one holds.

        `auto` and `tuned`, which depend on the members, are a matter of `seldfuse.fusion.fitted`. Raises UsageError.
        """
        if isinstance(fusion, FusionSettings):
            return fusion
        if isinstance(fusion, Mapping):
            return cls.from_table(fusion)
        if str(fusion) in PRESETS:
            return cls(preset=str(fusion))
        if not Path(fusion).is_file():
            known = ", ".join([AUTO, TUNED, *PRESETS])
            raise UsageError(f"--fusion expects {known}, or a TOML file, got {str(fusion)!r}")
        return cls.read(Path(fusion))

    @classmethod
    def read(cls, path: Path) -> "FusionSettings":
        """Read a TOML file. Raises UsageError where it cannot be read or has something unknown."""
        return read_settings(path, f"a preset ({', '.join(PRESETS)}) or a TOML file", cls.from_table)

    @classmethod
    def from_table(cls, data: Mapping[str, Any]) -> "FusionSettings":
        """Make settings of what a TOML file holds.

        Raises UsageError for unknown keys and for what is no number, or out of bounds.
        """
        return parse_table(cls, rename_typed_keys(data, FUSION), "fusion setting")

    def to_json(self) -> dict[str, Any]:
        """Write what `from_table` reads; only what is set, for TOML and its kin know no null."""
        data = {**asdict(self), "smooth": self.smooth.to_json(), "uncertainty": self.uncertainty.to_json()}
        for name in ("decode", "events"):
            data[name] = {key: value for key, value in data[name].items() if value is not None}
        # Digests of settings, by which finished clips are known, are older than this table.
        if self.events == EventSettings():
            del data["events"]
        return data

    def with_limits(
        self, threshold: float | None = None, min_duration_s: float | None = None, max_gap_s: float | None = None
    ) -> "FusionSettings":
        """Return settings with another threshold of frames and of events, and with other limits of events alone.

        What is None stays. Raises UsageError for a number below 0.
        """
        limits = {"threshold": threshold, "min_duration_s": min_duration_s, "max_gap_s": max_gap_s}
        given = {name: value for name, value in limits.items() if value is not None}
        if not given:
            return self
        data = self.to_json()
        data["events"] = data.get("events", {}) | given
        if threshold is not None:
            # A lower threshold that was fitted to another upper one is worth nothing beside this one.
            data["decode"] = {name: value for name, value in data["decode"].items() if name != "offset_threshold"}
            data["decode"]["threshold"] = threshold
        return self.from_table(data)

    def resolve_for(self, members: Mapping[str, Provided], labels: LabelSet, device: torch.device) -> ResolvedFusion:
        """Resolve to tensors for members, by name with the fields that each provides, in the order of their names.

        Clips of the same members, classes and device share what is made for the first. Raises UsageError for settings
        of members that are not there, for unknown classes, and where all providers of a field weigh nothing.
        """
        key = (tuple(members.items()), labels, device)
        if key not in self._resolved:
            self._check_members(members)
            self._resolved[key] = ResolvedFusion(
                weights={name: _resolve_weights(name, self, members, labels).to(device) for name in WEIGHED},
                calibration={name: one.resolve_for(labels, device) for name, one in self.calibration.items()},
                smooth=self.smooth.resolve_for(labels, device),
                uncertainty=self.uncertainty.resolve_for(labels, device),
                decode=self.decode.resolve_for(labels, device),
            )
        return self._resolved[key]

    @cached_property
    def _resolved(self) -> dict[Any, ResolvedFusion]:
        return {}

    def _check_members(self, members: Collection[str]) -> None:
        for member in (*self.weights, *self.calibration):
            check_known(member, sorted(members), "member of this run")


def _resolve_weights(
    name: str, settings: FusionSettings, members: Mapping[str, Provided], labels: LabelSet
) -> Float[Tensor, "member cls"]:
    """Resolve the weight of every member and class for field `name`."""
    breadths = {member: _count_weighed(provided) for member, provided in members.items() if name in provided}
    by_specialists = settings.preset == "nercslip" and name in ("direction", "distance")
    chosen = {member for member, breadth in breadths.items() if not by_specialists or breadth == min(breadths.values())}
    rows = []
    for member in members:
        preset = float(member in chosen)
        own = to_class_tensor(settings.weights.get(member, {}).get(name, preset), labels, preset)
        rows.append(own * (member in breadths))
    weight = torch.stack(rows)
    if breadths and (weight.sum(0) == 0).any():
        cls = labels.names[int((weight.sum(0) == 0).int().argmax())]
        raise UsageError(
            f"{name} of {cls} gets no weight from any of {', '.join(breadths)}; give one of them more than 0"
        )
    return weight


def _count_weighed(provided: Provided) -> int:
    return sum(name in provided for name in WEIGHED)
