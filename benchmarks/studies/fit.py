"""What ships fitted: settings of fusion and of events for sets of the bundled backends, and which ensemble is best.

Everything is fitted, compared and chosen on scenes of sounds for fitting; nothing of the frozen scenes has a say.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from jaxtyping import Bool
from rich.table import Table
from torch import Tensor

from benchmarks.studies.json_values import bound
from benchmarks.studies.post import correct_all, detect_all
from benchmarks.studies.tuning import infer_tuning_data
from seldfuse.catalogue.host import load_registry
from seldfuse.core.clip import Clip
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors
from seldfuse.fusion.fitted import EACH, FITTED, find_path
from seldfuse.inference.ensembles import BEST, BestEnsembles, EnsembleNames
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.jackknife import Interval, compare_systems, compute_intervals
from seldfuse.storage.atomic import write_atomically
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.tune.decoding import fit_decoding
from seldfuse.tune.events import with_fitted_events
from seldfuse.tune.fit import Objective, PooledMembers, fit_all
from seldfuse.tune.fusion import TuneResult, assign_folds, tune_fusion
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.tuning_data import TuningData
from seldfuse.vision.settings import VisionSettings

FOLDS = 5
CALIBRATED = ("doa", "sde", "sce", "cmc", "mvanet")
"""The backends that get a calibration of their own. Pairs with the much weaker baseline score higher without."""

SETS: tuple[tuple[str, ...], ...] = (
    ("sce",),
    ("doa", "sde", "sce"),
    ("cmc", "sce"),
    ("mvanet", "sce"),
    ("doa", "sde", "sce", "cmc", "mvanet"),
)
"""The sets that settings are fitted for: the ensembles of the bundled backends that make sense, and the best alone."""

DETECTORS = "keypoint,gdino"
CRITERION_WITH_PICTURE = "f20_1_on"
"""The score by which the ensemble for clips with a picture is chosen: that of the audio-visual track."""

ABOUT = "Fitted for the bundled {} on {} scenes; `make fit` writes this file."
ABOUT_EACH = "The calibration of each backend by itself, on {} scenes; `make fit` writes this file."


@dataclass(frozen=True)
class FittedSet:
    """A set of backends, on how many clips it was fitted, and whether with pictures, what tuning gave, and its settings
    with those of events.
    """

    members: tuple[str, ...]
    clips: int
    pictures: bool
    tuned: TuneResult
    settings: FusionSettings

    def to_json(self) -> dict[str, Any]:
        """Write what `fit.json` says of it: the score of the preset and of the settings, both cross-validated."""
        return {
            "members": list(self.members),
            "clips": self.clips,
            "pictures": self.pictures,
            "fitted": list(self.tuned.winner.candidate.parts),
            "preset": bound(self.tuned.preset),
            "cross_validated": bound(self.tuned.winner.candidate.cross_validated),
            "gain": bound(self.tuned.winner.candidate.gain),
        }


def fit_sets(
    data: TuningData, pictures: bool, sets: Sequence[tuple[str, ...]], note: Callable[[str], None]
) -> Iterator[FittedSet]:
    """Fit fusion, then events, for each set of members, all of which `data` holds. Raises what `tune_fusion` raises."""
    for members in sets:
        note(f"fitting {', '.join(members)}")
        part = replace(data, members={name: data.members[name] for name in members})
        tuned = tune_fusion(part, FusionSettings(), Objective(), FOLDS)
        yield FittedSet(members, len(data), pictures, tuned, with_fitted_events(part, tuned.settings))


def write_set(fitted: FittedSet, folder: Path) -> Path:
    """Write the settings of a set where `--fusion auto` finds them."""
    path = find_path(fitted.members, folder)
    _write(path, ABOUT.format(", ".join(fitted.members), fitted.clips), fitted.settings.to_json())
    return path


def fit_each(data: TuningData) -> FusionSettings:
    """Fit the calibration of each member by itself, and what is active where all weigh the same."""
    calibration = {
        name: Reliability.from_posteriors(posterior, data.target).fit() for name, posterior in data.members.items()
    }
    pooled = PooledMembers.from_members(data, FusionSettings(calibration=calibration), Objective())
    return replace(pooled.settings, decode=fit_decoding(pooled.rows, pooled.posterior.labels, pooled.settings.decode))


def measure(
    split: DatasetSplit,
    videos: DatasetSplit,
    detections: Path,
    note: Callable[[str], None],
    folder: Path = FITTED,
    best: Path = BEST,
) -> dict[str, Any]:
    """Fit everything, write it into `folder` and the table of the best ensembles to `best`; return what it is worth.

    `split` has sound alone, `videos` pictures, too; detections in these are kept in `detections`.
    """
    registry = load_registry()
    seeing = {name for name in CALIBRATED if registry.backends[name].value.needs_video}
    hearing = [members for members in SETS if not seeing & set(members)]
    note("inferring sound")
    heard = infer_tuning_data(
        split, registry.find_backends(",".join(name for name in CALIBRATED if name not in seeing))
    )
    note("inferring sound with pictures")
    seen = infer_tuning_data(videos, registry.find_backends(",".join(CALIBRATED)))
    calibrated = replace(seen, members={name: seen.members[name] for name in CALIBRATED})
    _write(folder / f"{EACH}.toml", ABOUT_EACH.format(len(seen)), fit_each(calibrated).to_json())
    by_sound = list(fit_sets(heard, False, hearing, note))
    by_picture = list(fit_sets(seen, True, [members for members in SETS if members not in hearing], note))
    for fitted in (*by_sound, *by_picture):
        write_set(fitted, folder)
    clips = find_clips(sorted(videos.get_folder("wav").glob("*.wav")))
    pictures = count_with_pictures(seen, clips, by_sound, by_picture, detections, note)
    sounds = {EnsembleNames(",".join(one.members)): one.tuned.winner.counts for one in by_sound}
    now = BestEnsembles.read(best)
    ranked = {
        "picture": rank_ensembles(pictures, now.picture, CRITERION_WITH_PICTURE),
        "sound": rank_ensembles(sounds, now.sound, Objective().criterion),
    }
    picture, sound = choose_best(ranked["picture"], now.picture), choose_best(ranked["sound"], now.sound)
    write_ensembles(picture, sound, best)
    return {"sets": [one.to_json() for one in (*by_sound, *by_picture)]} | {
        what: [one.to_json() for one in some] for what, some in ranked.items()
    }


def table(result: Mapping[str, Any]) -> Table:
    """Lay out what `measure` found as a table for the screen: of each set the score before and after, and the parts."""
    shown = Table("members", "clips", "fitted", "mean", "fitted, cross-validated")
    for one in result["sets"]:
        before, after = (f"{one[name]['value']:.3f}" for name in ("preset", "cross_validated"))
        shown.add_row(", ".join(one["members"]), str(one["clips"]), ", ".join(one["fitted"]), before, after)
    return shown


@dataclass(frozen=True)
class RankedEnsemble:
    """An ensemble, its score, and how much that is above the one of the ensemble that is the best so far."""

    names: EnsembleNames
    score: Interval
    gain: Interval

    def to_json(self) -> dict[str, Any]:
        """Write what `fit.json` says of it."""
        return asdict(self.names) | {"score": bound(self.score), "gain": bound(self.gain)}


def rank_ensembles(
    counts: Mapping[EnsembleNames, Counts], now: EnsembleNames, criterion: str
) -> tuple[RankedEnsemble, ...]:
    """Rank ensembles by a score, the highest first; those that lack what it needs are left out. `now` is the best so
    far.
    """
    ranked = [
        RankedEnsemble(names, compute_intervals(one)[criterion], compare_systems(one, counts[now])[criterion])
        for names, one in counts.items()
    ]
    known = [one for one in ranked if not math.isnan(one.score.value)]
    return tuple(sorted(known, key=lambda one: -one.score.value))


def choose_best(ranked: Sequence[RankedEnsemble], now: EnsembleNames) -> EnsembleNames:
    """Choose the highest of those that are above the best so far (`now`) beyond doubt, else that one itself."""
    return next((one.names for one in ranked if one.gain.low > 0), now)


def count_with_pictures(
    data: TuningData,
    clips: Sequence[Clip],
    elsewhere: Sequence[FittedSet],
    here: Sequence[FittedSet],
    folder: Path,
    note: Callable[[str], None],
) -> dict[EnsembleNames, Counts]:
    """Count what each set of several members gets right, with and without detectors, on clips with a picture.

    Sets fitted `elsewhere` are taken as they are; those fitted to these clips (`here`) anew for each fold, without it.
    Detections are kept in `folder`.
    """
    vision = VisionSettings.resolve("bayes")
    found: dict[EnsembleNames, Counts] = {}
    everything = torch.ones(len(data), dtype=torch.bool)
    for one in (one for one in (*elsewhere, *here) if len(one.members) > 1):
        names = ",".join(one.members)
        note(f"counting {names} with pictures")
        counts: dict[str, list[Counts]] = {"": [], DETECTORS: []}
        numbers: list[int] = []
        for chosen, settings in fit_without(data, one) if one in here else [(everything, one.settings)]:
            part, some = data.take(chosen), chosen.nonzero().squeeze(1).tolist()
            seen = [clips[number] for number in some]
            fused = fuse_posteriors({name: part.members[name] for name in one.members}, settings)
            detections, _ = detect_all(seen, fused, DETECTORS, folder)
            for post, posterior in (("", fused), (DETECTORS, correct_all(seen, fused, detections, vision))):
                decoded = decode_frames(posterior, settings.decode)
                counts[post].append(count_matches(part.references, decoded, mode="strict"))
            numbers += some
        for post, parts in counts.items():
            found[EnsembleNames(names, post)] = Counts.concat(parts).map(
                partial(np.take, indices=np.argsort(numbers), axis=0)
            )
    return found


def fit_without(data: TuningData, one: FittedSet) -> Iterator[tuple[Bool[Tensor, "clip"], FusionSettings]]:
    """Yield the clips of each fold, with the settings fitted to all others as those of the set were to all."""
    part = replace(data, members={name: data.members[name] for name in one.members})
    fold = assign_folds(data.recording, FOLDS)
    for number in range(FOLDS):
        rest = part.take(fold != number)
        yield fold == number, fit_all(rest, one.tuned.start, one.tuned.winner.candidate.parts, Objective())[0]


def write_ensembles(picture: EnsembleNames, sound: EnsembleNames, path: Path) -> None:
    """Write the table of the best ensembles."""
    table = {"picture": asdict(picture), "sound": asdict(sound)}
    _write(path, "The best bundled ensemble for clips with and without a picture; `make fit` writes this file.", table)


def _write(path: Path, about: str, table: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as draft:
        draft.write_text(f"# {about}\n{tomli_w.dumps(table)}", encoding="utf-8")
