"""Ways to average the members' activities: on which scale the weighted mean is taken."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from seldfuse.fusion.averages import ODDS_EPSILON


class Combiner(NamedTuple):
    """A scale for the mean of probabilities: `forward` leads to it, `inverse` back; both let NaN through."""

    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


def _keep(value: Tensor) -> Tensor:
    return value


COMBINERS = {
    "arithmetic": Combiner(_keep, _keep),
    "log-odds": Combiner(lambda chance: chance.logit(ODDS_EPSILON), torch.sigmoid),
    "geometric": Combiner(lambda chance: chance.clamp_min(ODDS_EPSILON).log(), torch.exp),
}
"""The linear pool and the logarithmic ones (Genest & Zidek, Statistical Science 1(1), 1986), with and without the
probability of silence in the balance."""
