"""What tuning is worth: fitted on scenes of its own, judged on the frozen ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.studies.hearing import decided, hear
from benchmarks.studies.results import answers, audio_scores, bound, systems
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.cli.commands.synth import make_scenes
from seldfuse.core.posterior import Posterior
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.settings import PRESETS
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.jackknife import compare_systems, compute_intervals
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.tune.counting import count_posteriors
from seldfuse.tune.explain import EnsembleReport, compute_coverage, explain_ensemble
from seldfuse.tune.fit import Objective, pool_all
from seldfuse.tune.fusion import TuneResult, tune_fusion
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.report import to_plain_json
from seldfuse.tune.tuning_data import TuningData

CLIPS, EVENNESS, SEED = 1000, 0.5, 20260
"""The scenes to fit on: as many of each class as in `validation-v1-pra`, in other rooms."""
FOLDS = 5


def render(out: Path, sounds: Path, jobs: int) -> DatasetSplit:
    """The scenes to fit on, of sounds that no training hears. Raises what `seldfuse synth` raises."""
    split = DatasetSplit(out, "dev-test-fit")
    make_scenes(
        out, clips=CLIPS, split=split.name, sounds=sounds, held_out=True, evenness=EVENNESS, seed=SEED, jobs=jobs
    )
    return split


def measure(
    fit: DatasetSplit,
    frozen: Mapping[str, DatasetSplit],
    requests: Sequence[BackendRequest],
    watch: Callable[[str], None],
) -> tuple[dict[str, Any], EnsembleReport]:
    """The whole result as JSON values, and what the members are worth. Raises what `hear` raises."""
    named = [replace(request, instance=request.value.name) for request in requests]
    objective = Objective()
    material = heard(fit, named)
    tuned = tune_fusion(material, FusionSettings(), objective, FOLDS, lambda parts: watch(f"fitting {parts}"))
    worth = explain_ensemble(tuned, objective, FOLDS, watch)
    calibration = {
        name: Reliability.from_posteriors(said, material.truth).fit() for name, said in material.members.items()
    }
    others = {title: judged(heard(split, named), tuned, calibration) for title, split in frozen.items()}
    return document(tuned, worth, others) | {"ahead": ahead(material)}, worth


def document(tuned: TuneResult, worth: EnsembleReport, frozen: Mapping[str, Any]) -> dict[str, Any]:
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
        "correlation": {field: to_plain_json(matrix) for field, matrix in worth.correlation.items()},
        "frozen": frozen,
        "settings": tuned.settings.to_json(),
    }


def ahead(material: TuningData) -> list[dict[str, Any]]:
    """How much more ensembles of the papers' three have than one of them, where all three are there."""
    tried = [system for system in systems(list(material.members)) if set(system.members) <= set(material.members)]
    predictions = {system: decided(material.members, system.members, system.fusion) for system in tried}
    counts = {
        system: count_matches(material.references, events, mode="strict") for system, events in predictions.items()
    }
    return list(answers(counts))


def heard(split: DatasetSplit, requests: Sequence[BackendRequest]) -> TuningData:
    """What each backend says of every clip of a split, beside the truth."""
    names = sorted(path.stem for path in split.get_folder("wav").glob("*.wav"))
    references = [dcase.read_events(split.get_path(name, "csv")) for name in names]
    return TuningData.from_folders(hear(split, requests).said, references, names)


def judged(material: TuningData, tuned: TuneResult, calibration: Mapping[str, Calibration]) -> dict[str, Any]:
    """Tuned fusion beside the presets, on scenes that it was not fitted on."""
    pooled, evidence = pool_all(material, tuned.settings)
    said = tuned.settings.uncertainty.apply(pooled, evidence)
    found = count_posteriors(material.references, said, tuned.settings.decode)
    presets = {preset: FusionSettings(preset) for preset in PRESETS}
    before = {
        preset: count_posteriors(material.references, pool_all(material, settings)[0], settings.decode)
        for preset, settings in presets.items()
    }
    return {
        "scores": {name: _scores(counts) for name, counts in {**before, "tuned": found}.items()},
        "gain": {
            preset: {name: bound(compare_systems(found, counts)[name]) for name in audio_scores()}
            for preset, counts in before.items()
        },
        "coverage": compute_coverage(said, material.truth, tuned.settings),
        "expected_error": {
            **{
                name: [_error(one, material), _error(calibration[name].apply(one), material)]
                for name, one in material.members.items()
            },
            "fused": [_error(pooled, material), _error(said, material)],
        },
    }


def _scores(counts: Counts) -> dict[str, Any]:
    found = compute_intervals(counts)
    return {name: bound(found[name]) for name in audio_scores()}


def _error(said: Posterior, material: TuningData) -> float:
    return float(Reliability.from_posteriors(said, material.truth).compute_expected_error(Calibration()).mean())
