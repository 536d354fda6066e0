"""What the shipped checkpoints score on the frozen sets: each backend alone, ensembles, and ensembles less members."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool

from benchmarks.studies.hearing import Hearing, decided, hear
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.errors import UsageError
from seldfuse.metrics.catalogue import list_scores
from seldfuse.metrics.counts import Counts, Mode, count_matches
from seldfuse.metrics.jackknife import Interval, compare_systems, compute_intervals
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
"""A class of fewer held-out speakers or recordings says much of these and little of the class."""
DIGITS = 5


@dataclass(frozen=True)
class System:
    """Members by the names of their backends, merged as `--fusion` says; or one backend alone."""

    members: tuple[str, ...]
    fusion: str = "mean"

    @property
    def name(self) -> str:
        return self.members[0] if len(self.members) == 1 else f"{self.fusion} of {', '.join(self.members)}"


def systems(backends: Sequence[str]) -> list[System]:
    """Each backend alone; if the papers' three are among them their ensembles, and with the baseline that of all."""
    found = [System((backend,)) for backend in backends]
    if set(PAPERS) <= set(backends):
        found += [System(PAPERS), System(PAPERS, "nercslip"), System(PAPERS, "tuned")]
        found += [System((BASELINE, *PAPERS))] if BASELINE in backends else []
    return found


def chosen(backends: str) -> tuple[BackendRequest, ...]:
    """Backends as for `seldfuse run`. Raises UsageError where one is named twice, PluginError as `find_backends`."""
    requests = load_registry().find_backends(backends)
    names = [request.value.name for request in requests]
    if len(set(names)) < len(names):
        raise UsageError(f"--backends expects each backend once, got {', '.join(names)}")
    return requests


def measure(splits: Mapping[str, DatasetSplit], requests: Sequence[BackendRequest], bank: SoundBank) -> dict[str, Any]:
    """The whole result as JSON values; `bank` holds the sounds that the sets are made of. Raises what `hear` raises."""
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
        "sets": {name: scored(hear(split, named), tried, groups) for name, split in splits.items()},
    }


def groups_of(bank: SoundBank) -> dict[str, int]:
    """How many groups of sounds, which are speakers or recordings, each class has."""
    return {name: len(groups) for name, groups in zip(bank.labels.names, bank.classes, strict=True)}


def scored(heard: Hearing, tried: Sequence[System], groups: Mapping[str, int]) -> dict[str, Any]:
    """All scores of some systems on one set, and how many frames each class sounds in."""
    predictions = {system: decided(heard.said, system.members, system.fusion) for system in tried}
    many = np.array([number >= FEWEST_GROUPS for number in groups.values()])
    result: dict[str, Any] = {"clips": len(heard.truth)}
    for mode in get_args(Mode):
        counts = {system: count_matches(heard.truth, events, mode=mode) for system, events in predictions.items()}
        result[mode] = mode_scores(counts, many)
    return result


def mode_scores(counts: Mapping[System, Counts], many: Bool[np.ndarray, "cls"]) -> dict[str, Any]:
    """Scores of counts of shape `clip cls`: macro over all classes, over those of `many` groups, by class, compared."""
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
    """How much more ensembles of the papers' three have than one backend, where both are there."""
    alone = {system.members[0]: found for system, found in counts.items() if len(system.members) == 1}
    for system, found in counts.items():
        if system.members != PAPERS:
            continue
        for minus, score in QUESTIONS:
            if minus in alone:
                bounds = bound(compare_systems(found, alone[minus])[score])
                yield {"system": system.name, "minus": minus, "score": score, "difference": bounds}


def audio_scores() -> list[str]:
    """The scores that backends can have that see no picture."""
    return [score.name for score in list_scores() if "onscreen" not in score.needs]


def _class_scores(counts: Counts) -> dict[str, list[float | None]]:
    found = score_classes(counts.sum_clips())
    return {name: [_plain(value) for value in found[name]] for name in audio_scores()}


def _bounds(found: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {name: bound(found[name]) for name in audio_scores()}


def bound(interval: Interval) -> dict[str, float | None]:
    """An interval as JSON values."""
    return {"value": _plain(interval.value), "low": _plain(interval.low), "high": _plain(interval.high)}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)
