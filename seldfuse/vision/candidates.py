"""From objects in the picture to places from which a class may sound."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from seldfuse.core.detections import KEYPOINTS
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import LabelSet
from seldfuse.core.rules import Rules
from seldfuse.vision.settings import ClassReliability
from seldfuse.vision.track import TrackedObjects, compute_iou

SAME_OVERLAP = 0.5
"""Boxes that share this much of their union show one object."""

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
    the place that sounds and how far off that may be. `looked` is `(frame, cls)`: whether a detector that has a rule
    for the class got a picture; `recall` and `unrelated` (distractors per frame) are those of the best of them, NaN
    where there is none. `alike` is `(cls, cls)`: classes with the same places. `origin` names each lane's detector.
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
    """The objects of one detector at the frames of a posterior; `looked` is whether it got a picture."""

    name: str
    rules: Rules
    reliability: ClassReliability
    objects: TrackedObjects
    looked: Bool[np.ndarray, "frame"]


def find_candidates(
    detectors: Sequence[DetectorTracks], camera: Camera, labels: LabelSet, keypoint_threshold: float
) -> Candidates:
    """Find the places of all detectors together. Of an object that several detected, the best known place counts alone.

    `camera` has the size of the pictures. A place is the mean of the rule's keypoints, weighted by their scores, of
    those above `keypoint_threshold`; without any it is the rule's position in the box. A place outside of the picture
    is left out: a body may be in the picture while the place that sounds is not.
    """
    found = [_find_places(one, camera, labels, keypoint_threshold) for one in detectors]
    there, azimuth_deg, std_deg = (np.concatenate(parts, axis=2) for parts in zip(*found, strict=True))
    box_px = np.concatenate([one.objects.box_px for one in detectors], axis=1)
    ruled = np.array([[name in one.rules.by_class for name in labels.names] for one in detectors])  # (detector, cls)
    inspected = np.stack([one.looked for one in detectors])[..., None] & ruled[:, None]  # (detector, frame, cls)
    return Candidates(
        there & ~_is_better_described(there, std_deg, box_px),
        azimuth_deg,
        std_deg,
        np.concatenate([one.objects.track for one in detectors], axis=1),
        inspected.any(axis=0),
        _select_best([one.reliability.recall for one in detectors], inspected),
        _select_best([one.reliability.distractors_per_frame for one in detectors], inspected),
        _match_alike(detectors, labels),
        tuple(one.name for one in detectors for _ in one.objects.phrase),
        tuple(phrase for one in detectors for phrase in one.objects.phrase),
    )


def _find_places(
    one: DetectorTracks, camera: Camera, labels: LabelSet, keypoint_threshold: float
) -> tuple[Mask, Numbers, Numbers]:
    """Find whether a place sounds, its azimuth, and how far off that is, for each class and object."""
    objects, names = one.objects, [name for name in labels.names if name in one.rules.by_class]
    rules = [one.rules.by_class[name] for name in names]
    cls = np.array([labels.names.index(name) for name in names], dtype=np.int64)
    shape = (len(objects.track), len(labels), len(objects.phrase))
    there, azimuth_deg, std_deg = np.zeros(shape, dtype=bool), np.full(shape, np.nan), np.full(shape, np.nan)
    if not len(cls) or not shape[2]:
        return there, azimuth_deg, std_deg
    named = np.array([[phrase in rule.phrases for phrase in objects.phrase] for rule in rules])
    listed = np.array([[point in rule.keypoints for point in KEYPOINTS] for rule in rules], dtype=float)
    place = np.array([rule.position for rule in rules])
    score = np.nan_to_num(objects.points_px[..., 2])
    score = np.where(score > keypoint_threshold, score, 0.0)  # (frame, lane, point)
    weight = np.einsum("rp,flp->frl", listed, score)
    point_px = np.einsum("rp,flp->frl", listed, score * np.nan_to_num(objects.points_px[..., 0]))
    measured = weight > 0

    box = objects.box_px[:, None]  # (frame, 1, lane, 4)
    size_px = box[..., 2:] - box[..., :2]
    at_px = box[..., :2] + place[:, None] * size_px  # (frame, rule, lane, 2)
    x_px = np.where(measured, point_px / np.where(measured, weight, 1.0), at_px[..., 0])
    width_deg = np.abs(camera.azimuth_from_x(box[..., 0]) - camera.azimuth_from_x(box[..., 2]))
    sure_deg = one.reliability.azimuth_std_deg.numpy()[cls][:, None]
    outside = ~measured & _exceeds_box(box, place[:, None], camera)
    there[:, cls] = objects.there[:, None] & named & ~outside
    azimuth_deg[:, cls] = camera.azimuth_from_x(x_px)
    std_deg[:, cls] = np.hypot(sure_deg, np.where(measured, 0.0, LOOSE * width_deg))
    return there, azimuth_deg, std_deg


def _exceeds_box(
    box: Float[np.ndarray, "frame 1 lane 4"], place: Float[np.ndarray, "rule 1 2"], camera: Camera
) -> Bool[np.ndarray, "frame rule lane"]:
    """Find whether the place was cut off: it is near an end of the box which is that of the picture."""
    size = np.array([camera.width_px, camera.height_px])
    cut_low, cut_high = box[..., :2] < EDGE_PX, box[..., 2:] > size - EDGE_PX
    return np.asarray(((cut_low & (place < OUTER)) | (cut_high & (place > 1 - OUTER))).any(axis=-1))


def _is_better_described(
    there: Mask,
    std_deg: Numbers,
    box_px: Float[np.ndarray, "frame lane 4"],
) -> Mask:
    """Find whether another candidate is the same object and knows its place better (the earlier one, of equals)."""
    same = compute_iou(box_px[:, :, None], box_px[:, None]) > SAME_OVERLAP  # (frame, lane, other)
    lane = np.arange(there.shape[2])
    worse = (std_deg[..., None] > std_deg[..., None, :]) | (
        (std_deg[..., None] == std_deg[..., None, :]) & (lane[:, None] > lane)
    )
    return np.asarray((worse & same[:, None] & there[..., None, :]).any(axis=-1))


def _select_best(
    values: Sequence[Float[Tensor, "cls"]], inspected: Bool[np.ndarray, "detector frame cls"]
) -> Float[np.ndarray, "frame cls"]:
    numbers = np.stack([value.numpy() for value in values])
    best = np.where(inspected, numbers[:, None], -1.0).max(axis=0)
    return np.where(best < 0, np.nan, best).astype(float)


def _match_alike(detectors: Sequence[DetectorTracks], labels: LabelSet) -> Bool[np.ndarray, "cls cls"]:
    alike = np.eye(len(labels), dtype=bool)
    for one in detectors:
        rules = [one.rules.by_class.get(name) for name in labels.names]
        places = [rule and (set(rule.phrases), set(rule.keypoints), rule.position) for rule in rules]
        alike |= np.array([[place is not None and place == other for other in places] for place in places])
    return alike
