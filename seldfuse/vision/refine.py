"""One correction of a posterior, with the detections of all detectors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

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

LEAST_DEG, LEAST_PROBABILITY = 0.5, 0.01
"""Smaller changes are not listed."""


@dataclass(frozen=True)
class ClipDetections:
    """The untracked detections of one detector in a clip, the times in seconds of the pictures that it got, and their
    size.
    """

    name: str
    engine_id: str
    rules: Rules
    detections: Detections
    frame_times_s: Float[np.ndarray, "picture"]
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Refinement:
    """The corrected posterior, and what was changed: a table with the columns of `CHANGE_COLUMNS`.

    `thing` is the track that the detection got, `common_cause` the probability that it is the source; without a
    candidate both are empty (−1, NaN).
    """

    posterior: Posterior
    changes: pd.DataFrame


def refine_posterior(
    posterior: Posterior,
    detections: Sequence[ClipDetections],
    camera: Camera,
    interval_s: float,
    settings: VisionSettings,
) -> Refinement:
    """Correct direction and on-screen of one clip's posterior, once; all else stays as it was.

    `interval_s` lies between two pictures, `camera` has the field of view. Raises UsageError where rules or settings
    name a class that the posterior does not know.
    """
    settings.resolve_for(posterior.labels, posterior.activity.device)
    detections = [one for one in detections if len(one.frame_times_s)]
    if posterior.direction is None or not detections:
        return Refinement(posterior, build_empty_changes())
    candidates = collect_candidates(posterior, detections, camera, interval_s, settings)
    audio, visual, estimate = infer_causes(posterior, candidates, camera, settings)
    refined = _apply_estimate(posterior, audio, visual, estimate)
    changes = _list_changes(posterior, refined, visual, estimate, candidates, settings.activity_threshold)
    return Refinement(refined, changes)


def collect_candidates(
    posterior: Posterior,
    detections: Sequence[ClipDetections],
    camera: Camera,
    interval_s: float,
    settings: VisionSettings,
) -> Candidates:
    """Collect the places that may sound from detections, at the posterior's frames. Raises as `refine_posterior`."""
    camera = replace(camera, width_px=detections[0].width_px, height_px=detections[0].height_px)
    tracked = [_track_detections(one, posterior, interval_s, settings) for one in detections]
    return find_candidates(tracked, camera, posterior.labels, settings.keypoint_threshold)


def infer_causes(
    posterior: Posterior, candidates: Candidates, camera: Camera, settings: VisionSettings
) -> tuple[AudioEvidence, VisualEvidence, CauseEstimate]:
    """Infer the causes of the events of one clip, from the evidence of audio and picture, which come with them."""
    parameters = build_parameters(camera, settings, posterior.hop_s)
    audio = build_audio_evidence(posterior, parameters, settings)
    visual = build_visual_evidence(candidates, posterior.tracks, audio.activity)
    if settings.mode == "rules":
        return audio, visual, match_nearest(audio, visual, parameters, settings.tolerance_deg, settings.margin_deg)
    return audio, visual, infer_common_cause(audio, visual, parameters)


def build_parameters(camera: Camera, settings: VisionSettings, hop_s: float) -> CauseParameters:
    """Build the parameters of the inference, which are those of all classes."""
    return CauseParameters(
        settings.azimuth_outlier_rate,
        settings.uninformative_rate,
        settings.evidence_weight,
        round(settings.smoothing_s / hop_s),
        camera.horizontal_fov_deg,
        camera.yaw_deg,
    )


def compute_frame_times_s(posterior: Posterior) -> Float[np.ndarray, "frame"]:
    """Compute the middle of each frame."""
    return np.asarray((np.arange(posterior.frames) + 0.5) * posterior.hop_s)


def _track_detections(
    detections: ClipDetections, posterior: Posterior, interval_s: float, settings: VisionSettings
) -> DetectorTracks:
    frame_s = compute_frame_times_s(posterior)
    objects = interpolate_tracks(track_objects(detections.detections, interval_s), frame_s, interval_s)
    # A picture stands for the time until the next.
    age_s = frame_s - detections.frame_times_s[:, None]
    looked = ((age_s >= 0) & (age_s < interval_s)).any(axis=0)
    resolved = settings.resolve_for(posterior.labels, posterior.activity.device)
    reliability = resolved.reliabilities[settings.find_reliability_key(detections.name, detections.engine_id)]
    return DetectorTracks(detections.name, detections.rules, reliability, objects, looked)


def build_audio_evidence(posterior: Posterior, parameters: CauseParameters, settings: VisionSettings) -> AudioEvidence:
    """Build the events of one clip as the backends estimate them; their on-screen is scaled and shifted."""
    assert posterior.direction is not None
    azimuth_deg = fold_azimuth(azimuth_from_direction(posterior.direction))
    std_deg = compute_azimuth_std_deg(posterior, settings)
    estimated = _onscreen_or_nan(posterior)
    prior = torch.sigmoid(settings.prior_weight * torch.logit(estimated, 1e-4) + settings.prior_bias)
    without = settings.onscreen_prior * compute_inside_probability(azimuth_deg, std_deg, parameters)
    fields = (posterior.activity, azimuth_deg, std_deg, torch.where(estimated.isnan(), without, prior))
    activity, azimuth_deg, std_deg, onscreen = (value[0].flatten(1).nan_to_num() for value in fields)
    return AudioEvidence(activity, azimuth_deg, std_deg, onscreen, ~estimated[0].flatten(1).isnan())


def compute_azimuth_std_deg(posterior: Posterior, settings: VisionSettings) -> Float[Tensor, "batch frame cls track"]:
    """Compute how far off the azimuth of the audio may be: by its class, and by how far the members are apart."""
    activity = posterior.activity
    resolved = settings.resolve_for(posterior.labels, activity.device)
    std_deg = resolved.audio_azimuth_std_deg.to(activity)[:, None].expand_as(activity)
    spread_deg = posterior.azimuth_std_deg
    return std_deg if spread_deg is None else torch.hypot(std_deg, spread_deg.nan_to_num())


def _onscreen_or_nan(posterior: Posterior) -> Float[Tensor, "1 frame cls track"]:
    """The on-screen probability, NaN where no backend estimates it."""
    return torch.full_like(posterior.activity, torch.nan) if posterior.onscreen is None else posterior.onscreen


def build_visual_evidence(candidates: Candidates, tracks: int, like: Tensor) -> VisualEvidence:
    """Build the candidates of each event, which are those of its class."""

    def to_events(values: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(values).to(like.device)
        return (tensor if tensor.dtype == torch.bool else tensor.to(like.dtype)).repeat_interleave(tracks, dim=1)

    alike = torch.from_numpy(candidates.alike).to(like.device)
    rivals = alike.repeat_interleave(tracks, 0).repeat_interleave(tracks, 1)
    others = rivals & ~torch.eye(len(rivals), dtype=torch.bool, device=like.device)
    return VisualEvidence(
        to_events(candidates.there),
        to_events(np.nan_to_num(candidates.azimuth_deg)),
        to_events(np.nan_to_num(candidates.std_deg, nan=1.0)),
        to_events(candidates.looked),
        to_events(np.nan_to_num(candidates.recall)),
        to_events(np.nan_to_num(candidates.unrelated)),
        others.to(like.dtype),
    )


def _apply_estimate(
    posterior: Posterior, audio: AudioEvidence, visual: VisualEvidence, estimate: CauseEstimate
) -> Posterior:
    assert posterior.direction is not None
    shape = posterior.activity.shape
    # Where no detector looked, all stays as it was, to the last bit.
    onscreen = torch.where(visual.looked.reshape(shape), estimate.onscreen.reshape(shape), _onscreen_or_nan(posterior))
    moved_deg = torch.where(visual.looked, estimate.azimuth_deg - audio.azimuth_deg, 0.0)
    azimuth = torch.deg2rad(audio.azimuth_deg + moved_deg).reshape(shape)
    old = posterior.direction
    flat = old[..., :2].norm(dim=-1)
    # A rear direction stays one: only its mirror image was compared.
    front = torch.where(old[..., 0] < 0, -1.0, 1.0)
    new = torch.stack([front * flat * azimuth.cos(), flat * azimuth.sin(), old[..., 2]], dim=-1)
    direction = torch.where((moved_deg.reshape(shape) != 0).unsqueeze(-1), new, old)
    return replace(posterior, direction=direction.to(old.dtype), onscreen=onscreen.to(posterior.activity.dtype))


def _list_changes(
    before: Posterior,
    after: Posterior,
    visual: VisualEvidence,
    estimate: CauseEstimate,
    candidates: Candidates,
    least_activity: float,
) -> pd.DataFrame:
    assert before.direction is not None
    assert after.direction is not None
    assert after.onscreen is not None
    onscreen_before = _onscreen_or_nan(before)
    azimuths = [fold_azimuth(azimuth_from_direction(one))[0] for one in (before.direction, after.direction)]
    moved = (azimuths[1] - azimuths[0]).abs() > LEAST_DEG
    changed = (after.onscreen - onscreen_before)[0].abs()
    decided = ~(changed < LEAST_PROBABILITY) & ~after.onscreen[0].isnan()
    looked = visual.looked.reshape(moved.shape)
    frame, cls, track = ((moved | decided) & looked & (before.activity[0] > least_activity)).nonzero(as_tuple=True)
    at = (frame.cpu().numpy(), cls.cpu().numpy(), track.cpu().numpy())
    event = at[1] * before.tracks + at[2]
    common = estimate.common.cpu().numpy()[at[0], event]  # (change, lane)
    some = common.max(axis=1, initial=0.0) > LEAST_PROBABILITY
    lane = common.argmax(axis=1) if common.shape[1] else np.zeros(len(common), dtype=np.int64)
    names = np.array([*candidates.origin, ""], dtype=object)
    phrases = np.array([*candidates.phrase, ""], dtype=object)
    lanes = np.where(some, lane, len(candidates.origin))
    tracks = np.pad(candidates.track, ((0, 0), (0, 1)), constant_values=-1)
    things = np.where(some, tracks[at[0], lanes], -1)
    probability = np.where(some, common.max(axis=1, initial=0.0), np.nan)
    fields = (azimuths[0], azimuths[1], onscreen_before[0], after.onscreen[0])
    values = [value.cpu().numpy()[at] for value in fields]
    columns = (*at, *values, names[lanes], phrases[lanes], things, probability)
    return pd.DataFrame(dict(zip(CHANGE_COLUMNS, columns, strict=True))).astype(CHANGE_COLUMNS)
