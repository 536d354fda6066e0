"""How reliable detectors are, fitted to clips with reference labels."""

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
"""A candidate that is no further from the target source is a detection of it."""

OUTLIER_DEG = 45.0
"""An azimuth by audio that is further off is an outlier."""

PULL = 50.0
"""What is counted for a class is drawn to what is counted for all as if by so many frames."""

UNRELATED_SHARE = 0.2
"""The share of pictures of other clips among those that are fitted to: so is learned when they are uninformative."""

STEPS = 100
"""Trials of the last numbers; each takes all clips through the correction."""

START, LEAST, MOST = (1.0, 0.0, 1.0, 0.1), (0.3, -2.0, 0.1, 0.0), (2.0, 2.0, 2.0, 0.9)
"""Prior weight, prior bias, evidence weight and uninformative rate."""


@dataclass(frozen=True)
class VisionFit:
    """Settings fitted to all clips, and counts: uncorrected, by these settings, and by those fitted to other clips."""

    settings: VisionSettings
    uncorrected: Counts
    resubstituted: Counts
    cross_validated: Counts


def fit_vision(
    scenes: VisionTuningData,
    base: VisionSettings,
    decode: DecodeSettings,
    folds: int,
    note: Callable[[str], None] = lambda _: None,
) -> VisionFit:
    """Fit everything to all clips, and to all but one part of the recordings in turn.

    `note` is called with the part that is being fitted.
    """
    fold = assign_folds(scenes.recording, folds)
    held_out: list[Posterior] = []
    held_out_clips: list[Tensor] = []
    for number in range(folds):
        note(f"part {number + 1} of {folds}")
        settings = fit_settings(scenes.take(fold != number), base)
        held_out.append(correct_all(scenes.take(fold == number), settings))
        held_out_clips.append((fold == number).nonzero().squeeze(1))
    order = torch.cat(held_out_clips).argsort()
    cross_validated = Posterior.concat(held_out).map(lambda value: value[order])
    note("all")
    settings = fit_settings(scenes, base)

    def count(posterior: Posterior) -> Counts:
        return count_posteriors(scenes.references, posterior, decode, "strict")

    return VisionFit(settings, count(scenes.posterior), count(correct_all(scenes, settings)), count(cross_validated))


def correct_all(scenes: VisionTuningData, settings: VisionSettings) -> Posterior:
    """Correct the posteriors of all clips by their detections."""
    refined = [
        refine_posterior(scenes.clip(number), detections, scenes.camera, scenes.interval_s, settings).posterior
        for number, detections in enumerate(scenes.detections)
    ]
    onscreen = [torch.full_like(one.activity, torch.nan) if one.onscreen is None else one.onscreen for one in refined]
    return Posterior.concat([replace(one, onscreen=value) for one, value in zip(refined, onscreen, strict=True)])


def fit_settings(scenes: VisionTuningData, base: VisionSettings) -> VisionSettings:
    """Fit settings: detectors' reliability and errors of azimuth by counting, the last four numbers by likelihood.

    These maximize the likelihood of the on-screen flags, over all frames in which a source is detected that is active.
    A frame counts the less the more its class has.
    """
    base = base.restrict_to(scenes.posterior.labels)
    std_deg, outlier_rate = _fit_azimuth_errors(scenes)
    detectors = {**base.detectors, **count_detections(scenes, base)}
    settings = replace(base, audio_azimuth_std_deg=std_deg, azimuth_outlier_rate=outlier_rate, detectors=detectors)
    settings = replace(settings, onscreen_prior=_fit_onscreen_prior(scenes, settings))
    own, unrelated = _Joined.of(scenes, settings), _Joined.of(scenes.sample_unrelated(), settings)

    def loss(numbers: np.ndarray) -> float:
        tried = _with(settings, numbers)
        return (1 - UNRELATED_SHARE) * own.loss(tried) + UNRELATED_SHARE * unrelated.loss(tried)

    bounds = list(zip(LEAST, MOST, strict=True))
    found = minimize(loss, START, method="Powell", bounds=bounds, options={"maxfev": STEPS, "xtol": 0.01, "ftol": 1e-4})
    return _with(settings, found.x)


def _with(settings: VisionSettings, numbers: np.ndarray) -> VisionSettings:
    weight, bias, evidence, uninformative_rate = (round(float(number), 3) for number in numbers)
    return replace(
        settings, prior_weight=weight, prior_bias=bias, evidence_weight=evidence, uninformative_rate=uninformative_rate
    )


@dataclass(frozen=True)
class _Joined:
    """The frames of all clips in which an on-screen flag is known, and the visual evidence there.

    None of the four numbers that are fitted changes `support`, which takes the longest.
    """

    posterior: Posterior
    visual: VisualEvidence
    support: Float[Tensor, "frame event lane"]
    parameters: CauseParameters
    at: tuple[Tensor, Tensor]
    onscreen: Float[Tensor, "known"]
    weight: Float[Tensor, "known"]

    @classmethod
    def of(cls, scenes: VisionTuningData, settings: VisionSettings) -> "_Joined":
        # One clip after the other, with so much silence between that none remembers another.
        pause = round(settings.smoothing_s / scenes.posterior.hop_s) + 1
        found = [
            collect_candidates(scenes.clip(number), detections, scenes.camera, scenes.interval_s, settings)
            for number, detections in enumerate(scenes.detections)
        ]
        posterior = scenes.posterior.map(lambda value: _in_line(value.nan_to_num(), pause))
        parameters = build_parameters(scenes.camera, settings, posterior.hop_s)
        audio = build_audio_evidence(posterior, parameters, settings)
        visual = build_visual_evidence(_join_scenes(found, pause), posterior.tracks, audio.activity)
        support = compute_evidence(audio, visual, parameters)

        (clip, frame, cls_, track), onscreen = _select_known_onscreen(scenes)
        frame_number = clip * (scenes.posterior.frames + pause) + frame
        frames, row = (torch.from_numpy(part) for part in np.unique(frame_number.numpy(), return_inverse=True))
        weight = torch.bincount(cls_, minlength=len(posterior.labels))[cls_].float().rsqrt()
        return cls(
            posterior.map(lambda value: value[:, frames]),
            visual.select(frames),
            support[frames],
            parameters,
            (row, cls_ * posterior.tracks + track),
            onscreen,
            weight / weight.sum(),
        )

    def loss(self, settings: VisionSettings) -> float:
        """Compute the mean negative log-likelihood of being on-screen or not."""
        parameters = replace(
            self.parameters,
            uninformative_rate=settings.uninformative_rate,
            evidence_weight=settings.evidence_weight,
        )
        estimate = combine_evidence(
            build_audio_evidence(self.posterior, parameters, settings), self.visual, self.support, parameters
        )
        chance = estimate.onscreen[self.at].clamp(1e-4, 1 - 1e-4)
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


def _select_known_onscreen(scenes: VisionTuningData) -> tuple[tuple[Tensor, ...], Float[Tensor, "known"]]:
    """Find where a track is active while one source of its class sounds with a known on-screen flag, and the flags."""
    assert scenes.target.onscreen is not None
    alone = (scenes.target.activity > 0.5).sum(-1) == 1
    onscreen = scenes.target.onscreen[..., 0]
    loudest = scenes.posterior.activity.argmax(-1)
    detected = scenes.posterior.activity.amax(-1) > 0.5
    clip, frame, cls = (alone & detected & ~onscreen.isnan()).nonzero(as_tuple=True)
    return (clip, frame, cls, loudest[clip, frame, cls]), onscreen[clip, frame, cls].float()


def _fit_azimuth_errors(scenes: VisionTuningData) -> tuple[dict[str, float], float]:
    """Fit the standard deviation of the azimuth by audio, by class, and the rate of outliers."""
    error = compute_errors(scenes.posterior, scenes.target, "direction")
    known, outlier = ~error.isnan(), error.abs() > OUTLIER_DEG
    square = torch.where(known & ~outlier, error.square(), 0.0)
    # The spread of the members is given beside, and stands for its part.
    spread = scenes.posterior.azimuth_std_deg
    square = square if spread is None else square - torch.where(known & ~outlier, spread.nan_to_num().square(), 0.0)
    variance = _by_class(square, known & ~outlier, scenes.posterior.labels)
    std_deg = {name: round(max(value, 1.0) ** 0.5, 1) for name, value in variance.items()}
    return std_deg, round(float((known & outlier).sum() / known.sum().clamp_min(1)), 3)


def _fit_onscreen_prior(scenes: VisionTuningData, settings: VisionSettings) -> float:
    """Fit how often a source whose azimuth is inside of the picture is on-screen."""
    cells, onscreen = _select_known_onscreen(scenes)
    parameters = build_parameters(scenes.camera, settings, scenes.posterior.hop_s)
    azimuth_deg = fold_azimuth(azimuth_from_direction(_list_known(scenes.posterior.direction)[cells]))
    within = compute_inside_probability(
        azimuth_deg, compute_azimuth_std_deg(scenes.posterior, settings)[cells], parameters
    )
    return round(float(onscreen.sum() / within.sum().clamp_min(1e-3)), 3)


def _by_class(
    value: Float[Tensor, "*cell cls track"], known: Bool[Tensor, "*cell cls track"], labels: LabelSet
) -> dict[str, float]:
    """Average by class, drawn to the mean of all, which stands as `default`."""
    dims = [*range(value.ndim - 2), value.ndim - 1]
    total, count = value.sum(dims), known.sum(dims).float()
    mean = total.sum() / count.sum().clamp_min(1.0)
    drawn = (total + PULL * mean) / (count + PULL)
    return {**dict(zip(labels.names, drawn.tolist(), strict=True)), "default": float(mean)}


def count_detections(scenes: VisionTuningData, base: VisionSettings) -> dict[str, DetectorReliability]:
    """Count what each detector finds of the sources in the picture, what else it finds, and how far off it is."""
    names = {
        detection.name: build_reliability_key(detection.name, detection.engine_id)
        for detections in scenes.detections
        for detection in detections
    }
    return {key: _fit_reliability(scenes, name, base) for name, key in names.items()}


def _fit_reliability(scenes: VisionTuningData, name: str, base: VisionSettings) -> DetectorReliability:
    labels = scenes.posterior.labels
    sums = {key: torch.zeros(len(labels)) for key in ("there", "found", "square", "frames", "others")}
    target_deg = fold_azimuth(azimuth_from_direction(_list_known(scenes.target.direction)))
    onscreen = (scenes.target.activity > 0.5) & (_list_known(scenes.target.onscreen) > 0.5)
    sounds = (scenes.target.activity > 0.5).any(-1)
    for number, detections in enumerate(scenes.detections):
        own = [detection for detection in detections if detection.name == name]
        if not own:
            continue
        found = collect_candidates(scenes.clip(number), own, scenes.camera, scenes.interval_s, base)
        there, observed = torch.from_numpy(found.there), torch.from_numpy(found.looked)
        visible = onscreen[number] & observed.unsqueeze(-1)  # (frame, cls, source)
        apart = target_deg[number].unsqueeze(-1) - torch.from_numpy(found.azimuth_deg).float().unsqueeze(2)
        apart = torch.where(there.unsqueeze(2), apart.abs(), torch.inf)  # (frame, cls, source, lane)
        nearest = apart.amin(-1) if apart.shape[-1] else torch.full(apart.shape[:-1], torch.inf)
        hit = visible & (nearest < NEAR_DEG)
        active = sounds[number] & observed
        sums["there"] += visible.sum((0, 2))
        sums["found"] += hit.sum((0, 2))
        sums["square"] += torch.where(hit, nearest.square(), 0.0).sum((0, 2))
        sums["frames"] += active.sum(0)
        sums["others"] += torch.where(active, (there.sum(-1) - hit.sum(-1)).clamp_min(0), 0).sum(0)
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
    rules = next(
        detection.rules for detections in scenes.detections for detection in detections if detection.name == name
    )
    return list(rules.by_class)


def _list_known(value: Tensor | None) -> Tensor:
    assert value is not None
    return value.nan_to_num()
