"""Multi-ACCDDOA: tracks whose vectors are as long as they are active, with a distance.

Krause, Politis, Mesaros, "Sound Event Detection and Localization with Distance Estimation", EUSIPCO 2024; the DCASE
2025 Task 3 baseline adds on-screen as a fourth element. Heads are taken after their activations (tanh for x and y, ReLU
for the distance, sigmoid for on-screen), flattened over track, element and class.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seldfuse.core.directions import normalize
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.posterior import Posterior


def posterior_from_accddoa(
    raw: Float[Tensor, "batch frame out"], labels: LabelSet = DCASE2025, tracks: int = 3, onscreen: bool = False
) -> Posterior:
    """Read the posterior of an activated head whose `out` axis counts track × element (x, y, metres[, on-screen]) ×
    class.

    Activity is the length of (x, y), clipped to 1. Raises ValueError where `out` does not fit.
    """
    x, y, distance, *rest = _elements(raw, labels, tracks, 4 if onscreen else 3)
    return Posterior(
        activity=torch.hypot(x, y).clamp_max(1.0),
        direction=normalize(torch.stack([x, y, torch.zeros_like(x)], dim=-1)),
        distance=distance.clamp_min(0.0),
        onscreen=rest[0] if rest else None,
        labels=labels,
    )


def decode_accddoa(
    raw: Float[Tensor, "batch frame out"],
    labels: LabelSet = DCASE2025,
    onscreen: bool = False,
    active_above: float = 0.5,
    angle_deg: float = 15.0,
) -> list[Events]:
    """Decode the events of an activated three-track head by the rules of the DCASE 2025 Task 3 baseline, clip by clip.

    Of the pairs of active tracks (0, 1), (1, 2), (2, 0), those nearer than `angle_deg` are similar. One similar pair
    becomes the mean of its vectors and distances with the on-screen value of the first named; two or three pairs become
    the mean of all tracks with that of track 0. On-screen is thresholded at 0.5 (the baseline truncates it to 0).
    """
    x, y, distance, *rest = _elements(raw, labels, 3, 4 if onscreen else 3)
    active = torch.hypot(x, y) > active_above
    owner = _owners(torch.stack([x, y], dim=-1), active, angle_deg)
    tracks = torch.arange(3, device=raw.device)
    owns = owner.unsqueeze(-2) == tracks.unsqueeze(-1)  # (batch, frame, cls, owner, track)

    def mean(value: Tensor) -> Tensor:
        return (owns * value.unsqueeze(-2)).sum(-1) / owns.sum(-1)

    event = active & (owner == tracks)
    columns = {
        "azimuth_deg": torch.rad2deg(torch.atan2(mean(y), mean(x))),
        "distance_m": mean(distance.clamp_min(0.0)),
        "score": mean(torch.hypot(x, y)).clamp_max(1.0),
    }
    if rest:
        columns["onscreen"] = (rest[0] > 0.5).to(raw)
    clip, frame, cls, source = event.nonzero(as_tuple=True)
    columns = {"frame": frame, "cls": cls, "source": source} | {name: value[event] for name, value in columns.items()}
    table = {name: column.cpu().numpy() for name, column in columns.items()}
    return Events.from_batch(table, clip.bincount(minlength=len(raw)).tolist(), labels)


def _elements(
    raw: Float[Tensor, "batch frame out"], labels: LabelSet, tracks: int, elements: int
) -> tuple[Float[Tensor, "batch frame cls track"], ...]:
    expected = tracks * elements * len(labels)
    if raw.shape[-1] != expected:
        raise ValueError(
            f"a head of {tracks} tracks, {elements} elements and {len(labels)} classes has {expected} outputs, "
            f"got {raw.shape[-1]}"
        )
    return raw.reshape(*raw.shape[:2], tracks, elements, len(labels)).permute(3, 0, 1, 4, 2).unbind()


def _owners(
    vector: Float[Tensor, "batch frame cls 3 2"], active: Bool[Tensor, "batch frame cls 3"], angle_deg: float
) -> Int[Tensor, "batch frame cls 3"]:
    """For every track the one on which its group stands; itself where it stands alone."""
    heading = vector / vector.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    after = heading.roll(-1, dims=-2)  # the pairs (0, 1), (1, 2), (2, 0), each by its first named
    near = (heading * after).sum(-1) > math.cos(math.radians(angle_deg))
    similar = near & active & active.roll(-1, dims=-1)
    alone = torch.arange(3, device=vector.device).expand(active.shape)
    before = torch.tensor([2, 0, 1], device=vector.device)
    paired = torch.where(similar.roll(1, dims=-1), before, alone)
    return torch.where(similar.sum(-1, keepdim=True) > 1, 0, paired)
