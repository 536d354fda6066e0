"""The plain way, `rules`: what is detected near an event is its source."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seldfuse.vision.bayes import AudioEvidence, CauseEstimate, CauseParameters, VisualEvidence


def match_nearest(
    audio: AudioEvidence, visual: VisualEvidence, parameters: CauseParameters, tolerance_deg: float, margin_deg: float
) -> CauseEstimate:
    """Match events to the nearest candidate within a tolerance: on-screen, and where it is; else they are off-screen.

    Pairs are taken from the nearest on, each candidate for one event of its rivals. Events below `activity` 0.5 claim
    none. Near the picture's edge, and where no detector got a picture, an event stays as it was; beyond the edge
    nothing is on-screen.
    """
    apart_deg = torch.where(visual.there, visual.azimuth_deg - audio.azimuth_deg.unsqueeze(-1), torch.inf)
    pairs = _pair_nearest_first(apart_deg.abs(), (audio.activity > 0.5), tolerance_deg, visual.rivals)
    paired = pairs.any(-1)
    from_middle_deg = (audio.azimuth_deg - parameters.yaw_deg).abs() - parameters.fov_deg / 2
    onscreen = torch.where(from_middle_deg.abs() > margin_deg, 0.0, audio.onscreen)
    onscreen = torch.where(visual.looked, torch.where(paired, 1.0, onscreen), audio.onscreen)
    moved = torch.where(pairs, apart_deg, 0.0).sum(-1)
    return CauseEstimate(onscreen, audio.azimuth_deg + moved, pairs.to(onscreen))


def _pair_nearest_first(
    apart_deg: Float[Tensor, "frame event lane"],
    active: Bool[Tensor, "frame event"],
    tolerance_deg: float,
    rivals: Float[Tensor, "event event"],
) -> Bool[Tensor, "frame event lane"]:
    """Pair one after the other, in all frames at once; whoever has a partner is out, as are its rivals there."""
    frames, events, lanes = apart_deg.shape
    pairs = torch.zeros_like(apart_deg, dtype=torch.bool)
    if lanes == 0:
        return pairs
    left_deg = torch.where(active.unsqueeze(-1), apart_deg, torch.inf)
    frame = torch.arange(frames, device=apart_deg.device)
    for _ in range(events):
        nearest_deg, place = left_deg.flatten(1).min(1)
        near = nearest_deg <= tolerance_deg
        if not near.any():
            break
        event, lane = place // lanes, place % lanes
        pairs[frame[near], event[near], lane[near]] = True
        left_deg[frame[near], event[near]] = torch.inf
        taken = (rivals[event] > 0).unsqueeze(-1) & (torch.arange(lanes, device=lane.device) == lane[:, None, None])
        left_deg = torch.where(near[:, None, None] & taken, torch.inf, left_deg)
    return pairs
