"""What a fused posterior is worth: a probability that holds, and how far azimuth and distance may be off.

Members learn from the same data and err together, so that the doubt of their mean is not that of independent voices.
It is fitted (`seldfuse tune`) to the errors that were seen, with what tells of them: how sure the members are, how far
they are apart, and how many of them hear the class.

A file may say::

    [doubt.azimuth]              # the natural logarithm of the standard deviation in degrees
    constant = { music = 3.1, default = 2.6 }
    log_odds = -0.08             # per unit of the activity's log-odds
    spread = 0.4                 # per unit of ln(1 + spread / 5°); of `distance`, of the logarithms' own spread
    members = -0.1               # per member that hears the class
    typical_spread = 0.7         # stands where fewer than two members tell
    intervals = { 50 = 0.4, 90 = 1.6 }    # half an interval of so many percent, in standard deviations

`[doubt.distance]` is that of the logarithm of the distance, `[doubt.activity]` gives the probability's log-odds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import ClassValues, Number, check_keys, check_number, check_numbers, to_class_tensor
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.averages import ODDS_EPSILON

NARROW_DEG = 5.0
"""Below this spread the logarithm is nearly even."""
LEAST = {"azimuth_std_deg": 0.5, "distance_log_std": 0.02}
GREATEST = {"azimuth_std_deg": 104.0, "distance_log_std": 3.0}
"""104° is the standard deviation of an azimuth that may be anything."""


@dataclass(frozen=True)
class UncertaintyModel:
    """A sum of a class's constant and of what tells of errors, each times its number; the docs of the module say of
    what. `intervals` maps percents to half-widths in standard deviations.
    """

    constant: ClassValues = 0.0
    log_odds: Number = 0.0
    spread: Number = 0.0
    members: Number = 0.0
    typical_spread: Number = 0.0
    intervals: Mapping[str, Number] = field(default_factory=dict)

    def predict(
        self, evidence: "UncertaintyInputs", spread: Tensor, labels: LabelSet
    ) -> Float[Tensor, "batch frame cls track"]:
        """The sum. Raises UsageError for unknown classes."""
        spread = spread.nan_to_num(float(self.typical_spread)) - self.typical_spread
        constant = to_class_tensor(self.constant, labels, 0.0).to(spread).unsqueeze(-1)
        return constant + self.log_odds * evidence.log_odds + self.spread * spread + self.members * evidence.members


@dataclass(frozen=True)
class UncertaintyInputs:
    """What tells of errors in each cell: `spreads` maps `azimuth_std_deg` and `distance_log_std` to the members'
    spread on the scale of `UncertaintyModel`, NaN where fewer than two members tell.
    """

    log_odds: Float[Tensor, "batch frame cls track"]
    members: Float[Tensor, "batch frame cls track"]
    spreads: Mapping[str, Float[Tensor, "batch frame cls track"]]

    @classmethod
    def from_posterior(
        cls, posterior: Posterior, members: Float[Tensor, "batch frame cls track"]
    ) -> "UncertaintyInputs":
        """Of a fused posterior, whose doubts are the members' spread, and how many members hear each track."""
        unknown = torch.full_like(posterior.activity, torch.nan)
        azimuth, distance = posterior.azimuth_std_deg, posterior.distance_log_std
        spreads = {
            "azimuth_std_deg": unknown if azimuth is None else (azimuth / NARROW_DEG).log1p(),
            "distance_log_std": unknown if distance is None else distance,
        }
        return cls(posterior.activity.logit(ODDS_EPSILON), members, spreads)

    @classmethod
    def concat(cls, parts: Sequence["UncertaintyInputs"]) -> "UncertaintyInputs":
        """One batch from several."""
        spreads = {name: torch.cat([part.spreads[name] for part in parts]) for name in parts[0].spreads}
        members = torch.cat([part.members for part in parts])
        return cls(torch.cat([part.log_odds for part in parts]), members, spreads)

    def map(self, change: Callable[[Tensor], Tensor]) -> "UncertaintyInputs":
        """The same with every tensor changed."""
        spreads = {name: change(value) for name, value in self.spreads.items()}
        return UncertaintyInputs(change(self.log_odds), change(self.members), spreads)


@dataclass(frozen=True)
class UncertaintySettings:
    """The doubt of each field; None leaves the field as it is."""

    activity: UncertaintyModel | None = None
    azimuth: UncertaintyModel | None = None
    distance: UncertaintyModel | None = None

    def apply(self, posterior: Posterior, evidence: UncertaintyInputs) -> Posterior:
        """The posterior with fitted doubts; silence, an activity of exactly 0, stays silence."""
        labels, changed = posterior.labels, {}
        if self.activity is not None:
            sure = self.activity.predict(evidence, evidence.spreads["azimuth_std_deg"], labels).sigmoid()
            changed["activity"] = torch.where(posterior.activity > 0, sure, posterior.activity)
        for name, doubt, about in (
            ("azimuth_std_deg", self.azimuth, posterior.direction),
            ("distance_log_std", self.distance, posterior.distance),
        ):
            if doubt is not None and about is not None:
                std = doubt.predict(evidence, evidence.spreads[name], labels).exp()
                changed[name] = std.clamp(LEAST[name], GREATEST[name])
        return replace(posterior, **changed)  # type: ignore[arg-type]

    @property
    def intervals(self) -> dict[str, Mapping[str, Number]]:
        """Half-widths by percent of the fields whose doubt has intervals."""
        found = {"azimuth": self.azimuth, "distance": self.distance}
        return {name: doubt.intervals for name, doubt in found.items() if doubt is not None and doubt.intervals}

    @classmethod
    def from_table(cls, data: Mapping[str, Any]) -> "UncertaintySettings":
        """Settings from what the table `[uncertainty]` of a TOML file holds.

        Raises UsageError for unknown keys and for what is no number.
        """
        check_keys(data, tuple(cls.__dataclass_fields__), "field with a doubt")
        return cls(**{name: _doubt(table, f"uncertainty.{name}") for name, table in data.items()})

    def to_json(self) -> dict[str, Any]:
        """What `from_table` reads."""
        return {name: asdict(doubt) for name, doubt in vars(self).items() if doubt is not None}

    def check(self, labels: LabelSet) -> None:
        """Raises UsageError for unknown classes."""
        for doubt in vars(self).values():
            if doubt is not None:
                to_class_tensor(doubt.constant, labels, 0.0)


def _doubt(table: Any, what: str) -> UncertaintyModel:
    if not isinstance(table, Mapping):
        raise UsageError(f"{what} must be a table, got {table!r}")
    check_keys(table, tuple(UncertaintyModel.__dataclass_fields__), f"part of {what}")
    for name, value in table.items():
        if name == "intervals":
            _check_intervals(value, f"{what}.{name}")
        elif name == "constant":
            check_numbers(value, f"{what}.{name}", float("-inf"))
        else:
            check_number(value, f"{what}.{name}", float("-inf"))
    return UncertaintyModel(**table)


def _check_intervals(value: Any, what: str) -> None:
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} must be a table of half-widths by percent, got {value!r}")
    for percent, width in value.items():
        if not (percent.isdigit() and 0 < int(percent) < 100):
            raise UsageError(f"{what} maps percents between 0 and 100 to half-widths, got {percent!r}")
        check_number(width, f"{what}.{percent}")
