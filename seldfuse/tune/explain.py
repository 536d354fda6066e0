"""What each member is worth: alone, left out, added; whose errors agree, who is best at what, and who is calibrated."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.catalogue.values import Score
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.combine import DOUBTS
from seldfuse.fusion.decode import find_active
from seldfuse.metrics.counts import Counts
from seldfuse.metrics.jackknife import Interval, compare_systems, compute_intervals
from seldfuse.metrics.registered import list_scores, orient
from seldfuse.metrics.scores import score_classes
from seldfuse.tune.errors import compute_errors, take_loudest_track
from seldfuse.tune.fit import Objective, PooledMembers, pool_all
from seldfuse.tune.fusion import TuneResult, assign_folds, cross_validate
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.tuning_data import TuningData

AUDIBLE = 0.05
FIELDS = {"azimuth": "direction", "distance": "distance", "onscreen": "onscreen"}
"""The field of a posterior for what a score needs."""


@dataclass(frozen=True)
class ReliabilityDiagram:
    """Predicted probability and observed frequency by bins, all classes together, and the expected calibration error:
    the mean of the classes' own.

    Fields are named as in `explain.json`: `said` is the predicted probability.
    """

    said: Sequence[float]
    frequency: Sequence[float]
    share: Sequence[float]
    expected_error: float


@dataclass(frozen=True)
class EnsembleReport:
    """Cross-validated scores of ensembles, with thresholds fitted anew for each; fields are named as in `explain.json`.

    `whole` is the score of all members. `alone` and `without` map members to the scores of the member alone and of the
    ensemble without it, `loss` to what is lost with it; `growth` begins with the best member, and each next one is the
    one that adds most. `correlation` holds, for activity, azimuth and distance, that of the members' errors, NaN where
    a member does not predict the quantity. `by_class` maps scores and classes to each member's value; scores are those
    that can be fitted to and for which some member has what they need. `diagrams` are those of each member, and of the
    fused posterior, before and after what was fitted; `coverage` maps `direction` and `distance` to the share of true
    values in each interval, in percent. Both are of fits to other recordings.
    """

    criterion: str
    clips: int
    members: Sequence[str]
    whole: float
    alone: Mapping[str, Mapping[str, float]]
    without: Mapping[str, float]
    loss: Mapping[str, Interval]
    growth: Sequence[tuple[str, float]]
    correlation: Mapping[str, Sequence[Sequence[float]]]
    by_class: Mapping[str, Mapping[str, Mapping[str, float]]]
    diagrams: Mapping[str, tuple[ReliabilityDiagram, ReliabilityDiagram]]
    coverage: Mapping[str, Mapping[str, float]]


def explain_ensemble(
    tuned: TuneResult, objective: Objective, folds: int, note: Callable[[str], None]
) -> EnsembleReport:
    """Measure what each member of a tuned ensemble contributes; `note` is called with what is being tried."""
    data = tuned.compared
    members = tuple(data.members)

    def count(chosen: Sequence[str]) -> Counts:
        note(f"what {' and '.join(chosen)} can do")
        part = replace(data, members={name: data.members[name] for name in chosen})
        return cross_validate(PooledMembers.from_members(part, tuned.start, objective), ("decoding",), folds)[1]

    name, shown = objective.score.name, _list_shown(data)
    ensembles = _Ensembles(count, objective.score)
    of_all = ensembles.counts(members)
    alone = {member: ensembles.counts((member,)) for member in members}
    others = {member: tuple(other for other in members if other != member) for member in members}
    without = {member: rest for member, rest in others.items() if rest}
    return EnsembleReport(
        criterion=name,
        clips=len(data),
        members=members,
        whole=ensembles.score(members),
        alone={member: _scores(counts, shown) for member, counts in alone.items()},
        without={member: ensembles.score(rest) for member, rest in without.items()},
        loss={member: compare_systems(of_all, ensembles.counts(rest))[name] for member, rest in without.items()},
        growth=_growth(ensembles, members),
        correlation=_correlations(data),
        by_class=_by_class(alone, data, shown),
        diagrams=_diagrams(data, tuned, folds),
        coverage=compute_coverage(tuned.winner.posterior, data.target, tuned.winner.settings),
    )


class _Ensembles:
    """Counts of ensembles of some of the members, each tried once, and their score."""

    def __init__(self, count: Callable[[Sequence[str]], Counts], score: Score) -> None:
        self._count, self._score = count, score
        self._by_members: dict[frozenset[str], Counts] = {}

    def counts(self, members: Sequence[str]) -> Counts:
        key = frozenset(members)
        if key not in self._by_members:
            self._by_members[key] = self._count(members)
        return self._by_members[key]

    def score(self, members: Sequence[str]) -> float:
        return compute_intervals(self.counts(members))[self._score.name].value

    def rank(self, value: float) -> tuple[bool, float]:
        """Make a key by which the best value is the largest; a member that has no score comes last."""
        return not math.isnan(value), orient(self._score, value)


def _list_shown(data: TuningData) -> list[str]:
    """List the scores that can be fitted to, and of which some member has whatever they need."""
    provided = {field for posterior in data.members.values() for field in posterior.provides}
    available = {need for need, field in FIELDS.items() if field in provided}
    return [score.name for score in list_scores() if score.can_fit and available.issuperset(score.needs)]


def _scores(counts: Counts, shown: Sequence[str]) -> dict[str, float]:
    found = compute_intervals(counts)
    return {name: found[name].value for name in shown}


def _growth(ensembles: _Ensembles, members: Sequence[str]) -> list[tuple[str, float]]:
    chosen: list[str] = []
    growth = []
    while len(chosen) < len(members):
        scores = {name: ensembles.score((*chosen, name)) for name in members if name not in chosen}
        best = max(scores, key=lambda name: ensembles.rank(scores[name]))
        chosen.append(best)
        growth.append((best, scores[best]))
    return growth


def _by_class(
    alone: Mapping[str, Counts], data: TuningData, shown: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    labels = data.target.labels
    found = {name: score_classes(counts.sum_clips()) for name, counts in alone.items()}
    return {
        score: {
            cls: {name: float(scores[score][number]) for name, scores in found.items()}
            for number, cls in enumerate(labels.names)
        }
        for score in shown
    }


def _correlations(data: TuningData) -> dict[str, list[list[float]]]:
    target = data.target
    sounds = (target.activity > 0.5).any(-1)
    most = torch.stack([estimate.activity.amax(-1) for estimate in data.members.values()])
    compared = (most > AUDIBLE).any(0) | sounds
    found = {"activity": _correlation((most - sounds.float())[:, compared])}
    for field in DOUBTS:
        given = [
            take_loudest_track(compute_errors(estimate, target, field), estimate)
            if field in estimate.provides
            else torch.full_like(most[0], torch.nan)
            for estimate in data.members.values()
        ]
        found[field] = _correlation(torch.stack(given).flatten(1))
    return found


def _correlation(error: Float[Tensor, "member cell"]) -> list[list[float]]:
    """Correlate the errors of each two members where both are known; NaN where they never are."""

    def pair(one: Tensor, other: Tensor) -> float:
        both = ~(one + other).isnan()
        return float(torch.stack([one[both], other[both]]).corrcoef()[0, 1]) if both.sum() > 2 else float("nan")

    return [[pair(one, other) for other in error] for one in error]


def _diagrams(
    data: TuningData, tuned: TuneResult, folds: int
) -> dict[str, tuple[ReliabilityDiagram, ReliabilityDiagram]]:
    fold, target = assign_folds(data.recording, folds), data.target
    found = {}
    for name, estimate in data.members.items():
        calibrated = estimate.activity.clone()
        for number in range(folds):
            train = fold != number
            fitted = Reliability.from_posteriors(
                estimate.map(lambda v, train=train: v[train]), target.map(lambda v, train=train: v[train])
            ).fit()
            calibrated[~train] = fitted.apply(estimate.map(lambda v, train=train: v[~train])).activity
        found[name] = (_diagram(estimate, target), _diagram(replace(estimate, activity=calibrated), target))
    before, _ = pool_all(data, tuned.start)
    return {**found, "fused": (_diagram(before, target), _diagram(tuned.winner.posterior, target))}


def _diagram(estimate: Posterior, target: Posterior) -> ReliabilityDiagram:
    reliability = Reliability.from_posteriors(estimate, target)
    probability, frequency, share = reliability.to_diagram(Calibration())
    total = share.sum(0).clamp_min(1e-9)
    probability_by_bin, frequency_by_bin = ((value * share).sum(0) / total for value in (probability, frequency))
    error = float(reliability.compute_expected_error(Calibration()).mean())
    return ReliabilityDiagram(
        probability_by_bin.tolist(), frequency_by_bin.tolist(), (total / total.sum()).tolist(), error
    )


def compute_coverage(estimate: Posterior, target: Posterior, settings: FusionSettings) -> dict[str, dict[str, float]]:
    """Compute the share of the true values in each interval of azimuth (`direction`) and `distance`, in percent.

    Errors are those of decoded events, to the nearest true source of their class.
    """
    active = find_active(estimate.activity, settings.decode, estimate.labels)[1]
    decoded = replace(estimate, activity=active.to(estimate.activity.dtype))
    found = {}
    for field, model in {"direction": settings.uncertainty.azimuth, "distance": settings.uncertainty.distance}.items():
        if model is None:
            continue
        error = compute_errors(decoded, target, field)
        width = (error.abs() / estimate.tensors()[DOUBTS[field]])[~error.isnan()]
        found[field] = {level: 100 * float((width <= half).float().mean()) for level, half in model.intervals.items()}
    return found
