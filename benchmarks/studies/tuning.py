"""The effect of tuning: fitted on scenes of its own, scored on the frozen ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.studies.json_values import bound
from benchmarks.studies.posteriors import decode_members, infer_split
from benchmarks.studies.results import answers, audio_scores, systems
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
from seldfuse.tune.events import with_fitted_events
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
    """Render the scenes to fit on, of sounds that no training has. Raises what `seldfuse synth` raises."""
    split = DatasetSplit(out, "dev-test-fit")
    make_scenes(out, clips=CLIPS, split=split.name, sounds=sounds, fit=True, evenness=EVENNESS, seed=SEED, jobs=jobs)
    return split


def measure(
    fit: DatasetSplit,
    frozen: Mapping[str, DatasetSplit],
    requests: Sequence[BackendRequest],
    note: Callable[[str], None],
) -> tuple[dict[str, Any], EnsembleReport]:
    """Measure everything, as JSON values, and the report on the members. Raises what `infer_split` raises."""
    named = [replace(request, instance=request.value.name) for request in requests]
    objective = Objective()
    data = infer_tuning_data(fit, named)
    tuned = tune_fusion(data, FusionSettings(), objective, FOLDS, lambda parts: note(f"fitting {parts}"))
    note("fitting events")
    tuned = replace(tuned, settings=with_fitted_events(data, tuned.settings))
    report = explain_ensemble(tuned, objective, FOLDS, note)
    calibration = {
        name: Reliability.from_posteriors(posterior, data.target).fit() for name, posterior in data.members.items()
    }
    others = {
        title: score_tuned(infer_tuning_data(split, named), tuned, calibration) for title, split in frozen.items()
    }
    return to_document(tuned, report, others) | {"ahead": ahead(data)}, report


def to_document(tuned: TuneResult, report: EnsembleReport, frozen: Mapping[str, Any]) -> dict[str, Any]:
    """Build the document of what was found on the scenes that were fitted on, and on others, as JSON values."""
    return {
        "members": list(report.members),
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
        "loss": {name: bound(lost) for name, lost in report.loss.items()},
        "growth": [list(step) for step in report.growth],
        "correlation": {field: to_plain_json(matrix) for field, matrix in report.correlation.items()},
        "frozen": frozen,
        "settings": tuned.settings.to_json(),
    }


def ahead(data: TuningData) -> list[dict[str, Any]]:
    """Compare ensembles of the papers' three with one of them, where all three are there."""
    tried = [system for system in systems(list(data.members)) if set(system.members) <= set(data.members)]
    predictions = {system: decode_members(data.members, system.members, system.fusion) for system in tried}
    counts = {system: count_matches(data.references, events, mode="strict") for system, events in predictions.items()}
    return list(answers(counts))


def infer_tuning_data(split: DatasetSplit, requests: Sequence[BackendRequest]) -> TuningData:
    """Infer each backend's posteriors of every clip of a split, with the targets."""
    names = sorted(path.stem for path in split.get_folder("wav").glob("*.wav"))
    references = [dcase.read_events(split.get_path(name, "csv")) for name in names]
    return TuningData.from_folders(infer_split(split, requests).posteriors, references, names)


def score_tuned(data: TuningData, tuned: TuneResult, calibration: Mapping[str, Calibration]) -> dict[str, Any]:
    """Score tuned fusion beside the presets, on scenes that it was not fitted on."""
    pooled, evidence = pool_all(data, tuned.settings)
    posterior = tuned.settings.uncertainty.apply(pooled, evidence)
    found = count_posteriors(data.references, posterior, tuned.settings.decode)
    presets = {preset: FusionSettings(preset) for preset in PRESETS}
    before = {
        preset: count_posteriors(data.references, pool_all(data, settings)[0], settings.decode)
        for preset, settings in presets.items()
    }
    return {
        "scores": {name: _scores(counts) for name, counts in {**before, "tuned": found}.items()},
        "gain": {
            preset: {name: bound(compare_systems(found, counts)[name]) for name in audio_scores()}
            for preset, counts in before.items()
        },
        "coverage": compute_coverage(posterior, data.target, tuned.settings),
        "expected_error": {
            **{
                name: [_error(one, data), _error(calibration[name].apply(one), data)]
                for name, one in data.members.items()
            },
            "fused": [_error(pooled, data), _error(posterior, data)],
        },
    }


def _scores(counts: Counts) -> dict[str, Any]:
    found = compute_intervals(counts)
    return {name: bound(found[name]) for name in audio_scores()}


def _error(posterior: Posterior, data: TuningData) -> float:
    return float(Reliability.from_posteriors(posterior, data.target).compute_expected_error(Calibration()).mean())
