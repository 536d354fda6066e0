"""What the shipped checkpoints score on the frozen sets: each backend alone, ensembles, and ensembles less members."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool

from benchmarks.studies.posteriors import SplitPosteriors, decode_members, infer_split
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.errors import UsageError
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.jackknife import Interval, compare_systems, compute_intervals
from seldfuse.metrics.matches import Mode
from seldfuse.metrics.registered import list_scores
from seldfuse.metrics.scores import score_classes
from seldfuse.run_manifest import describe_run
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.sounds.soundbank import SoundBank

PAPERS = ("doa", "sde", "sce")
"""The three whose ensemble NERC-SLIP's report describes."""
BASELINE = "baseline"
QUESTIONS = (
    ("doa", "f20"),
    ("sde", "f1"),
    ("sce", "f20_1"),
    (BASELINE, "f20_1"),
    (BASELINE, "f20"),
    (BASELINE, "f1"),
)
"""What an ensemble of the three should have more of than one backend alone."""
FEWEST_GROUPS = 5
"""The scores of a class of fewer held-out speakers or recordings describe these more than the class."""
DIGITS = 5


@dataclass(frozen=True)
class System:
    """Members by the names of their backends, fused by `--fusion`'s preset; or one backend alone."""

    members: tuple[str, ...]
    fusion: str = "mean"

    @property
    def name(self) -> str:
        return self.members[0] if len(self.members) == 1 else f"{self.fusion} of {', '.join(self.members)}"


def systems(backends: Sequence[str]) -> list[System]:
    """List each backend alone; with the papers' three their ensembles, and with the baseline, too, that of all."""
    found = [System((backend,)) for backend in backends]
    if set(PAPERS) <= set(backends):
        found += [System(PAPERS), System(PAPERS, "nercslip"), System(PAPERS, "tuned")]
        found += [System((BASELINE, *PAPERS))] if BASELINE in backends else []
    return found


def select_backends(backends: str) -> tuple[BackendRequest, ...]:
    """Select backends as `seldfuse run` does. Raises UsageError where one is named twice, else as `find_backends`."""
    requests = load_registry().find_backends(backends)
    names = [request.value.name for request in requests]
    if len(set(names)) < len(names):
        raise UsageError(f"--backends expects each backend once, got {', '.join(names)}")
    return requests


def measure(splits: Mapping[str, DatasetSplit], requests: Sequence[BackendRequest], bank: SoundBank) -> dict[str, Any]:
    """Measure everything, as JSON values; `bank` holds the sounds of the sets. Raises what `infer_split` raises."""
    # Each under the bare name of its backend, by which its results are found.
    named = [replace(request, instance=request.value.name) for request in requests]
    tried, groups = systems([request.instance for request in named]), groups_of(bank)
    recipe = describe_run(requests, (), load_registry())
    return {
        "seldfuse": recipe["seldfuse"],
        "backends": {request.instance: entry for request, entry in zip(named, recipe["backends"], strict=True)},
        "systems": [{"name": system.name, **asdict(system)} for system in tried],
        "groups": groups,
        "fewest_groups": FEWEST_GROUPS,
        "sets": {name: score_systems(infer_split(split, named), tried, groups) for name, split in splits.items()},
    }


def groups_of(bank: SoundBank) -> dict[str, int]:
    """Count the groups of sounds, which are speakers or recordings, of each class."""
    return {name: len(groups) for name, groups in zip(bank.labels.names, bank.classes, strict=True)}


def score_systems(inferred: SplitPosteriors, tried: Sequence[System], groups: Mapping[str, int]) -> dict[str, Any]:
    """Compute all scores of some systems on one set, and in how many frames each class is active."""
    predictions = {system: decode_members(inferred.posteriors, system.members, system.fusion) for system in tried}
    many = np.array([number >= FEWEST_GROUPS for number in groups.values()])
    result: dict[str, Any] = {"clips": len(inferred.references)}
    for mode in get_args(Mode):
        counts = {
            system: count_matches(inferred.references, events, mode=mode) for system, events in predictions.items()
        }
        result[mode] = mode_scores(counts, many)
    return result


def mode_scores(counts: Mapping[System, Counts], many: Bool[np.ndarray, "cls"]) -> dict[str, Any]:
    """Score counts of shape `clip cls`: macro over all classes, over those of `many` groups, by class, compared."""
    some = next(iter(counts.values()))
    without = {system: found.map(lambda count: count[:, many]) for system, found in counts.items()}
    return {
        "frames": (some.pairs + some.misses).sum(axis=0).astype(int).tolist(),
        "scores": {system.name: _bounds(compute_intervals(found)) for system, found in counts.items()},
        "scores_of_many_groups": {system.name: _bounds(compute_intervals(found)) for system, found in without.items()},
        "classes": {system.name: _class_scores(found) for system, found in counts.items()},
        "differences": list(answers(counts)),
    }


def answers(counts: Mapping[System, Counts]) -> Iterator[dict[str, Any]]:
    """Compare ensembles of the papers' three with one backend, where both are there."""
    alone = {system.members[0]: found for system, found in counts.items() if len(system.members) == 1}
    for system, found in counts.items():
        if system.members != PAPERS:
            continue
        for minus, score in QUESTIONS:
            if minus in alone:
                bounds = bound(compare_systems(found, alone[minus])[score])
                yield {"system": system.name, "minus": minus, "score": score, "difference": bounds}


def audio_scores() -> list[str]:
    """List the scores that audio backends can have."""
    return [score.name for score in list_scores() if "onscreen" not in score.needs]


def _class_scores(counts: Counts) -> dict[str, list[float | None]]:
    found = score_classes(counts.sum_clips())
    return {name: [_plain(value) for value in found[name]] for name in audio_scores()}


def _bounds(found: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {name: bound(found[name]) for name in audio_scores()}


def bound(interval: Interval) -> dict[str, float | None]:
    """Convert an interval to JSON values."""
    return {"value": _plain(interval.value), "low": _plain(interval.low), "high": _plain(interval.high)}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)
