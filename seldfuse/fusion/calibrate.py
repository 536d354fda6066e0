"""A member's probabilities are brought to mean what they say."""

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import ClassValues, to_class_tensor
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import ODDS_EPSILON
from seldfuse.settings.bounds import ANY_NUMBER, STRICT, Bounds

LOWEST_TEMPERATURE = 0.01
"""A temperature below this would make certainties of uncertain probabilities."""


@dataclass(frozen=True)
class Calibration:
    """The log-odds of a member's activity are divided by `temperature`, then `bias` is added; each may differ by class.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999; Guo et al., "On calibration of modern
    neural networks", ICML 2017.
    """

    __pydantic_config__ = STRICT

    temperature: Annotated[ClassValues, Bounds(f"a number, {LOWEST_TEMPERATURE} or more", ge=LOWEST_TEMPERATURE)] = 1.0
    bias: Annotated[ClassValues, ANY_NUMBER] = 0.0

    def resolve_for(self, labels: LabelSet, device: torch.device) -> "ClassCalibration":
        """Resolve to numbers of each class. Raises UsageError where a table names an unknown class."""
        temperature, bias = to_class_tensor(self.temperature, labels, 1.0), to_class_tensor(self.bias, labels, 0.0)
        return ClassCalibration(temperature.to(device), bias.to(device))

    def apply(self, posterior: Posterior) -> Posterior:
        """Calibrate the activities of a posterior. Raises UsageError where a table names an unknown class."""
        return self.resolve_for(posterior.labels, posterior.activity.device).apply(posterior)


@dataclass(frozen=True)
class ClassCalibration:
    """A `Calibration` as numbers of each class."""

    temperature: Float[Tensor, "cls"]
    bias: Float[Tensor, "cls"]

    def apply_to_log_odds(self, log_odds: Float[Tensor, "*batch cls n"]) -> Float[Tensor, "*batch cls n"]:
        """Calibrate log-odds."""
        return log_odds / self.temperature.to(log_odds).unsqueeze(-1) + self.bias.to(log_odds).unsqueeze(-1)

    def apply(self, posterior: Posterior) -> Posterior:
        """Calibrate the activities of a posterior; silence, an activity of exactly 0, stays silence."""
        activity = posterior.activity
        calibrated = self.apply_to_log_odds(activity.logit(ODDS_EPSILON)).sigmoid()
        return replace(posterior, activity=torch.where(activity > 0, calibrated, activity))
