"""`mmpose`: RTMPose (Jiang et al. 2023), one person at a time, and RTMO (Lu et al. 2024), all at once, by OpenMMLab."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from seldfuse.sdk import KEYPOINTS, CheckpointError, Clip, Detections, Frame
from seldfuse_keypoint.openmmlab import load_mmpose
from seldfuse_keypoint.pair import PoseWeights
from seldfuse_keypoint.people import select_people
from seldfuse_keypoint.places import PersonBoxes

AT_ONCE = 16
"""Pictures, or people, in one pass."""

SCOPE = "_scope_"
"""Configs call for mmdet's copy of a backbone that mmpose has as well."""


class MMPose:
    """A network of mmpose, as its config describes it. Raises CheckpointError where config or weights are wrong."""

    def __init__(self, pair: PoseWeights, device: torch.device) -> None:
        with _quiet():
            load_mmpose()
            from mmengine.dataset import Compose
            from mmpose.models.pose_estimators import TopdownPoseEstimator

            config = _read(pair)
            try:
                self.network = _built(config.model)
                self.prepare = Compose(config.test_dataloader.dataset.pipeline)
                self.about = _about(config.test_dataloader.dataset)
            # A config may name anything that mmengine can build, and fails in as many ways.
            except Exception as error:
                raise CheckpointError(f"expected a config of mmpose's ({error}): {pair.config}") from error
            pair.fill(self.network)
        self.order = _order(self.about["keypoint_name2id"], pair)
        self.one_by_one = isinstance(self.network, TopdownPoseEstimator)
        self.device = device
        self.network.to(device).eval()
        self.engine_id = f"mmpose {pair.config.stem} {pair.version()} on {device}"

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:  # noqa: ARG002
        return (
            self._in_places(frames, PersonBoxes.from_detections(frames, seen))
            if self.one_by_one
            else self._in_pictures(frames)
        )

    def _in_places(self, frames: Sequence[Frame], places: PersonBoxes) -> Detections:
        pictures = [_bgr(frame) for frame in frames]
        boxes_px = places.boxes_px.astype(np.float32)[:, None]
        asked = (
            {"img": pictures[index], "bbox": box_px, "bbox_score": np.ones(1, dtype=np.float32)}
            for index, box_px in zip(places.frame_indices, boxes_px, strict=True)
        )
        return places.people(frames, np.concatenate([self._points(found) for found in self._collect(asked)]))

    def _in_pictures(self, frames: Sequence[Frame]) -> Detections:
        found = self._collect({"img": _bgr(frame)} for frame in frames)
        frame_indices = np.repeat(np.arange(len(frames)), [len(some.scores) for some in found])
        boxes_px = np.concatenate([some.bboxes for some in found]).astype(float)
        scores = np.concatenate([some.scores for some in found]).astype(float)
        return select_people(
            frames, frame_indices, boxes_px, scores, np.concatenate([self._points(some) for some in found])
        )

    def _collect(self, asked: Iterable[dict[str, Any]]) -> list[Any]:
        """mmpose's instances for each picture or person, in half precision on a GPU."""
        from mmengine.dataset import pseudo_collate

        half = torch.autocast("cuda", torch.float16, enabled=self.device.type == "cuda")
        with _quiet(), torch.inference_mode(), half:
            ready = [self.prepare({**one, **self.about}) for one in asked]
            batches = (pseudo_collate(ready[first : first + AT_ONCE]) for first in range(0, len(ready), AT_ONCE))
            return [sample.pred_instances for batch in batches for sample in self.network.test_step(batch)]

    def _points(self, found: Any) -> Float[np.ndarray, "person 17 3"]:
        points = np.concatenate([found.keypoints, found.keypoint_scores[..., None]], axis=2)
        return np.asarray(points[:, self.order], dtype=float)


def _read(pair: PoseWeights) -> Any:
    from mmengine.config import Config

    try:
        return Config.fromfile(str(pair.config))
    # It is Python, and may fail like any.
    except Exception as error:
        raise CheckpointError(
            f"the config cannot be read ({error}); one that builds on others (_base_) needs them: {pair.config}"
        ) from error


def _built(model: Any) -> Any:
    """A network with random weights: mmengine fetches pretrained ones only when it is to initialize."""
    from mmengine.config import ConfigDict
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    init_default_scope("mmpose")
    settings = _without_scope(model)
    # A second pass over the mirrored picture costs twice and gains little.
    settings["test_cfg"] = {**(settings.get("test_cfg") or {}), "flip_test": False}
    return MODELS.build(ConfigDict({**settings, "train_cfg": None}))


def _without_scope(settings: Any) -> Any:
    if isinstance(settings, Mapping):
        return {key: _without_scope(value) for key, value in settings.items() if key != SCOPE}
    if isinstance(settings, list | tuple):
        return type(settings)(map(_without_scope, settings))
    return settings


def _about(dataset: Any) -> dict[str, Any]:
    """What mmpose knows of the data set: names of points, and which are left and right."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo
    from mmpose.registry import DATASETS

    about: dict[str, Any] = parse_pose_metainfo(dataset.get("metainfo") or DATASETS.get(dataset.type).METAINFO)
    return about


def _order(known: Mapping[str, int], pair: PoseWeights) -> list[int]:
    """Where COCO's points stand among those of the network, which may know more."""
    missing = [point for point in KEYPOINTS if point not in known]
    if missing:
        raise CheckpointError(
            f"expected a network that knows COCO's points, this lacks {', '.join(missing)}: {pair.config}"
        )
    return [known[point] for point in KEYPOINTS]


def _bgr(frame: Frame) -> UInt8[np.ndarray, "height width 3"]:
    return np.ascontiguousarray(frame.rgb[..., ::-1])


@contextmanager
def _quiet() -> Iterator[None]:
    """mmpose warns of what only its makers can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
