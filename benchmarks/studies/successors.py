"""Whether checkpoints are better than those before them: the same systems of both, pair by pair, on the frozen sets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Group
from rich.table import Table

from benchmarks.studies.json_values import bound
from benchmarks.studies.posteriors import SplitPosteriors, decode_members, infer_split
from benchmarks.studies.results import System, audio_scores, systems
from benchmarks.studies.sound_groups import find_set_sounds
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.errors import UsageError
from seldfuse.metrics.counts import count_pairs
from seldfuse.metrics.jackknife import SoundGroups, compare_systems
from seldfuse.metrics.matches import Matches, find_matches
from seldfuse.metrics.registered import find_score
from seldfuse.metrics.skill import compare_skill
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.sounds.soundbank import SoundBank

SKILLS = ("doae_skill", "rde_skill", "distance_slope", "distance_rank")
"""What of the skill is compared: its other values are scores, or guesses. Of all of it more is better."""


def measure(
    splits: Mapping[str, DatasetSplit],
    plans: Mapping[str, Mapping[str, ScenePlan]],
    requests: Sequence[BackendRequest],
    before: Sequence[BackendRequest],
    bank: SoundBank,
) -> dict[str, Any]:
    """Measure how much more each system has than its predecessor, strictly counted, as JSON values.

    Raises UsageError where the two are not of the same backends, and what `infer_split` raises.
    """
    names, earlier = ([request.value.name for request in side] for side in (requests, before))
    if names != earlier:
        raise UsageError(f"--before expects checkpoints of {', '.join(names)}, in this order, got {', '.join(earlier)}")
    result = {}
    for name, split in splits.items():
        new, old = (
            infer_split(split, [replace(request, instance=request.value.name) for request in side])
            for side in (requests, before)
        )
        groups = find_set_sounds([plans[name][clip] for clip in new.names], bank).cells
        result[name] = {system.name: compare(new, old, system, groups) for system in systems(names)}
    return result


def compare(new: SplitPosteriors, old: SplitPosteriors, system: System, groups: SoundGroups) -> dict[str, Any]:
    """Compare a system's scores and skill with those of its predecessor, as JSON values."""
    mine, theirs = (match_events(side, system) for side in (new, old))
    scores = compare_systems(count_pairs(mine), count_pairs(theirs), groups=groups)
    skill = compare_skill(mine, theirs, groups=groups)
    return {name: bound(scores[name]) for name in audio_scores()} | {name: bound(skill[name]) for name in SKILLS}


def match_events(side: SplitPosteriors, system: System) -> Matches:
    """Match the events of a system with the references, strictly counted."""
    return find_matches(side.references, decode_members(side.posteriors, system.members, system.fusion), mode="strict")


def table(result: Mapping[str, Any]) -> Group:
    """Lay out the differences; a tick stands where the whole interval is on the better side of 0."""
    parts = []
    for name, measured in result.items():
        part = Table("system", "less its predecessor", "difference", "95 % interval", "better", title=name)
        for system, values in measured.items():
            for row in _rows(values):
                part.add_row(system, *row)
        parts.append(part)
    return Group(*parts)


def _rows(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name, bounds in values.items():
        value, low, high = bounds["value"], bounds["low"], bounds["high"]
        if value is None or low is None:
            continue
        larger = name in SKILLS or find_score(name).higher_is_better
        yield name, f"{value:+.3f}", f"{low:+.3f} … {high:+.3f}", "✓" if (low > 0 if larger else high < 0) else ""
