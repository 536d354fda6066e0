"""A member's probabilities are brought to mean what they say."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.fusion.averages import ODDS_EPSILON
from seldfuse.labels import LabelSet
from seldfuse.perclass import PerClass, per_class
from seldfuse.posterior import Posterior


@dataclass(frozen=True)
class Calibration:
    """The log-odds of a member's activity are divided by `temperature`, then `bias` is added; each may differ by class.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999; Guo et al., "On calibration of modern
    neural networks", ICML 2017.
    """

    temperature: PerClass = 1.0
    bias: PerClass = 0.0

    def of_log_odds(self, log_odds: Float[Tensor, "*batch cls n"], labels: LabelSet) -> Float[Tensor, "*batch cls n"]:
        """Calibrated log-odds. Raises UsageError where a table names an unknown class."""
        temperature, bias = per_class(self.temperature, labels, 1.0), per_class(self.bias, labels, 0.0)
        return log_odds / temperature.to(log_odds).unsqueeze(-1) + bias.to(log_odds).unsqueeze(-1)

    def of(self, posterior: Posterior) -> Posterior:
        """The posterior with calibrated activities; silence, an activity of exactly 0, stays silence."""
        activity = posterior.activity
        mended = self.of_log_odds(activity.logit(ODDS_EPSILON), posterior.labels).sigmoid()
        return replace(posterior, activity=torch.where(activity > 0, mended, activity))
