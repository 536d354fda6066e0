"""The effect of the visual correction: none, by exact and worse detections, and by real engines."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from benchmarks.studies.json_values import bound
from benchmarks.studies.posteriors import SplitPosteriors, infer_split
from seldfuse.catalogue.host import load_registry
from seldfuse.core.clip import Clip
from seldfuse.core.detections import KEYPOINTS, PERSON, UNTRACKED, Detections
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.jackknife import compare_systems, compute_intervals
from seldfuse.metrics.scores import Average, compute_scores
from seldfuse.run_manifest import describe_run
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.pictures.film import CAMERA, compute_detections
from seldfuse.synth.scene import ScenePlan
from seldfuse.vision.load import load_detectors
from seldfuse.vision.recorded import SUFFIX
from seldfuse.vision.refine import ClipDetections, refine_posterior
from seldfuse.vision.settings import MODES, VisionSettings

RATE_HZ = 2.0
MISSED, FALSE_PEOPLE, JITTER_PX = 0.2, 0.5, 8.0
"""Of degraded detections: the share that is missed, false people per picture, and the jitter of all pixels."""

THINGS_AT_RANDOM = 2.0
"""Per clip, in the mean."""

SEED = 20261126
EXACT = "exact"
REAL = "real engines"
POSTS = ("keypoint", "gdino", "keypoint,gdino")

BACKENDS = ("mvanet", "sce", "cmc", "doa", "sde")
AUDIO, PUBLISHED, OURS = "audio models", "as published", "ours"
SYSTEMS = {
    "SED-SCE-ONS": ("mvanet",),
    "CMC": ("cmc",),
    AUDIO: ("doa", "sde", "sce"),
    PUBLISHED: ("mvanet", "sce"),
    OURS: BACKENDS,
}
"""Who is corrected, and who is to be compared; of several members the mean."""


def measure(
    split: DatasetSplit,
    plans: Mapping[str, ScenePlan],
    sprites: CutoutSet,
    engines: Mapping[str, str],
    folder: Path,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Measure everything, as JSON values. `engines` are real ones by detector, which run where there are two;
    `folder` takes detections; `note` is called with what is being done.

    Raises what `infer_split` and `load_detectors` raise.
    """
    note("inferring")
    requests = load_registry().find_backends(",".join(BACKENDS))
    inferred = infer_split(split, requests)
    clips = find_clips(sorted(split.get_folder("wav").glob("*.wav")))
    note("computing detections of the plans")
    names = [clip.name for clip in clips]
    write_recorded(folder, names, plans, sprites)
    real, recorded = list(_real(engines)), list(_recorded(folder))
    tried = {AUDIO: real, PUBLISHED: [*recorded, *real], OURS: real}
    empty = np.array([_is_without_people(folder / EXACT / f"{name}{SUFFIX}") for name in names])
    study = Study(clips, inferred, empty, folder / "kept", note)
    return {
        "seldfuse": describe_run(requests, (), load_registry())["seldfuse"],
        "clips": len(clips),
        "without_people": int(empty.sum()),
        "settings": VisionSettings.resolve("bayes").to_json(),
        "systems": [
            {"name": name, "members": list(members), **study.of(name, members, tried.get(name, ()))}
            for name, members in SYSTEMS.items()
        ],
    }


@dataclass(frozen=True)
class Study:
    """Clips and their posteriors, which of them are without people, and the folder in which detections are cached."""

    clips: Sequence[Clip]
    inferred: SplitPosteriors
    empty: Bool[np.ndarray, "clip"]
    cache_folder: Path
    note: Callable[[str], None]

    def of(self, name: str, members: Sequence[str], tried: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
        """Score some members together, uncorrected, and corrected in all ways that are to be tried."""
        posterior = fuse_posteriors({member: self.inferred.posteriors[member] for member in members}, FusionSettings())
        base, official = self._counted(posterior)
        rows, over_rules, pictures_per_clip = [], [], {}
        for title, post, engines in tried:
            self.note(f"{name}, {title}: {post}")
            detections, pictures = detect_all(self.clips, posterior, engines, self.cache_folder)
            pictures_per_clip[f"{title}: {post}"] = pictures / len(self.clips)
            counts = {}
            for mode in MODES:
                counts[mode], counted = self._counted(
                    correct_all(self.clips, posterior, detections, VisionSettings.resolve(mode))
                )
                gained = _gained(counts[mode], counted, base, self.empty)
                rows.append({"detections": title, "post": post, "mode": mode, **gained})
            over_rules.append({"detections": title, "post": post, **_gain(counts["bayes"], counts["rules"])})
        uncorrected = _gained(base, official, base, self.empty)
        return {"heard": uncorrected, "looked": pictures_per_clip, "seen": rows, "bayes_over_rules": over_rules}

    def _counted(self, posterior: Posterior) -> tuple[Counts, Counts]:
        """Strictly and officially."""
        events = decode_frames(fill_onscreen(posterior))
        return count_matches(self.inferred.references, events, mode="strict"), count_matches(
            self.inferred.references, events, mode="official"
        )


def _is_without_people(path: Path) -> bool:
    return PERSON not in set(Detections.load(path).table["phrase"])


def fill_onscreen(posterior: Posterior) -> Posterior:
    """Replace unknown on-screen flags by off-screen."""
    nothing = torch.zeros_like(posterior.activity)
    return replace(posterior, onscreen=nothing if posterior.onscreen is None else posterior.onscreen.nan_to_num(0.0))


def detect_all(
    clips: Sequence[Clip], posterior: Posterior, post: str, folder: Path
) -> tuple[list[list[ClipDetections]], int]:
    """Detect in each clip; return detections, and in how many pictures detectors ran, none where they are cached."""
    corrector, stats = load_detectors(post, "auto", {}, VisionSettings(), RATE_HZ, folder, True), RunStats()
    return [corrector.detect(*items, stats)[0] for items in one_by_one(clips, posterior)], sum(
        stats.frames_detected.values()
    )


def correct_all(
    clips: Sequence[Clip],
    posterior: Posterior,
    detections: Sequence[Sequence[ClipDetections]],
    settings: VisionSettings,
) -> Posterior:
    """Correct the posteriors of the clips by detections."""
    items = zip(one_by_one(clips, posterior), detections, strict=True)
    return Posterior.concat(
        [
            fill_onscreen(refine_posterior(one, detected, clip.camera, 1 / RATE_HZ, settings).posterior)
            for (clip, _, one), detected in items
        ]
    )


def one_by_one(clips: Sequence[Clip], posterior: Posterior) -> Iterator[tuple[Clip, str, Posterior]]:
    """Yield each clip, the key of its cached detections, and its posterior."""
    for number, clip in enumerate(clips):
        yield clip, clip.name, posterior.map(lambda value, number=number: value[number : number + 1])


def write_recorded(folder: Path, names: Sequence[str], plans: Mapping[str, ScenePlan], sprites: CutoutSet) -> None:
    """Write folders of detections for `@recorded`: exact ones and those that are worse in some way."""
    rng = np.random.default_rng(SEED)
    times_s = {name: np.arange(int(plans[name].duration_s * RATE_HZ)) / RATE_HZ for name in names}
    exact = {name: compute_detections(plans[name], sprites, CAMERA, times_s[name]) for name in names}
    others = dict(zip(names, [*names[1:], names[0]], strict=True))
    for name, detections in exact.items():
        worse = {
            EXACT: detections,
            "degraded": degraded(detections, times_s[name], rng),
            "random": at_random(times_s[name], rng),
            "of another clip": exact[others[name]],
        }
        for title, found in worse.items():
            found.save(folder / title / f"{name}{SUFFIX}")


def degraded(exact: Detections, times_s: np.ndarray, rng: np.random.Generator) -> Detections:
    """Miss some, jitter all, and add people where there are none."""
    detected = exact.select(rng.random(len(exact)) >= MISSED)
    table, points = detected.table.copy(), detected.keypoints.copy()
    edges = ["left_px", "top_px", "right_px", "bottom_px"]
    table[edges] += rng.normal(0.0, JITTER_PX, (len(table), 4))
    for low, high in (edges[::2], edges[1::2]):
        # A thin box stays one.
        table[[low, high]] = np.sort(table[[low, high]], axis=1)
    points[..., :2] += rng.normal(0.0, JITTER_PX, points[..., :2].shape)
    false_s = np.repeat(times_s, rng.poisson(FALSE_PEOPLE, len(times_s)))
    return Detections.concat([Detections(table, points), _people(false_s, rng)])


def at_random(times_s: np.ndarray, rng: np.random.Generator) -> Detections:
    """Draw people and things that stand somewhere throughout a clip."""
    things = ("telephone", "door", "water tap", "guitar", "bell", "loudspeaker", "washing machine")
    found = []
    for _ in range(rng.poisson(THINGS_AT_RANDOM)):
        one = _people(times_s[:1], rng)
        phrase = PERSON if rng.random() < 0.5 else str(rng.choice(things))
        points = one.keypoints if phrase == PERSON else np.full_like(one.keypoints, np.nan)
        found += [Detections(one.table.assign(time_s=time_s, phrase=phrase), points) for time_s in times_s]
    return Detections.concat(found)


def _people(times_s: np.ndarray, rng: np.random.Generator) -> Detections:
    """One at each of the times, anywhere."""
    people = len(times_s)
    left, top, wide = rng.uniform(0, 600, people), rng.uniform(0, 200, people), rng.uniform(30, 120, people)
    right, bottom = np.minimum(left + wide, CAMERA.width_px), np.minimum(top + 2.5 * wide, CAMERA.height_px)
    points = rng.uniform(0.0, 1.0, (people, len(KEYPOINTS), 3))
    points[..., 0] = left[:, None] + points[..., 0] * (right - left)[:, None]
    points[..., 1] = top[:, None] + points[..., 1] * (bottom - top)[:, None]
    rows = zip(times_s, [PERSON] * people, [0.6] * people, left, top, right, bottom, [UNTRACKED] * people, strict=True)
    return Detections.from_rows(list(rows), list(points))


def _recorded(folder: Path) -> Iterator[tuple[str, str, str]]:
    """List detections of several kinds: the kind, the detectors, and what to type for them."""
    for title in (EXACT, "degraded", "random", "of another clip"):
        for post in POSTS if title == EXACT else POSTS[-1:]:
            yield title, post, ",".join(f"{name}@recorded:{folder / title}" for name in post.split(","))


def _real(engines: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The same of real engines."""
    if set(engines) == set(POSTS[-1].split(",")):
        for post in POSTS:
            yield REAL, post, ",".join(f"{name}@{engines[name]}" for name in post.split(","))


def _gained(counts: Counts, official: Counts, base: Counts, empty: Bool[np.ndarray, "clip"]) -> dict[str, Any]:
    """Scores and gains, also in clips without people; `closed` is the share of what was wrong that no longer is, by
    classes alike and pooled.
    """
    return {
        **_scored(counts),
        "official": _scored(official),
        "gain": _gain(counts, base),
        "without_people": _gain(*(one.map(lambda value: value[empty]) for one in (counts, base)))["pooled"],
        "closed": {"alike": _closed(counts, base, "macro"), "pooled": _closed(counts, base, "micro")},
    }


def _scored(counts: Counts) -> dict[str, Any]:
    """Scores of classes alike, and pooled."""
    found, pooled = compute_intervals(counts), compute_intervals(counts, "micro")
    return {
        "scores": {name: bound(score) for name, score in found.items()},
        "pooled": {name: bound(score) for name, score in pooled.items()},
    }


def _closed(counts: Counts, base: Counts, average: Average) -> dict[str, float | None]:
    """None where nothing was wrong."""
    after, before = compute_scores(counts, average), compute_scores(base, average)
    gained = {"osa": after.osa - before.osa, "f20_1_on": after.f20_1_on - before.f20_1_on}
    gaps = {"osa": 1 - before.osa, "f20_1_on": before.f20_1 - before.f20_1_on}
    return {name: gained[name] / gap if gap > 0 else None for name, gap in gaps.items()}


def _gain(counts: Counts, base: Counts) -> dict[str, Any]:
    alike, pooled = compare_systems(counts, base), compare_systems(counts, base, "micro")
    return {
        **{name: bound(score) for name, score in alike.items()},
        "pooled": {name: bound(score) for name, score in pooled.items()},
    }
