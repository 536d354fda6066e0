"""What the shipped checkpoints score on the frozen sets: each backend alone, ensembles, and ensembles less members.

Intervals leave out the groups of sounds that the sets are made of (`benchmarks.studies.sound_groups`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from benchmarks.studies.conditions import measure_conditions
from benchmarks.studies.doubt import build_target, measure_doubt
from benchmarks.studies.heard import measure_guesses, measure_heard
from benchmarks.studies.json_values import bound, to_json_value
from benchmarks.studies.posteriors import SplitPosteriors, fuse_members, infer_split, resolve_fusion
from benchmarks.studies.sound_groups import FEWEST_GROUPS, SHORTEST_S, SetSounds, find_set_sounds
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.errors import UsageError
from seldfuse.fusion import decode_frames
from seldfuse.metrics.counts import Counts, count_pairs
from seldfuse.metrics.jackknife import Interval, SoundGroups, compare_systems, compute_intervals
from seldfuse.metrics.matches import Matches, Mode, find_matches
from seldfuse.metrics.registered import list_scores
from seldfuse.metrics.scores import score_classes
from seldfuse.metrics.skill import Skill, compare_skill, compute_skill
from seldfuse.run_manifest import describe_run
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.scene import ScenePlan
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
SKILL_QUESTIONS = {"doa": ("doae_deg",), "sde": ("rde", "distance_rank"), "sce": ("doae_deg", "rde", "distance_rank")}
"""In what an ensemble of the three should be better than one of them."""


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


def measure(
    splits: Mapping[str, DatasetSplit],
    plans: Mapping[str, Mapping[str, ScenePlan]],
    requests: Sequence[BackendRequest],
    bank: SoundBank,
) -> dict[str, Any]:
    """Measure everything, as JSON values: sets by their names, `plans` by those of set and clip; `bank` holds their
    sounds. Raises what `infer_split` raises.
    """
    # Each under the bare name of its backend, by which its results are found.
    named = [replace(request, instance=request.value.name) for request in requests]
    tried = systems([request.instance for request in named])
    recipe = describe_run(requests, (), load_registry())
    return {
        "seldfuse": recipe["seldfuse"],
        "backends": {request.instance: entry for request, entry in zip(named, recipe["backends"], strict=True)},
        "systems": [{"name": system.name, **asdict(system)} for system in tried],
        "labels": list(bank.labels.names),
        "fewest_groups": FEWEST_GROUPS,
        "shortest_s": SHORTEST_S,
        "sets": {
            name: score_systems(infer_split(split, named), tried, plans[name], bank) for name, split in splits.items()
        },
    }


def score_systems(
    inferred: SplitPosteriors, tried: Sequence[System], plans: Mapping[str, ScenePlan], bank: SoundBank
) -> dict[str, Any]:
    """Compute all scores of some systems on one set, their skill, where they err, and whether their doubts hold."""
    drawn = [plans[name] for name in inferred.names]
    sounds = find_set_sounds(drawn, bank)
    target = build_target(inferred.references, inferred.names, next(iter(inferred.posteriors.values())))
    result: dict[str, Any] = {"clips": len(drawn), "classes": sounds.to_json()}
    predictions, doubts = {}, {}
    for system in tried:
        fused = fuse_members(inferred.posteriors, system.members, system.fusion)
        decode = resolve_fusion(system.members, system.fusion).decode
        predictions[system] = decode_frames(fused, decode)
        doubts[system.name] = measure_doubt(fused, target, decode)
    matches: dict[System, Matches] = {}
    for mode in reversed(get_args(Mode)):
        matched = {
            system: find_matches(inferred.references, events, mode=mode) for system, events in predictions.items()
        }
        result[mode] = mode_scores({system: count_pairs(found) for system, found in matched.items()}, sounds)
        matches = matched if mode == "strict" else matches
    return result | {
        "skill": {system.name: skill_values(found, sounds.cells) for system, found in matches.items()},
        "skill_differences": list(skill_answers(matches, sounds.cells)),
        "guesses": measure_guesses(next(iter(matches.values()))),
        "heard": {system.name: measure_heard(found) for system, found in matches.items()},
        "conditions": {
            system.name: measure_conditions(inferred.references, predictions[system], found, drawn, sounds.cells)
            for system, found in matches.items()
        },
        "doubt": doubts,
    }


def mode_scores(counts: Mapping[System, Counts], sounds: SetSounds) -> dict[str, Any]:
    """Score counts of shape `clip cls`: macro over all classes, over those of enough sounds, by class, compared."""
    some, enough, groups = next(iter(counts.values())), sounds.enough, sounds.cells
    without = {system: found.map(lambda count: count[:, enough]) for system, found in counts.items() if enough.any()}
    return {
        "frames": (some.pairs + some.misses).sum(axis=0).astype(int).tolist(),
        "scores": {system.name: _bounds(compute_intervals(found, groups=groups)) for system, found in counts.items()},
        "scores_of_many_groups": {
            system.name: _bounds(compute_intervals(found, groups=groups[:, enough]))
            for system, found in without.items()
        },
        "classes": {system.name: _class_scores(found) for system, found in counts.items()},
        "differences": list(answers(counts, groups)),
    }


def answers(counts: Mapping[System, Counts], groups: SoundGroups | None = None) -> Iterator[dict[str, Any]]:
    """Compare ensembles of the papers' three with one backend, where both are there."""
    alone = {system.members[0]: found for system, found in counts.items() if len(system.members) == 1}
    for system, found in counts.items():
        if system.members != PAPERS:
            continue
        for minus, score in QUESTIONS:
            if minus in alone:
                bounds = bound(compare_systems(found, alone[minus], groups=groups)[score])
                yield {"system": system.name, "minus": minus, "score": score, "difference": bounds}


def skill_values(matches: Matches, groups: SoundGroups) -> dict[str, Any]:
    """Compute the skill of a system, as JSON values, named as `seldfuse eval --json` does."""
    skill: Skill = compute_skill(matches, groups=groups)
    bins = [
        {
            "low_deg": part.low_deg,
            "high_deg": part.high_deg,
            "pairs": part.pairs,
            "true_deg": to_json_value(part.true_deg),
            "predicted_deg": bound(part.predicted_deg),
        }
        for part in skill.azimuth_bins
    ]
    return {name: bound(value) for name, value in skill.values.items()} | {"azimuth_bins": bins}


def skill_answers(matches: Mapping[System, Matches], groups: SoundGroups) -> Iterator[dict[str, Any]]:
    """Compare the skill of ensembles of the papers' three with that of one of them, where it is there."""
    alone = {system.members[0]: found for system, found in matches.items() if len(system.members) == 1}
    for system, found in matches.items():
        if system.members != PAPERS:
            continue
        for minus, names in SKILL_QUESTIONS.items():
            difference = compare_skill(found, alone[minus], groups=groups)
            for name in names:
                yield {"system": system.name, "minus": minus, "skill": name, "difference": bound(difference[name])}


def audio_scores() -> list[str]:
    """List the scores that audio backends can have."""
    return [score.name for score in list_scores() if "onscreen" not in score.needs]


def _class_scores(counts: Counts) -> dict[str, list[float | None]]:
    found = score_classes(counts.sum_clips())
    return {name: [to_json_value(value) for value in found[name]] for name in audio_scores()}


def _bounds(found: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {name: bound(found[name]) for name in audio_scores()}
