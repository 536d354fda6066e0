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
from seldfuse.fusion.combine import SPREADS
from seldfuse.fusion.decode import find_active
from seldfuse.metrics.catalogue import list_scores, orient
from seldfuse.metrics.counts import Counts
from seldfuse.metrics.jackknife import Interval, compare_systems, compute_intervals
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
    """Probability and frequency by bins, all classes together, and the expected calibration error: the mean of the
    classes' own."""

    said: Sequence[float]
    frequency: Sequence[float]
    share: Sequence[float]
    expected_error: float


@dataclass(frozen=True)
class EnsembleReport:
    """Scores are cross-validated, with thresholds fitted anew for each ensemble.

    `alone` and `without` map members to the scores of the member alone and of the ensemble without it, `loss` to what
    is lost with it; `growth` begins with the best member, and each next one is the one that adds most. `correlation`
    holds, for activity, azimuth and distance, that of the members' errors, NaN where a member does not state the
    quantity. `by_class` maps scores and classes to each member's value; scores are those that can be fitted to and for
    which some member has what they need. `diagrams` are those of each member, and of the fused posterior, before and
    after what was fitted; `coverage` maps `direction` and `distance` to the share of true values in each interval, in
    percent. Both are of fits that had not seen the clip.
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
    """Find what each member of a tuned ensemble is worth; `note` is told what is being tried."""
    material = tuned.compared
    members = tuple(material.members)

    def counted(chosen: Sequence[str]) -> Counts:
        note(f"what {' and '.join(chosen)} can do")
        part = replace(material, members={name: material.members[name] for name in chosen})
        return cross_validate(PooledMembers.from_members(part, tuned.start, objective), ("decoding",), folds)[1]

    name, shown = objective.score.name, _list_shown(material)
    ensembles = _Ensembles(counted, objective.score)
    whole = ensembles.counts(members)
    alone = {member: ensembles.counts((member,)) for member in members}
    others = {member: tuple(other for other in members if other != member) for member in members}
    without = {member: rest for member, rest in others.items() if rest}
    return EnsembleReport(
        criterion=name,
        clips=len(material),
        members=members,
        whole=ensembles.score(members),
        alone={member: _scores(counts, shown) for member, counts in alone.items()},
        without={member: ensembles.score(rest) for member, rest in without.items()},
        loss={member: compare_systems(whole, ensembles.counts(rest))[name] for member, rest in without.items()},
        growth=_growth(ensembles, members),
        correlation=_correlations(material),
        by_class=_by_class(alone, material, shown),
        diagrams=_diagrams(material, tuned, folds),
        coverage=compute_coverage(tuned.winner.posterior, material.truth, tuned.winner.settings),
    )


class _Ensembles:
    """Counts of ensembles of some of the members, each tried once, and their score."""

    def __init__(self, counted: Callable[[Sequence[str]], Counts], score: Score) -> None:
        self._counted, self._score = counted, score
        self._made: dict[frozenset[str], Counts] = {}

    def counts(self, members: Sequence[str]) -> Counts:
        key = frozenset(members)
        if key not in self._made:
            self._made[key] = self._counted(members)
        return self._made[key]

    def score(self, members: Sequence[str]) -> float:
        return compute_intervals(self.counts(members))[self._score.name].value

    def rank(self, value: float) -> tuple[bool, float]:
        """Make a key by which the best value is the largest; a member that has no score comes last."""
        return not math.isnan(value), orient(self._score, value)


def _list_shown(material: TuningData) -> list[str]:
    """The scores that can be fitted to, and of which some member has whatever they need."""
    provided = {field for posterior in material.members.values() for field in posterior.provides}
    there = {need for need, field in FIELDS.items() if field in provided}
    return [score.name for score in list_scores() if score.can_fit and there.issuperset(score.needs)]


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
    alone: Mapping[str, Counts], material: TuningData, shown: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    labels = material.truth.labels
    found = {name: score_classes(counts.sum_clips()) for name, counts in alone.items()}
    return {
        score: {
            cls: {name: float(scores[score][place]) for name, scores in found.items()}
            for place, cls in enumerate(labels.names)
        }
        for score in shown
    }


def _correlations(material: TuningData) -> dict[str, list[list[float]]]:
    truth = material.truth
    sounds = (truth.activity > 0.5).any(-1)
    most = torch.stack([said.activity.amax(-1) for said in material.members.values()])
    asked = (most > AUDIBLE).any(0) | sounds
    found = {"activity": _correlation((most - sounds.float())[:, asked])}
    for field in SPREADS:
        given = [
            take_loudest_track(compute_errors(said, truth, field), said)
            if field in said.provides
            else torch.full_like(most[0], torch.nan)
            for said in material.members.values()
        ]
        found[field] = _correlation(torch.stack(given).flatten(1))
    return found


def _correlation(error: Float[Tensor, "member cell"]) -> list[list[float]]:
    """Of each two members where both tell; NaN where they never do."""

    def pair(one: Tensor, other: Tensor) -> float:
        both = ~(one + other).isnan()
        return float(torch.stack([one[both], other[both]]).corrcoef()[0, 1]) if both.sum() > 2 else float("nan")

    return [[pair(one, other) for other in error] for one in error]


def _diagrams(
    material: TuningData, tuned: TuneResult, folds: int
) -> dict[str, tuple[ReliabilityDiagram, ReliabilityDiagram]]:
    fold, truth = assign_folds(material.recording, folds), material.truth
    found = {}
    for name, said in material.members.items():
        mended = said.activity.clone()
        for number in range(folds):
            seen = fold != number
            fitted = Reliability.from_posteriors(
                said.map(lambda v, seen=seen: v[seen]), truth.map(lambda v, seen=seen: v[seen])
            ).fit()
            mended[~seen] = fitted.apply(said.map(lambda v, seen=seen: v[~seen])).activity
        found[name] = (_diagram(said, truth), _diagram(replace(said, activity=mended), truth))
    before, _ = pool_all(material, tuned.start)
    return {**found, "fused": (_diagram(before, truth), _diagram(tuned.winner.posterior, truth))}


def _diagram(said: Posterior, truth: Posterior) -> ReliabilityDiagram:
    counted = Reliability.from_posteriors(said, truth)
    probability, frequency, share = counted.to_diagram(Calibration())
    total = share.sum(0).clamp_min(1e-9)
    said_by_bin, heard_by_bin = ((value * share).sum(0) / total for value in (probability, frequency))
    error = float(counted.compute_expected_error(Calibration()).mean())
    return ReliabilityDiagram(said_by_bin.tolist(), heard_by_bin.tolist(), (total / total.sum()).tolist(), error)


def compute_coverage(said: Posterior, truth: Posterior, settings: FusionSettings) -> dict[str, dict[str, float]]:
    """What share of the true values lies in each interval of azimuth (`direction`) and `distance`, in percent.

    Of the events as they would be told, towards the nearest true source of their class.
    """
    active = find_active(said.activity, settings.decode, said.labels)[1]
    told = replace(said, activity=active.to(said.activity.dtype))
    found = {}
    for field, doubt in {"direction": settings.uncertainty.azimuth, "distance": settings.uncertainty.distance}.items():
        if doubt is None:
            continue
        error = compute_errors(told, truth, field)
        width = (error.abs() / said.tensors()[SPREADS[field]])[~error.isnan()]
        found[field] = {level: 100 * float((width <= half).float().mean()) for level, half in doubt.intervals.items()}
    return found
