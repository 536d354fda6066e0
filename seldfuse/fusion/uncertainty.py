"""The uncertainty of a fused posterior: a probability that holds, and how far azimuth and distance may be off.

Members learn from the same data and err together, so that the uncertainty of their mean is not that of independent
estimates. It is fitted (`seldfuse tune`) to the errors that were measured, with what predicts them: how active the
class is, how uncertain the members are each and together, and how many of them detect the class.

A file may say::

    [uncertainty.azimuth]        # the natural logarithm of the standard deviation in degrees
    constant = { music = 3.1, default = 2.6 }
    log_odds = -0.08             # per unit of the activity's log-odds
    spread = 0.4                 # per unit of ln(1 + σ / 5°), σ that of the mixture of members; of `distance`, of σ
    members = -0.1               # per member that detects the class
    typical_spread = 0.7         # stands where no uncertainty is known
    intervals = { 50 = 0.4, 90 = 1.6 }    # half an interval of so many percent, in standard deviations

`[uncertainty.distance]` is that of the logarithm of the distance, `[uncertainty.activity]` gives the probability's
log-odds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from seldfuse.core.class_values import ClassValues, Number, to_class_tensor
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import ODDS_EPSILON
from seldfuse.settings.bounds import ANY_NUMBER, NOT_NEGATIVE, STRICT, Expected

NARROW_DEG = 5.0
"""Below this spread the logarithm is nearly even."""
LEAST = {"azimuth_std_deg": 0.5, "distance_log_std": 0.02}
GREATEST = {"azimuth_std_deg": 104.0, "distance_log_std": 3.0}
"""104° is the standard deviation of an azimuth that may be anything."""

Percent = Annotated[str, Field(pattern=r"^[1-9][0-9]?$"), Expected("a percent between 0 and 100")]


@dataclass(frozen=True)
class UncertaintyModel:
    """A sum of a class's constant and of what predicts errors, each times its number; the docs of the module say of
    what. `intervals` maps percents to half-widths in standard deviations.
    """

    __pydantic_config__ = STRICT

    constant: Annotated[ClassValues, ANY_NUMBER] = 0.0
    log_odds: Annotated[Number, ANY_NUMBER] = 0.0
    spread: Annotated[Number, ANY_NUMBER] = 0.0
    members: Annotated[Number, ANY_NUMBER] = 0.0
    typical_spread: Annotated[Number, ANY_NUMBER] = 0.0
    intervals: Mapping[Percent, Annotated[Number, NOT_NEGATIVE]] = field(default_factory=dict)

    def predict(
        self, evidence: "UncertaintyInputs", spread: Tensor, constant: Float[Tensor, "cls"]
    ) -> Float[Tensor, "batch frame cls track"]:
        """Compute the sum, with the constant of each class."""
        spread = spread.nan_to_num(float(self.typical_spread)) - self.typical_spread
        constants = constant.to(spread).unsqueeze(-1)
        return constants + self.log_odds * evidence.log_odds + self.spread * spread + self.members * evidence.members


@dataclass(frozen=True)
class UncertaintyInputs:
    """What predicts errors in each cell: `spreads` maps `azimuth_std_deg` and `distance_log_std` to those of the
    mixture of members, on the scale of `UncertaintyModel`, NaN where they are not known.

    Combining members throws the numbers away that this needs, so it goes beside the posterior.
    """

    log_odds: Float[Tensor, "batch frame cls track"]
    members: Float[Tensor, "batch frame cls track"]
    spreads: Mapping[str, Float[Tensor, "batch frame cls track"]]

    @classmethod
    def from_posterior(
        cls, posterior: Posterior, members: Float[Tensor, "batch frame cls track"]
    ) -> "UncertaintyInputs":
        """Take the inputs from a fused posterior, whose uncertainties are those of the mixture, and the number of
        members that detect each track.
        """
        unknown = torch.full_like(posterior.activity, torch.nan)
        azimuth, distance = posterior.azimuth_std_deg, posterior.distance_log_std
        spreads = {
            "azimuth_std_deg": unknown if azimuth is None else (azimuth / NARROW_DEG).log1p(),
            "distance_log_std": unknown if distance is None else distance,
        }
        return cls(posterior.activity.logit(ODDS_EPSILON), members, spreads)

    @classmethod
    def concat(cls, parts: Sequence["UncertaintyInputs"]) -> "UncertaintyInputs":
        """Join several batches to one."""
        spreads = {name: torch.cat([part.spreads[name] for part in parts]) for name in parts[0].spreads}
        members = torch.cat([part.members for part in parts])
        return cls(torch.cat([part.log_odds for part in parts]), members, spreads)

    def map(self, change: Callable[[Tensor], Tensor]) -> "UncertaintyInputs":
        """Change every tensor."""
        spreads = {name: change(value) for name, value in self.spreads.items()}
        return UncertaintyInputs(change(self.log_odds), change(self.members), spreads)


@dataclass(frozen=True)
class UncertaintySettings:
    """The uncertainty of each field; None leaves the field as it is."""

    __pydantic_config__ = STRICT

    activity: UncertaintyModel | None = None
    azimuth: UncertaintyModel | None = None
    distance: UncertaintyModel | None = None

    def apply(self, posterior: Posterior, evidence: UncertaintyInputs) -> Posterior:
        """Give a posterior its fitted uncertainties. Raises UsageError for unknown classes."""
        return self.resolve_for(posterior.labels, posterior.activity.device).apply(posterior, evidence)

    def resolve_for(self, labels: LabelSet, device: torch.device) -> "ClassUncertainty":
        """Resolve to numbers of each class. Raises UsageError for unknown classes."""
        constants = {
            name: to_class_tensor(model.constant, labels, 0.0).to(device) for name, model in self._models().items()
        }
        return ClassUncertainty(self, constants)

    @property
    def intervals(self) -> dict[str, Mapping[str, Number]]:
        """Half-widths by percent of the fields whose uncertainty has intervals."""
        models = {name: model for name, model in self._models().items() if name != "activity"}
        return {name: model.intervals for name, model in models.items() if model.intervals}

    def to_json(self) -> dict[str, Any]:
        """Write what a table `[uncertainty]` holds."""
        return {name: asdict(model) for name, model in self._models().items()}

    def _models(self) -> dict[str, UncertaintyModel]:
        models = {"activity": self.activity, "azimuth": self.azimuth, "distance": self.distance}
        return {name: model for name, model in models.items() if model is not None}


@dataclass(frozen=True)
class ClassUncertainty:
    """`UncertaintySettings` with the constants of each class, by field."""

    settings: UncertaintySettings
    constants: Mapping[str, Float[Tensor, "cls"]]

    def apply(self, posterior: Posterior, evidence: UncertaintyInputs) -> Posterior:
        """Give a posterior its fitted uncertainties; silence, an activity of exactly 0, stays silence."""
        changed: dict[str, Tensor] = {}
        if self.settings.activity is not None:
            spread = evidence.spreads["azimuth_std_deg"]
            probability = self.settings.activity.predict(evidence, spread, self.constants["activity"]).sigmoid()
            changed["activity"] = torch.where(posterior.activity > 0, probability, posterior.activity)
        for field_name, name, model, value in (
            ("azimuth", "azimuth_std_deg", self.settings.azimuth, posterior.direction),
            ("distance", "distance_log_std", self.settings.distance, posterior.distance),
        ):
            if model is not None and value is not None:
                std = model.predict(evidence, evidence.spreads[name], self.constants[field_name]).exp()
                changed[name] = std.clamp(LEAST[name], GREATEST[name])
        return replace(posterior, **changed)  # type: ignore[arg-type]
