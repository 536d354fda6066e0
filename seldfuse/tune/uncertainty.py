"""The uncertainty of a fused posterior, fitted to the errors that were measured."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.posterior import Posterior
from seldfuse.fusion.uncertainty import UncertaintyInputs, UncertaintyModel, UncertaintySettings
from seldfuse.tune.errors import compute_errors, rank_active_tracks
from seldfuse.tune.subsample import subsample

LEVELS = (50, 80, 90, 95)
"""The intervals that are fitted, in percent."""
FAINTEST = 0.01
"""Probabilities are fitted where there is any."""
MOST_CELLS = 150_000
"""Of more cells every n-th is taken: a score of numbers needs no more."""
CLASS_PULL = 30.0
"""A class's constant is drawn to the common one as if by so much evidence: about that of 200 frames."""
ROUNDS = 15
SETTLED = 1e-7
"""Steps below this change no digit that is written."""
SMALLEST = 1e-6
"""Squared errors below this (of degrees, of logarithms) are none that anything could be learned from."""

Moments = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From the sum and what was observed to the slope and the (negative) curvature of the log-likelihood of each cell."""


def fit_uncertainty(
    pooled: Posterior, evidence: UncertaintyInputs, target: Posterior, activity: bool = True
) -> UncertaintySettings:
    """Fit uncertainty of the posterior's fields by maximum (quasi-)likelihood; that of the activity if `activity`.

    The probability is a logistic regression. The variance of an error is log-linear in the evidence and fitted by the
    quasi-likelihood of a gamma distribution (McCullagh & Nelder, Generalized Linear Models, 1989, ch. 8 and 10), so
    that it is the mean of the squares whatever the errors' distribution. Intervals are the quantiles of the errors in
    units of their standard deviation, which need not be those of a normal distribution.
    """
    activity_model = _probability(pooled, evidence, target) if activity else None
    azimuth = _spread(pooled, evidence, target, "direction", "azimuth_std_deg")
    return UncertaintySettings(
        activity_model, azimuth, _spread(pooled, evidence, target, "distance", "distance_log_std")
    )


def _probability(pooled: Posterior, evidence: UncertaintyInputs, target: Posterior) -> UncertaintyModel:
    cells = _Cells.from_posterior(pooled, evidence, "azimuth_std_deg", pooled.activity > FAINTEST)
    found = cells.fit(rank_active_tracks(pooled, target), _logistic, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    return cells.to_model(found, pooled, 1.0)


def _spread(
    pooled: Posterior, evidence: UncertaintyInputs, target: Posterior, field: str, spread: str
) -> UncertaintyModel | None:
    if field not in pooled.provides or field not in target.provides:
        return None
    error = compute_errors(pooled, target, field)
    if error.isnan().all():
        return None
    cells = _Cells.from_posterior(pooled, evidence, spread, ~error.isnan())
    square = error.square().clamp_min(SMALLEST)
    found = cells.fit(square, _gamma, torch.tensor([0.0, 0.0, 0.0, square.nanmean().log()]))
    model = cells.to_model(found, pooled, 0.5)
    width = (error[cells.where].abs() / (0.5 * cells.total(found)).exp().float()).sort().values
    ranks = [min(len(width) - 1, round(level / 100 * len(width))) for level in LEVELS]
    intervals = {str(level): round(float(width[rank]), 3) for level, rank in zip(LEVELS, ranks, strict=True)}
    return UncertaintyModel(**{**vars(model), "intervals": intervals})


class _Cells:
    """The cells that are fitted on: predictors of errors in each, and a one, as columns, and each cell's class.

    Numbers stand in this order: one for each column, then one for each class.
    """

    def __init__(
        self, where: tuple[Tensor, ...], predictors: Float[Tensor, "cell 3"], classes: int, typical: float
    ) -> None:
        self.where, self.cls, self.classes, self.typical = where, where[2], classes, typical
        self.columns = F.pad(predictors, (0, 1), value=1.0).double()

    @classmethod
    def from_posterior(
        cls, pooled: Posterior, evidence: UncertaintyInputs, spread: str, chosen: Bool[Tensor, "clip frame cls track"]
    ) -> "_Cells":
        where = subsample(chosen, MOST_CELLS)
        spreads = evidence.spreads[spread][where]
        known = spreads[~spreads.isnan()]
        typical = round(float(known.mean()), 4) if len(known) else 0.0
        predictors = (evidence.log_odds[where], spreads.nan_to_num(typical) - typical, evidence.members[where])
        return cls(where, torch.stack(predictors, 1), len(pooled.labels), typical)

    def total(self, found: Float[Tensor, "number"]) -> Float[Tensor, "cell"]:
        """Sum the columns, each times its number, and the class's number."""
        return self.columns @ found[:4] + found[4:][self.cls]

    def fit(self, observed: Tensor, moments: Moments, expected: Float[Tensor, "4"]) -> Float[Tensor, "number"]:
        """Fit the numbers by Newton's method, drawn a little to what is `expected` of the first four, the rest to 0."""
        values = observed[self.where].double()
        prior = F.pad(expected.to(self.columns), (0, self.classes))
        pull = torch.tensor([1.0, 1.0, 1.0, 1e-3, *[CLASS_PULL] * self.classes]).to(self.columns)
        found = prior.clone()
        for _ in range(ROUNDS):
            slope, curvature = moments(self.total(found), values)
            gradient = torch.cat([slope @ self.columns, self._by_class(slope)]) - pull * (found - prior)
            step = torch.linalg.solve(self._hessian(curvature) + pull.diag(), gradient).clamp(-2.0, 2.0)
            found = found + step
            if step.abs().max() < SETTLED:
                break
        return found

    def _hessian(self, curvature: Float[Tensor, "cell"]) -> Float[Tensor, "number number"]:
        # By blocks: as columns of zeros and ones the classes would take four fifths of the time.
        weighted = curvature.unsqueeze(-1) * self.columns
        mixed = self._by_class(weighted)  # (cls, column)
        above = torch.cat([self.columns.T @ weighted, mixed.T], 1)
        return torch.cat([above, torch.cat([mixed, mixed[:, 3].diag()], 1)])

    def _by_class(self, value: Float[Tensor, "cell *column"]) -> Float[Tensor, "cls *column"]:
        return value.new_zeros(self.classes, *value.shape[1:]).index_add_(0, self.cls, value)

    def to_model(self, found: Float[Tensor, "number"], pooled: Posterior, share: float) -> UncertaintyModel:
        """Name the numbers, `share` of each: half the logarithm of a variance is that of the deviation."""
        numbers = [round(share * value, 4) for value in found.tolist()]
        log_odds, spread, members, common, *classes = numbers
        names = pooled.labels.names
        constant = {name: round(common + own, 4) for name, own in zip(names, classes, strict=True)}
        return UncertaintyModel(constant, log_odds, spread, members, self.typical)


def _logistic(total: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    chance = total.sigmoid()
    return observed - chance, chance * (1 - chance)


def _gamma(total: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    # Each square counts ½, as it does in the likelihood of a normal distribution with this variance.
    return 0.5 * (observed * (-total).exp() - 1), torch.full_like(total, 0.5)
