"""From things in the picture to places from which a class may sound."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from seldfuse.core.class_values import ClassValues, to_class_tensor
from seldfuse.core.detections import KEYPOINTS
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import LabelSet
from seldfuse.core.rules import Rules
from seldfuse.vision.settings import DetectorReliability
from seldfuse.vision.track import TrackedObjects, compute_iou

SAME_OVERLAP = 0.5
"""Boxes that share this much of their union show one thing."""

LOOSE = 0.1
"""A place in a box is known to this share of the box's width, a keypoint much better."""

EDGE_PX, OUTER = 3.0, 0.25
"""A box that ends so near the picture's edge goes on beyond it, and so may what sounds in this part of it."""


Mask = Bool[np.ndarray, "frame cls lane"]
Numbers = Float[np.ndarray, "frame cls lane"]


@dataclass(frozen=True)
class Candidates:
    """What may have made a sound, in lanes as in `TrackedObjects`.

    Shape: all but `origin` and `phrase` begin with `(frame, cls, lane)`: whether there is a candidate, the azimuth of
    its sounding place and how far off that may be. `looked` is `(frame, cls)`: whether a picture was looked at for the
    class; `recall` and `unrelated` are those of the best that looked, NaN where none did. `alike` is `(cls, cls)`:
    classes that the same places speak for. `origin` names the post-processor of each lane.
    """

    there: Mask
    azimuth_deg: Numbers
    std_deg: Numbers
    track: Int64[np.ndarray, "frame lane"]
    looked: Bool[np.ndarray, "frame cls"]
    recall: Float[np.ndarray, "frame cls"]
    unrelated: Float[np.ndarray, "frame cls"]
    alike: Bool[np.ndarray, "cls cls"]
    origin: tuple[str, ...]
    phrase: tuple[str, ...]


@dataclass(frozen=True)
class DetectorTracks:
    """What one post-processor saw, at the frames of a posterior; `looked` is whether it did look."""

    name: str
    rules: Rules
    sight: DetectorReliability
    things: TrackedObjects
    looked: Bool[np.ndarray, "frame"]


def find_candidates(
    sighted: Sequence[DetectorTracks], camera: Camera, labels: LabelSet, point_above: float
) -> Candidates:
    """Places of all post-processors together. Where several saw the same thing, who knows the place best speaks alone.

    `camera` has the size of the pictures. A place is the mean of the rule's points, weighted by their scores, of those
    above `point_above`; without any it is the rule's place in the box. What sounds outside of the picture is left out:
    a body may be seen while its sounding place is not. Raises UsageError for rules or numbers of unknown classes.
    """
    found = [_places(one, camera, labels, point_above) for one in sighted]
    there, azimuth_deg, std_deg = (np.concatenate(parts, axis=2) for parts in zip(*found, strict=True))
    box_px = np.concatenate([one.things.box_px for one in sighted], axis=1)
    ruled = np.array([[name in one.rules.by_class for name in labels.names] for one in sighted])  # (sighted, cls)
    looks = np.stack([one.looked for one in sighted])[..., None] & ruled[:, None]  # (sighted, frame, cls)
    return Candidates(
        there & ~_is_better_described(there, std_deg, box_px),
        azimuth_deg,
        std_deg,
        np.concatenate([one.things.track for one in sighted], axis=1),
        looks.any(axis=0),
        _best([one.sight.recall for one in sighted], looks, labels),
        _best([one.sight.distractors_per_frame for one in sighted], looks, labels),
        _alike(sighted, labels),
        tuple(one.name for one in sighted for _ in one.things.phrase),
        tuple(phrase for one in sighted for phrase in one.things.phrase),
    )


def _places(one: DetectorTracks, camera: Camera, labels: LabelSet, point_above: float) -> tuple[Mask, Numbers, Numbers]:
    """Whether there is a place that sounds, its azimuth, and how far off that is, for each class and thing."""
    things, names = one.things, [name for name in labels.names if name in one.rules.by_class]
    rules = [one.rules.by_class[name] for name in names]
    cls = np.array([labels.names.index(name) for name in names], dtype=np.int64)
    shape = (len(things.track), len(labels), len(things.phrase))
    there, azimuth_deg, std_deg = np.zeros(shape, dtype=bool), np.full(shape, np.nan), np.full(shape, np.nan)
    if not len(cls) or not shape[2]:
        return there, azimuth_deg, std_deg
    speaks = np.array([[phrase in rule.phrases for phrase in things.phrase] for rule in rules])
    listed = np.array([[point in rule.keypoints for point in KEYPOINTS] for rule in rules], dtype=float)
    place = np.array([rule.position for rule in rules])
    score = np.nan_to_num(things.points_px[..., 2])
    score = np.where(score > point_above, score, 0.0)  # (frame, lane, point)
    weight = np.einsum("rp,flp->frl", listed, score)
    point_px = np.einsum("rp,flp->frl", listed, score * np.nan_to_num(things.points_px[..., 0]))
    seen = weight > 0

    box = things.box_px[:, None]  # (frame, 1, lane, 4)
    size_px = box[..., 2:] - box[..., :2]
    at_px = box[..., :2] + place[:, None] * size_px  # (frame, rule, lane, 2)
    x_px = np.where(seen, point_px / np.where(seen, weight, 1.0), at_px[..., 0])
    width_deg = np.abs(camera.azimuth_from_x(box[..., 0]) - camera.azimuth_from_x(box[..., 2]))
    deviation_deg = to_class_tensor(one.sight.azimuth_std_deg, labels, 2.0).numpy()[cls][:, None]
    outside = ~seen & _exceeds_box(box, place[:, None], camera)
    there[:, cls] = things.there[:, None] & speaks & ~outside
    azimuth_deg[:, cls] = camera.azimuth_from_x(x_px)
    std_deg[:, cls] = np.hypot(deviation_deg, np.where(seen, 0.0, LOOSE * width_deg))
    return there, azimuth_deg, std_deg


def _exceeds_box(
    box: Float[np.ndarray, "frame 1 lane 4"], place: Float[np.ndarray, "rule 1 2"], camera: Camera
) -> Bool[np.ndarray, "frame rule lane"]:
    """Whether what sounds was cut off: it is near an end of the box which is that of the picture."""
    size = np.array([camera.width_px, camera.height_px])
    cut_low, cut_high = box[..., :2] < EDGE_PX, box[..., 2:] > size - EDGE_PX
    return np.asarray(((cut_low & (place < OUTER)) | (cut_high & (place > 1 - OUTER))).any(axis=-1))


def _is_better_described(
    there: Mask,
    std_deg: Numbers,
    box_px: Float[np.ndarray, "frame lane 4"],
) -> Mask:
    """Whether another candidate shows the same thing and knows its place better (the earlier one, of equals)."""
    same = compute_iou(box_px[:, :, None], box_px[:, None]) > SAME_OVERLAP  # (frame, lane, other)
    lane = np.arange(there.shape[2])
    worse = (std_deg[..., None] > std_deg[..., None, :]) | (
        (std_deg[..., None] == std_deg[..., None, :]) & (lane[:, None] > lane)
    )
    return np.asarray((worse & same[:, None] & there[..., None, :]).any(axis=-1))


def _best(
    values: Sequence[ClassValues], looks: Bool[np.ndarray, "sighted frame cls"], labels: LabelSet
) -> Float[np.ndarray, "frame cls"]:
    numbers = np.stack([to_class_tensor(value, labels, 0.0).numpy() for value in values])
    best = np.where(looks, numbers[:, None], -1.0).max(axis=0)
    return np.where(best < 0, np.nan, best).astype(float)


def _alike(sighted: Sequence[DetectorTracks], labels: LabelSet) -> Bool[np.ndarray, "cls cls"]:
    alike = np.eye(len(labels), dtype=bool)
    for one in sighted:
        rules = [one.rules.by_class.get(name) for name in labels.names]
        places = [rule and (set(rule.phrases), set(rule.keypoints), rule.position) for rule in rules]
        alike |= np.array([[place is not None and place == other for other in places] for place in places])
    return alike
