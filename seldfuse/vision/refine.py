"""One correction of a posterior, with what all post-processors saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import to_class_tensor
from seldfuse.core.detections import Detections
from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.geometry import Camera, fold_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import CHANGE_COLUMNS, build_empty_changes
from seldfuse.core.rules import Rules
from seldfuse.vision.bayes import (
    AudioEvidence,
    CauseEstimate,
    CauseParameters,
    VisualEvidence,
    compute_inside_probability,
    infer_common_cause,
)
from seldfuse.vision.candidates import Candidates, DetectorTracks, find_candidates
from seldfuse.vision.nearest import match_nearest
from seldfuse.vision.settings import VisionSettings
from seldfuse.vision.track import interpolate_tracks, track_objects

LEAST_DEG, LEAST_CHANCE = 0.5, 0.01
"""What moves by less is not told of."""


@dataclass(frozen=True)
class ClipDetections:
    """What one post-processor saw of a clip: untracked detections, the times in seconds at which it looked, and the
    size of the pictures.
    """

    name: str
    engine_id: str
    rules: Rules
    detections: Detections
    frame_times_s: Float[np.ndarray, "look"]
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Refinement:
    """The corrected posterior, and what was changed: a table with the columns of `CHANGE_COLUMNS`.

    `thing` is the track that the post-processor's detection got, `infer_common_cause` the probability that it is the
    source; without a candidate both are empty (−1, NaN).
    """

    posterior: Posterior
    changes: pd.DataFrame


def refine_posterior(
    posterior: Posterior, looks: Sequence[ClipDetections], camera: Camera, interval_s: float, settings: VisionSettings
) -> Refinement:
    """Direction and on-screen of one clip's posterior, corrected once; all else stays as it was.

    `interval_s` lies between two pictures, `camera` has the field of view. Raises UsageError where rules or settings
    name a class that the posterior does not know.
    """
    settings = settings.restrict_to(posterior.labels)
    looks = [look for look in looks if len(look.frame_times_s)]
    if posterior.direction is None or not looks:
        return Refinement(posterior, build_empty_changes())
    found = collect_candidates(posterior, looks, camera, interval_s, settings)
    heard, seen, verdict = infer_causes(posterior, found, camera, settings)
    refined = _apply_estimate(posterior, heard, seen, verdict)
    return Refinement(refined, _changes(posterior, refined, seen, verdict, found, settings.activity_threshold))


def collect_candidates(
    posterior: Posterior, looks: Sequence[ClipDetections], camera: Camera, interval_s: float, settings: VisionSettings
) -> Candidates:
    """What was seen, at the posterior's frames, as places that may sound. Raises as `refine_posterior` does."""
    camera = replace(camera, width_px=looks[0].width_px, height_px=looks[0].height_px)
    sighted = [_track_detections(look, posterior, interval_s, settings) for look in looks]
    return find_candidates(sighted, camera, posterior.labels, settings.keypoint_threshold)


def infer_causes(
    posterior: Posterior, found: Candidates, camera: Camera, settings: VisionSettings
) -> tuple[AudioEvidence, VisualEvidence, CauseEstimate]:
    """What is to be believed of the events of one clip, with what was heard and seen of them."""
    belief = build_parameters(camera, settings, posterior.hop_s)
    heard = build_audio_evidence(posterior, belief, settings)
    seen = build_visual_evidence(found, posterior.tracks, heard.activity)
    if settings.mode == "rules":
        return heard, seen, match_nearest(heard, seen, belief, settings.tolerance_deg, settings.margin_deg)
    return heard, seen, infer_common_cause(heard, seen, belief)


def build_parameters(camera: Camera, settings: VisionSettings, hop_s: float) -> CauseParameters:
    return CauseParameters(
        settings.azimuth_outlier_rate,
        settings.uninformative_rate,
        settings.evidence_weight,
        round(settings.smoothing_s / hop_s),
        camera.horizontal_fov_deg,
        camera.yaw_deg,
    )


def compute_frame_times_s(posterior: Posterior) -> Float[np.ndarray, "frame"]:
    """The middle of each frame."""
    return np.asarray((np.arange(posterior.frames) + 0.5) * posterior.hop_s)


def _track_detections(
    look: ClipDetections, posterior: Posterior, interval_s: float, settings: VisionSettings
) -> DetectorTracks:
    frame_s = compute_frame_times_s(posterior)
    things = interpolate_tracks(track_objects(look.detections, interval_s), frame_s, interval_s)
    # A picture stands for the time until the next.
    age_s = frame_s - look.frame_times_s[:, None]
    looked = ((age_s >= 0) & (age_s < interval_s)).any(axis=0)
    return DetectorTracks(look.name, look.rules, settings.get_reliability(look.name, look.engine_id), things, looked)


def build_audio_evidence(posterior: Posterior, belief: CauseParameters, settings: VisionSettings) -> AudioEvidence:
    """The events of one clip as the models tell of them; their on-screen is scaled and shifted."""
    assert posterior.direction is not None
    azimuth_deg = fold_azimuth(azimuth_from_direction(posterior.direction.float()))
    std_deg = compute_azimuth_std_deg(posterior, settings)
    told = _onscreen_or_nan(posterior)
    prior = torch.sigmoid(settings.prior_weight * torch.logit(told, 1e-4) + settings.prior_bias)
    untold = settings.onscreen_prior * compute_inside_probability(azimuth_deg, std_deg, belief)
    fields = (posterior.activity.float(), azimuth_deg, std_deg, torch.where(told.isnan(), untold, prior))
    activity, azimuth_deg, std_deg, onscreen = (value[0].flatten(1).nan_to_num() for value in fields)
    return AudioEvidence(activity, azimuth_deg, std_deg, onscreen, ~told[0].flatten(1).isnan())


def compute_azimuth_std_deg(posterior: Posterior, settings: VisionSettings) -> Float[Tensor, "batch frame cls track"]:
    """How far off the heard azimuth may be: by its class, and by how far the members are apart."""
    activity = posterior.activity.float()
    std_deg = (
        to_class_tensor(settings.audio_azimuth_std_deg, posterior.labels, 10.0)
        .to(activity)[:, None]
        .expand_as(activity)
    )
    spread_deg = posterior.azimuth_std_deg
    return std_deg if spread_deg is None else torch.hypot(std_deg, spread_deg.nan_to_num())


def _onscreen_or_nan(posterior: Posterior) -> Float[Tensor, "1 frame cls track"]:
    """What was called on-screen, NaN where nobody tells."""
    unknown = torch.full_like(posterior.activity, torch.nan)
    return unknown if posterior.onscreen is None else posterior.onscreen.float()


def build_visual_evidence(found: Candidates, tracks: int, like: Tensor) -> VisualEvidence:
    """Candidates of each event, which are those of its class."""

    def events(values: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(values).to(like.device)
        return (tensor if tensor.dtype == torch.bool else tensor.to(like.dtype)).repeat_interleave(tracks, dim=1)

    rivals = torch.from_numpy(found.alike).to(like.device).repeat_interleave(tracks, 0).repeat_interleave(tracks, 1)
    others = rivals & ~torch.eye(len(rivals), dtype=torch.bool, device=like.device)
    return VisualEvidence(
        events(found.there),
        events(np.nan_to_num(found.azimuth_deg)),
        events(np.nan_to_num(found.std_deg, nan=1.0)),
        events(found.looked),
        events(np.nan_to_num(found.recall)),
        events(np.nan_to_num(found.unrelated)),
        others.to(like.dtype),
    )


def _apply_estimate(
    posterior: Posterior, heard: AudioEvidence, seen: VisualEvidence, verdict: CauseEstimate
) -> Posterior:
    assert posterior.direction is not None
    shape = posterior.activity.shape
    # What nobody looked at stays as it was told, to the last bit.
    onscreen = torch.where(seen.looked.reshape(shape), verdict.onscreen.reshape(shape), _onscreen_or_nan(posterior))
    moved_deg = torch.where(seen.looked, verdict.azimuth_deg - heard.azimuth_deg, 0.0)
    azimuth = torch.deg2rad(heard.azimuth_deg + moved_deg).reshape(shape)
    old = posterior.direction
    flat = old[..., :2].norm(dim=-1)
    # A rear direction stays one: only its mirror image was compared.
    front = torch.where(old[..., 0] < 0, -1.0, 1.0)
    new = torch.stack([front * flat * azimuth.cos(), flat * azimuth.sin(), old[..., 2]], dim=-1)
    direction = torch.where((moved_deg.reshape(shape) != 0).unsqueeze(-1), new, old)
    return replace(posterior, direction=direction.to(old.dtype), onscreen=onscreen.to(posterior.activity.dtype))


def _changes(
    before: Posterior, after: Posterior, seen: VisualEvidence, verdict: CauseEstimate, found: Candidates, floor: float
) -> pd.DataFrame:
    assert before.direction is not None
    assert after.direction is not None
    assert after.onscreen is not None
    told = _onscreen_or_nan(before)
    azimuths = [fold_azimuth(azimuth_from_direction(one.float()))[0] for one in (before.direction, after.direction)]
    moved = (azimuths[1] - azimuths[0]).abs() > LEAST_DEG
    called = ~((after.onscreen - told)[0].abs() < LEAST_CHANCE) & ~after.onscreen[0].isnan()
    looked = seen.looked.reshape(moved.shape)
    frame, cls, track = ((moved | called) & looked & (before.activity[0] > floor)).nonzero(as_tuple=True)
    at = (frame.cpu().numpy(), cls.cpu().numpy(), track.cpu().numpy())
    event = at[1] * before.tracks + at[2]
    common = verdict.common.cpu().numpy()[at[0], event]  # (change, lane)
    some = common.max(axis=1, initial=0.0) > LEAST_CHANCE
    lane = common.argmax(axis=1) if common.shape[1] else np.zeros(len(common), dtype=np.int64)
    names = np.array([*found.origin, ""], dtype=object)
    phrases = np.array([*found.phrase, ""], dtype=object)
    lanes = np.where(some, lane, len(found.origin))
    things = np.where(some, np.pad(found.track, ((0, 0), (0, 1)), constant_values=-1)[at[0], lanes], -1)
    chance = np.where(some, common.max(axis=1, initial=0.0), np.nan)
    values = [value.float().cpu().numpy()[at] for value in (azimuths[0], azimuths[1], told[0], after.onscreen[0])]
    columns = (*at, *values, names[lanes], phrases[lanes], things, chance)
    return pd.DataFrame(dict(zip(CHANGE_COLUMNS, columns, strict=True))).astype(CHANGE_COLUMNS)
