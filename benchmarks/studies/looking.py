"""The worth of looking on photos of people, things and rooms that nobody trained on: `validation-v2-av`.

Ensembles are fused as `seldfuse run` fuses them, with their own pictures, others, and none; each without each member;
and corrected by the bundled detectors, by detections at random, and by those of another clip. Scores are strict, and
intervals leave out people, things and rooms in turn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.studies.eyes import BLACK, FOREIGN, NONE, OFF, OWN, BlackFrames
from benchmarks.studies.json_values import bound
from benchmarks.studies.picture_groups import find_picture_groups
from benchmarks.studies.post import EXACT, POSTS, correct_all, detect_all, fill_onscreen, write_recorded
from benchmarks.studies.posteriors import infer_posteriors, resolve_fusion
from seldfuse.catalogue.host import load_registry
from seldfuse.core.clip import Clip
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.formats import dcase
from seldfuse.fusion import decode_frames, fuse_posteriors
from seldfuse.fusion.settings import AUTO
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import Counts, count_pairs
from seldfuse.metrics.jackknife import SoundGroups, compare_systems, compute_intervals
from seldfuse.metrics.matches import Matches, find_matches
from seldfuse.metrics.rows import Scene
from seldfuse.metrics.scores import compute_scores
from seldfuse.run_manifest import describe_run
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.scene import ScenePlan
from seldfuse.vision.settings import VisionSettings

AUDIO = ("doa", "sde", "sce")
ENSEMBLES = (("cmc", "sce"), ("mvanet", "sce"), ("doa", "sde", "sce", "cmc", "mvanet"))
PICTURES = (OWN, NONE, BLACK, FOREIGN, OFF)
DETECTORS = POSTS[-1]
REAL, RANDOM, OTHERS = "bundled engines", "random", "of another clip"
ENGINES = {"keypoint": "movenet", "gdino": "yolox"}
SCORES = ("f20_1_on", "osa", "f20_1", "doae_deg")
SPEECH = ("female_speech", "male_speech")


class Looked(NamedTuple):
    """A system as it was tried: its members, the picture that they were shown, and who corrected them, if anyone."""

    members: tuple[str, ...]
    picture: str = OWN
    post: str = ""

    @property
    def name(self) -> str:
        return ",".join(self.members)


@dataclass(frozen=True)
class Scored:
    """What a system got right."""

    counts: Counts
    matches: Matches


@dataclass(frozen=True)
class Study:
    """Clips of the set, their true events and groups, and the posteriors of every backend by picture."""

    clips: Sequence[Clip]
    references: Sequence[Scene]
    groups: SoundGroups
    posteriors: Mapping[str, Mapping[str, Posterior]]
    detections: Path

    def score(self, system: Looked) -> Scored:
        """Fuse, correct and score one system."""
        settings = resolve_fusion(system.members, AUTO)
        shown = OWN if system.picture == OFF else system.picture
        # Whoever only hears is the same whatever is shown.
        known = {**self.posteriors[OWN], **self.posteriors.get(shown, {})}
        fused = fuse_posteriors({name: known[name] for name in system.members}, settings)
        if system.picture == OFF:
            fused = replace(fused, onscreen=None)
        if system.post:
            found, _ = detect_all(self.clips, fused, self._name_engines(system.post), self.detections / "kept")
            fused = correct_all(self.clips, fused, found, VisionSettings.resolve("bayes"))
        matches = find_matches(self.references, decode_frames(fill_onscreen(fused), settings.decode), mode="strict")
        return Scored(count_pairs(matches), matches)

    def _name_engines(self, post: str) -> str:
        """What to type for detectors."""
        named = ENGINES if post == REAL else dict.fromkeys(ENGINES, f"recorded:{self.detections / post}")
        return ",".join(f"{name}@{engine}" for name, engine in named.items())


def measure(
    split: DatasetSplit,
    plans: Mapping[str, ScenePlan],
    pictures: CutoutSet,
    detections: Path,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Measure everything, as JSON values; detections are kept in `detections`, `note` is called with what is being
    done.

    Raises the first clip's error, and what `load_backends` and `load_detectors` raise.
    """
    requests = load_registry().find_backends(",".join(ENSEMBLES[-1]))
    clips = find_clips(sorted(split.get_folder("wav").glob("*.wav")))
    names = [clip.name for clip in clips]
    recipe = describe_run(requests, (), load_registry())
    note("inferring with and without pictures")
    study = Study(
        clips,
        dcase.read_many([split.get_path(name, "csv") for name in names]),
        find_picture_groups([plans[name] for name in names], len(DCASE2025)),
        _infer_pictures(clips, [request.instance for request in requests if request.value.needs_video]),
        detections,
    )
    note("computing detections of the plans")
    write_recorded(detections, names, plans, pictures)
    scored = {}
    for system in list_systems():
        note(f"{system.name}, picture {system.picture}{', ' + system.post if system.post else ''}")
        scored[system] = study.score(system)
    return {
        "seldfuse": recipe["seldfuse"],
        "backends": {one.instance: entry for one, entry in zip(requests, recipe["backends"], strict=True)},
        "clips": len(clips),
        "groups": len(np.unique(study.groups)),
        "systems": [_to_json(system, one, study.groups) for system, one in scored.items()],
        "differences": list(_compare(scored, study.groups)),
        "onscreen_azimuth": list(_compare_azimuth(scored)),
    }


def list_systems() -> list[Looked]:
    """List what is tried: sound alone, each network that looks, each ensemble with and without pictures and members."""
    found = [Looked(AUDIO, OFF), *(Looked(AUDIO, OWN, post) for post in (REAL, EXACT, RANDOM, OTHERS))]
    looking = dict.fromkeys(name for members in ENSEMBLES for name in members if name not in AUDIO)
    for members in (*((name,) for name in looking), *ENSEMBLES):
        found += [Looked(members, picture) for picture in PICTURES]
    for members in ENSEMBLES:
        found += [Looked(members, OWN, post) for post in (REAL, EXACT, RANDOM, OTHERS)]
        found += [Looked(rest) for rest in leave_one_out(members)]
    return list(dict.fromkeys(found))


def leave_one_out(members: Sequence[str]) -> list[tuple[str, ...]]:
    """List an ensemble without each of its members in turn."""
    return [tuple(other for other in members if other != name) for name in members]


def _infer_pictures(clips: Sequence[Clip], looking: Sequence[str]) -> dict[str, dict[str, Posterior]]:
    """Infer posteriors by picture and backend; of backends that only hear with their own alone."""
    loaded = load_backends(",".join(ENSEMBLES[-1]), "auto")
    only = replace(loaded, backends={name: loaded.backends[name] for name in looking})
    return {
        OWN: infer_posteriors(clips, loaded),
        NONE: infer_posteriors([replace(clip, video=None) for clip in clips], only),
        BLACK: infer_posteriors([replace(clip, video=BlackFrames(clip)) for clip in clips], only),
        FOREIGN: infer_posteriors(
            [replace(clip, video=other.video) for clip, other in zip(clips, [*clips[1:], clips[0]], strict=True)], only
        ),
    }


def _to_json(system: Looked, scored: Scored, groups: SoundGroups) -> dict[str, Any]:
    intervals = compute_intervals(scored.counts, groups=groups)
    classes = compute_scores(scored.counts).classes
    return {
        "system": system.name,
        "picture": system.picture,
        "post": system.post,
        "scores": {name: bound(intervals[name]) for name in SCORES},
        "osa_of_class": dict(zip(DCASE2025.names, map(_plain, classes["osa"].tolist()), strict=True)),
    }


def _compare(scored: Mapping[Looked, Scored], groups: SoundGroups) -> Iterator[dict[str, Any]]:
    """Each system with its own picture less what it is to be above, and corrected less uncorrected."""
    deaf_to_pictures = Looked(AUDIO, OFF)
    for system in scored:
        rest = [Looked(members) for members in leave_one_out(system.members)] if system.members in ENSEMBLES else []
        if system.post:
            others = [Looked(system.members, OFF if system.members == AUDIO else OWN)]
        elif system.picture == OWN:
            shown = [Looked(system.members, picture) for picture in PICTURES[1:]]
            others = [*shown, *(one for one in (deaf_to_pictures, *rest) if system.members in ENSEMBLES)]
        else:
            continue
        for other in (one for one in others if one in scored):
            difference = compare_systems(scored[system].counts, scored[other].counts, groups=groups)
            yield {
                "system": system.name,
                "post": system.post,
                "less": other.name,
                "less_picture": other.picture,
                **{name: bound(difference[name]) for name in SCORES},
                "closed": _compute_closed(scored[system].counts, scored[other].counts),
            }


def _compute_closed(counts: Counts, before: Counts) -> float | None:
    """Compute the share of 1 − OSA that is no longer there, as a mean over classes."""
    gap = 1 - compute_scores(before).osa
    return (compute_scores(counts).osa - compute_scores(before).osa) / gap if gap > 0 else None


def _compare_azimuth(scored: Mapping[Looked, Scored]) -> Iterator[dict[str, Any]]:
    """How far azimuths of sources in the picture are off, in all pairs, with and without the picture."""
    for system in (one for one in scored if one.picture == OWN and not one.post and one.members != AUDIO):
        blind = Looked(system.members, NONE)
        if blind not in scored:
            continue
        yield {
            "system": system.name,
            **{
                f"{what}_{when}_deg": _plain(_compute_doae_deg(scored[one].matches, classes))
                for what, classes in (("all", DCASE2025.names), ("speech", SPEECH))
                for when, one in (("seen", system), ("unseen", blind))
            },
        }


def _compute_doae_deg(matches: Matches, classes: Sequence[str]) -> float:
    """Compute the mean error of azimuth over pairs of on-screen sources."""
    truth, prediction = matches.truth, matches.prediction
    error_deg = np.abs(fold_azimuth(truth.azimuth_deg) - fold_azimuth(prediction.azimuth_deg))
    chosen = np.isin(truth.cls, [DCASE2025.index(name) for name in classes]) & (truth.onscreen > 0)
    return float(error_deg[chosen].mean()) if chosen.any() else float("nan")


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)
