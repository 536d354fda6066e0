"""How far eyes are to be believed, fitted to clips whose truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.class_values import ClassValues
from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings
from seldfuse.metrics.counts import Counts
from seldfuse.tune.counting import count_posteriors
from seldfuse.tune.errors import compute_errors
from seldfuse.tune.fusion import assign_folds
from seldfuse.tune.vision_data import VisionTuningData
from seldfuse.vision.bayes import (
    CauseParameters,
    VisualEvidence,
    combine_evidence,
    compute_evidence,
    compute_inside_probability,
)
from seldfuse.vision.candidates import Candidates
from seldfuse.vision.refine import (
    build_audio_evidence,
    build_parameters,
    build_visual_evidence,
    collect_candidates,
    compute_azimuth_std_deg,
    refine_posterior,
)
from seldfuse.vision.settings import DetectorReliability, VisionSettings, build_reliability_key

NEAR_DEG = 6.0
"""A candidate that is no further from the true source is it."""

ASTRAY_DEG = 45.0
"""A heard azimuth that is further off is nowhere near."""

PULL = 50.0
"""What is counted for a class is drawn to what is counted for all as if by so many frames."""

FOREIGN = 0.2
"""The share of pictures of other clips among those that are fitted to: so is learned when not to believe."""

STEPS = 100
"""Trials of the last numbers; each takes all clips through the correction."""

START, LEAST, MOST = (1.0, 0.0, 1.0, 0.1), (0.3, -2.0, 0.1, 0.0), (2.0, 2.0, 2.0, 0.9)
"""Weight and bias of what was called on-screen, weight of the evidence, disbelief."""


@dataclass(frozen=True)
class VisionFit:
    """Settings fitted to all clips, and counts: as heard, by them, and by settings that had not seen the clip."""

    settings: VisionSettings
    uncorrected: Counts
    resubstituted: Counts
    cross_validated: Counts


def fit_vision(
    scenes: VisionTuningData,
    base: VisionSettings,
    decode: DecodeSettings,
    folds: int,
    watch: Callable[[str], None] = lambda _: None,
) -> VisionFit:
    """Everything fitted to all clips, and to all but one part of the recordings in turn."""
    fold = assign_folds(scenes.recording, folds)
    unseen: list[Posterior] = []
    order: list[Tensor] = []
    for number in range(folds):
        watch(f"part {number + 1} of {folds}")
        settings = fit_settings(scenes.take(fold != number), base)
        unseen.append(correct_all(scenes.take(fold == number), settings))
        order.append((fold == number).nonzero().squeeze(1))
    place = torch.cat(order).argsort()
    blind = Posterior.concat(unseen).map(lambda value: value[place])
    watch("all")
    settings = fit_settings(scenes, base)

    def counted(said: Posterior) -> Counts:
        return count_posteriors(scenes.references, said, decode, "strict")

    return VisionFit(settings, counted(scenes.posterior), counted(correct_all(scenes, settings)), counted(blind))


def correct_all(scenes: VisionTuningData, settings: VisionSettings) -> Posterior:
    """What is believed of all clips once they were looked at."""
    refined = [
        refine_posterior(scenes.clip(number), looks, scenes.camera, scenes.interval_s, settings).posterior
        for number, looks in enumerate(scenes.detections)
    ]
    onscreen = [torch.full_like(one.activity, torch.nan) if one.onscreen is None else one.onscreen for one in refined]
    return Posterior.concat([replace(one, onscreen=value) for one, value in zip(refined, onscreen, strict=True)])


def fit_settings(scenes: VisionTuningData, base: VisionSettings) -> VisionSettings:
    """Counted where counting will do: what detectors find, how far off they and the ears are. The rest by likelihood.

    The last four numbers are those by which what is called on-screen is most likely right, over all frames in which
    something is heard that is there. A frame counts the less the more its class has.
    """
    base = base.restrict_to(scenes.posterior.labels)
    std_deg, astray = _fit_azimuth_errors(scenes)
    sight = {**base.detectors, **count_detections(scenes, base)}
    settings = replace(base, audio_azimuth_std_deg=std_deg, azimuth_outlier_rate=astray, detectors=sight)
    settings = replace(settings, onscreen_prior=_fit_onscreen_prior(scenes, settings))
    own, foreign = _Joined.of(scenes, settings), _Joined.of(scenes.sample_unrelated(), settings)

    def loss(numbers: np.ndarray) -> float:
        tried = _with(settings, numbers)
        return (1 - FOREIGN) * own.loss(tried) + FOREIGN * foreign.loss(tried)

    bounds = list(zip(LEAST, MOST, strict=True))
    found = minimize(loss, START, method="Powell", bounds=bounds, options={"maxfev": STEPS, "xtol": 0.01, "ftol": 1e-4})
    return _with(settings, found.x)


def _with(settings: VisionSettings, numbers: np.ndarray) -> VisionSettings:
    weight, bias, evidence, disbelief = (round(float(number), 3) for number in numbers)
    return replace(
        settings, prior_weight=weight, prior_bias=bias, evidence_weight=evidence, uninformative_rate=disbelief
    )


@dataclass(frozen=True)
class _Joined:
    """The frames in which something is told of, of all clips, and what was seen there.

    None of the four numbers that are fitted changes `support`, which takes the longest.
    """

    said: Posterior
    seen: VisualEvidence
    support: Float[Tensor, "frame event lane"]
    belief: CauseParameters
    at: tuple[Tensor, Tensor]
    onscreen: Float[Tensor, "told"]
    weight: Float[Tensor, "told"]

    @classmethod
    def of(cls, scenes: VisionTuningData, settings: VisionSettings) -> "_Joined":
        # One clip after the other, with so much silence between that none remembers another.
        pause = round(settings.smoothing_s / scenes.posterior.hop_s) + 1
        found = [
            collect_candidates(scenes.clip(number), looks, scenes.camera, scenes.interval_s, settings)
            for number, looks in enumerate(scenes.detections)
        ]
        said = scenes.posterior.map(lambda value: _in_line(value.nan_to_num(), pause))
        belief = build_parameters(scenes.camera, settings, said.hop_s)
        heard = build_audio_evidence(said, belief, settings)
        seen = build_visual_evidence(_join_scenes(found, pause), said.tracks, heard.activity)
        support = compute_evidence(heard, seen, belief)

        (clip, frame, cls_, track), onscreen = _select_known_onscreen(scenes)
        place = clip * (scenes.posterior.frames + pause) + frame
        frames, row = (torch.from_numpy(part) for part in np.unique(place.numpy(), return_inverse=True))
        weight = torch.bincount(cls_, minlength=len(said.labels))[cls_].float().rsqrt()
        return cls(
            said.map(lambda value: value[:, frames]),
            seen.select(frames),
            support[frames],
            belief,
            (row, cls_ * said.tracks + track),
            onscreen,
            weight / weight.sum(),
        )

    def loss(self, settings: VisionSettings) -> float:
        """The mean of minus the log-likelihood of being on-screen or not."""
        belief = replace(
            self.belief,
            uninformative_rate=settings.uninformative_rate,
            evidence_weight=settings.evidence_weight,
        )
        verdict = combine_evidence(build_audio_evidence(self.said, belief, settings), self.seen, self.support, belief)
        chance = verdict.onscreen[self.at].clamp(1e-4, 1 - 1e-4)
        lost = F.binary_cross_entropy(chance, self.onscreen, reduction="none")
        return float((lost * self.weight).sum())


def _in_line(value: Tensor, pause: int) -> Tensor:
    """`(clip, frame, …)` as one clip `(1, all frames, …)`, each followed by a pause."""
    padded = F.pad(value, (0, 0) * (value.ndim - 2) + (0, pause))
    return padded.flatten(0, 1).unsqueeze(0)


def _join_scenes(found: Sequence[Candidates], pause: int) -> Candidates:
    lanes = max(len(one.origin) for one in found)

    def joined(name: str) -> np.ndarray:
        parts = []
        for one in found:
            value = getattr(one, name)
            spare = [(0, pause), *[(0, 0)] * (value.ndim - 1)]
            if name in _BY_LANE:
                spare[-1] = (0, lanes - len(one.origin))
            parts.append(np.pad(value, spare))
        return np.concatenate(parts)

    arrays = {name: joined(name) for name in (*_BY_LANE, *_BY_FRAME)}
    alike = np.any([one.alike for one in found], axis=0)
    return Candidates(**arrays, alike=alike, origin=("",) * lanes, phrase=("",) * lanes)


_BY_LANE, _BY_FRAME = ("there", "azimuth_deg", "std_deg", "track"), ("looked", "recall", "unrelated")
"""Arrays of `Candidates` whose last axis counts lanes, and those that have none."""


def _select_known_onscreen(scenes: VisionTuningData) -> tuple[tuple[Tensor, ...], Float[Tensor, "told"]]:
    """Where a track is heard while one source of its class sounds, of which it is known whether it is on-screen."""
    assert scenes.truth.onscreen is not None
    alone = (scenes.truth.activity > 0.5).sum(-1) == 1
    seen = scenes.truth.onscreen[..., 0]
    loudest = scenes.posterior.activity.argmax(-1)
    heard = scenes.posterior.activity.amax(-1) > 0.5
    clip, frame, cls = (alone & heard & ~seen.isnan()).nonzero(as_tuple=True)
    return (clip, frame, cls, loudest[clip, frame, cls]), seen[clip, frame, cls].float()


def _fit_azimuth_errors(scenes: VisionTuningData) -> tuple[dict[str, float], float]:
    """How far off the heard azimuth is, by class, and how often it is nowhere near."""
    error = compute_errors(scenes.posterior, scenes.truth, "direction")
    known, astray = ~error.isnan(), error.abs() > ASTRAY_DEG
    square = torch.where(known & ~astray, error.square(), 0.0)
    # The spread of the members is told beside, and stands for its part.
    spread = scenes.posterior.azimuth_std_deg
    square = square if spread is None else square - torch.where(known & ~astray, spread.nan_to_num().square(), 0.0)
    variance = _by_class(square, known & ~astray, scenes.posterior.labels)
    std_deg = {name: round(max(value, 1.0) ** 0.5, 1) for name, value in variance.items()}
    return std_deg, round(float((known & astray).sum() / known.sum().clamp_min(1)), 3)


def _fit_onscreen_prior(scenes: VisionTuningData, settings: VisionSettings) -> float:
    """How often what is heard inside of the picture is on-screen."""
    cells, onscreen = _select_known_onscreen(scenes)
    belief = build_parameters(scenes.camera, settings, scenes.posterior.hop_s)
    azimuth_deg = fold_azimuth(azimuth_from_direction(_list_known(scenes.posterior.direction)[cells]))
    within = compute_inside_probability(azimuth_deg, compute_azimuth_std_deg(scenes.posterior, settings)[cells], belief)
    return round(float(onscreen.sum() / within.sum().clamp_min(1e-3)), 3)


def _by_class(
    value: Float[Tensor, "*cell cls track"], known: Bool[Tensor, "*cell cls track"], labels: LabelSet
) -> dict[str, float]:
    """The mean by class, drawn to that of all, which stands as `default`."""
    dims = [*range(value.ndim - 2), value.ndim - 1]
    total, count = value.sum(dims), known.sum(dims).float()
    mean = total.sum() / count.sum().clamp_min(1.0)
    drawn = (total + PULL * mean) / (count + PULL)
    return {**dict(zip(labels.names, drawn.tolist(), strict=True)), "default": float(mean)}


def count_detections(scenes: VisionTuningData, base: VisionSettings) -> dict[str, DetectorReliability]:
    """What each post-processor finds of what sounds in the picture, what else it finds, and how far off."""
    names = {
        look.name: build_reliability_key(look.name, look.engine_id) for looks in scenes.detections for look in looks
    }
    return {key: _fit_reliability(scenes, name, base) for name, key in names.items()}


def _fit_reliability(scenes: VisionTuningData, name: str, base: VisionSettings) -> DetectorReliability:
    labels = scenes.posterior.labels
    sums = {key: torch.zeros(len(labels)) for key in ("there", "found", "square", "frames", "others")}
    truth_deg = fold_azimuth(azimuth_from_direction(_list_known(scenes.truth.direction)))
    onscreen = (scenes.truth.activity > 0.5) & (_list_known(scenes.truth.onscreen) > 0.5)
    sounds = (scenes.truth.activity > 0.5).any(-1)
    for number, looks in enumerate(scenes.detections):
        mine = [look for look in looks if look.name == name]
        if not mine:
            continue
        found = collect_candidates(scenes.clip(number), mine, scenes.camera, scenes.interval_s, base)
        there, looked = torch.from_numpy(found.there), torch.from_numpy(found.looked)
        seen = onscreen[number] & looked.unsqueeze(-1)  # (frame, cls, source)
        apart = truth_deg[number].unsqueeze(-1) - torch.from_numpy(found.azimuth_deg).float().unsqueeze(2)
        apart = torch.where(there.unsqueeze(2), apart.abs(), torch.inf)  # (frame, cls, source, lane)
        nearest = apart.amin(-1) if apart.shape[-1] else torch.full(apart.shape[:-1], torch.inf)
        hit = seen & (nearest < NEAR_DEG)
        heard = sounds[number] & looked
        sums["there"] += seen.sum((0, 2))
        sums["found"] += hit.sum((0, 2))
        sums["square"] += torch.where(hit, nearest.square(), 0.0).sum((0, 2))
        sums["frames"] += heard.sum(0)
        sums["others"] += torch.where(heard, (there.sum(-1) - hit.sum(-1)).clamp_min(0), 0).sum(0)
    ruled = [labels.names.index(cls) for cls in _rules_of(scenes, name) if cls in labels.names]
    return DetectorReliability(
        recall=_draw(sums["found"], sums["there"], ruled, labels, 3),
        distractors_per_frame=_draw(sums["others"], sums["frames"], ruled, labels, 3),
        azimuth_std_deg=_draw(sums["square"], sums["found"], ruled, labels, 2, power=0.5),
    )


def _draw(
    total: Tensor, count: Tensor, ruled: Sequence[int], labels: LabelSet, digits: int, power: float = 1.0
) -> ClassValues:
    mean = float(total[ruled].sum() / count[ruled].sum().clamp_min(1.0))
    values = ((total + PULL * mean) / (count + PULL)).tolist()
    own = {labels.names[cls]: round(max(values[cls], 0.0) ** power, digits) for cls in ruled}
    return {**own, "default": round(max(mean, 0.0) ** power, digits)}


def _rules_of(scenes: VisionTuningData, name: str) -> Sequence[str]:
    rules = next(look.rules for looks in scenes.detections for look in looks if look.name == name)
    return list(rules.by_class)


def _list_known(value: Tensor | None) -> Tensor:
    assert value is not None
    return value.nan_to_num()
