"""A member's probabilities are brought to mean what they say."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import ClassValues, to_class_tensor
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import ODDS_EPSILON


@dataclass(frozen=True)
class Calibration:
    """The log-odds of a member's activity are divided by `temperature`, then `bias` is added; each may differ by class.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999; Guo et al., "On calibration of modern
    neural networks", ICML 2017.
    """

    temperature: ClassValues = 1.0
    bias: ClassValues = 0.0

    def apply_to_log_odds(
        self, log_odds: Float[Tensor, "*batch cls n"], labels: LabelSet
    ) -> Float[Tensor, "*batch cls n"]:
        """Calibrated log-odds. Raises UsageError where a table names an unknown class."""
        temperature, bias = to_class_tensor(self.temperature, labels, 1.0), to_class_tensor(self.bias, labels, 0.0)
        return log_odds / temperature.to(log_odds).unsqueeze(-1) + bias.to(log_odds).unsqueeze(-1)

    def apply(self, posterior: Posterior) -> Posterior:
        """The posterior with calibrated activities; silence, an activity of exactly 0, stays silence."""
        activity = posterior.activity
        mended = self.apply_to_log_odds(activity.logit(ODDS_EPSILON), posterior.labels).sigmoid()
        return replace(posterior, activity=torch.where(activity > 0, mended, activity))
