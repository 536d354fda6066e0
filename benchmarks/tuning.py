"""What tuning is worth: fitted on scenes of its own, judged on the frozen ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.hearing import decided, hear
from benchmarks.results_scores import SCORES, answers, bound, systems
from seldfuse.cli.synth import synth
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.settings import PRESETS
from seldfuse.metrics.counts import Counts, count
from seldfuse.metrics.jackknife import differences, intervals
from seldfuse.plugin.registry import BackendRequest
from seldfuse.posterior import Posterior
from seldfuse.synth.dataset.folder import Split
from seldfuse.tune.choose import Tuned, tune
from seldfuse.tune.counting import count_said
from seldfuse.tune.explain import Worth, coverage, explained
from seldfuse.tune.fit import Objective, pool_all
from seldfuse.tune.material import Material
from seldfuse.tune.pictures import plain
from seldfuse.tune.reliability import Reliability

CLIPS, EVENNESS, SEED = 1000, 0.5, 20260
"""The scenes to fit on: as many of each class as in `validation-v1-pra`, in other rooms."""
FOLDS = 5


def render(out: Path, sounds: Path, jobs: int) -> Split:
    """The scenes to fit on, of sounds that no training hears. Raises what `seldfuse synth` raises."""
    synth(out, clips=CLIPS, split="dev-test-fit", sounds=sounds, held_out=True, evenness=EVENNESS, seed=SEED, jobs=jobs)
    return Split(out, "dev-test-fit")


def measure(
    fit: Split, frozen: Mapping[str, Split], requests: Sequence[BackendRequest], watch: Callable[[str], None]
) -> tuple[dict[str, Any], Worth]:
    """The whole result as JSON values, and what the members are worth. Raises what `hear` raises."""
    named = [replace(request, instance=request.spec.name) for request in requests]
    objective = Objective()
    material = heard(fit, named)
    tuned = tune(material, FusionSettings(), objective, FOLDS, lambda parts: watch(f"fitting {parts}"))
    worth = explained(tuned, objective, FOLDS, watch)
    calibration = {name: Reliability.of(said, material.truth).fit() for name, said in material.members.items()}
    others = {title: judged(heard(split, named), tuned, calibration) for title, split in frozen.items()}
    return document(tuned, worth, others) | {"ahead": ahead(material)}, worth


def document(tuned: Tuned, worth: Worth, frozen: Mapping[str, Any]) -> dict[str, Any]:
    """What was found on the scenes that were fitted on, and on others, as JSON values."""
    return {
        "members": list(worth.members),
        "clips": len(tuned.compared),
        "starts": [list(start) for start in tuned.starts],
        "preset": bound(tuned.preset),
        "candidates": [
            {
                "parts": list(candidate.parts),
                "cross_validated": bound(candidate.cross_validated),
                "gain": bound(candidate.gain),
                "resubstituted": candidate.resubstituted,
            }
            for candidate in tuned.candidates
        ],
        "chosen": {
            "preset": tuned.start.preset,
            "combine": tuned.start.combine,
            "parts": list(tuned.winner.candidate.parts),
        },
        "loss": {name: bound(lost) for name, lost in worth.loss.items()},
        "growth": [list(step) for step in worth.growth],
        "correlation": {field: plain(matrix) for field, matrix in worth.correlation.items()},
        "frozen": frozen,
        "settings": tuned.settings.to_json(),
    }


def ahead(material: Material) -> list[dict[str, Any]]:
    """How much more ensembles of the papers' three have than one of them, where all three are there."""
    tried = [system for system in systems(list(material.members)) if set(system.members) <= set(material.members)]
    predictions = {system: decided(material.members, system.members, system.fusion) for system in tried}
    counts = {system: count(material.references, events, mode="strict") for system, events in predictions.items()}
    return list(answers(counts))


def heard(split: Split, requests: Sequence[BackendRequest]) -> Material:
    """What each backend says of every clip of a split, beside the truth."""
    names = sorted(path.stem for path in split.folder("wav").glob("*.wav"))
    references = [dcase.read(split.file(name, "csv")) for name in names]
    return Material.of(hear(split, requests).said, references, names)


def judged(material: Material, tuned: Tuned, calibration: Mapping[str, Calibration]) -> dict[str, Any]:
    """Tuned fusion beside the presets, on scenes that it was not fitted on."""
    pooled, evidence = pool_all(material, tuned.settings)
    said = tuned.settings.doubt.of(pooled, evidence)
    found = count_said(material.references, said, tuned.settings.decode)
    presets = {preset: FusionSettings(preset) for preset in PRESETS}
    before = {
        preset: count_said(material.references, pool_all(material, settings)[0], settings.decode)
        for preset, settings in presets.items()
    }
    return {
        "scores": {name: _scores(counts) for name, counts in {**before, "tuned": found}.items()},
        "gain": {
            preset: {name: bound(differences(found, counts)[name]) for name in SCORES}
            for preset, counts in before.items()
        },
        "coverage": coverage(said, material.truth, tuned.settings),
        "expected_error": {
            **{
                name: [_error(one, material), _error(calibration[name].of(one), material)]
                for name, one in material.members.items()
            },
            "fused": [_error(pooled, material), _error(said, material)],
        },
    }


def _scores(counts: Counts) -> dict[str, Any]:
    found = intervals(counts)
    return {name: bound(found[name]) for name in SCORES}


def _error(said: Posterior, material: Material) -> float:
    return float(Reliability.of(said, material.truth).expected_error(Calibration()).mean())
