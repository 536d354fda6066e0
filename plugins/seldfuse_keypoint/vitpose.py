"""`vitpose`: ViTPose (Xu et al. 2022) by transformers, one person at a time."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import (
    CONFIG,
    KEYPOINTS,
    CheckpointError,
    Clip,
    Detections,
    Frame,
    WeightFiles,
    find_weights,
    import_transformers,
)
from seldfuse_keypoint import VITPOSE_WEIGHTS
from seldfuse_keypoint.crops import crop_boxes, extract_crops, find_peaks, to_picture_pixels
from seldfuse_keypoint.needs import require
from seldfuse_keypoint.places import PersonBoxes

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COCO_EXPERT = 0
"""Of networks that learnt from several data sets (ViTPose+), the experts for COCO's points."""

AT_ONCE = 16


class VitPose:
    """ViTPose with the weights of a folder or a hub's name. Raises CheckpointError, UsageError without transformers."""

    def __init__(self, weights: WeightFiles, device: torch.device) -> None:
        library = import_transformers("keypoint")
        config = library.VitPoseConfig.from_dict(weights.read_settings(CONFIG) or {})
        if config.num_labels != len(KEYPOINTS):
            raise CheckpointError(
                f"expected a ViTPose of COCO's {len(KEYPOINTS)} points, this has {config.num_labels}: {weights.file}"
            )
        network = library.VitPoseForPoseEstimation(config)
        weights.fill(network, weights.read_tensors())
        self.height_px, self.width_px = config.backbone_config.image_size
        self.experts = config.backbone_config.num_experts > 1
        self.device, self.dtype = device, torch.float16 if device.type == "cuda" else torch.float32
        self.network = network.to(device, self.dtype).eval()
        self.mean, self.deviation = (
            torch.tensor(values, device=device).reshape(3, 1, 1) for values in (MEAN, DEVIATION)
        )
        self.engine_id = f"vitpose {weights.hash_version()[:8]} on {device}"

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:  # noqa: ARG002
        places = PersonBoxes.from_detections(frames, seen)
        boxes_px = torch.from_numpy(places.boxes_px).to(self.device, torch.float32)
        boxes_px = extract_crops(boxes_px, self.width_px / self.height_px)
        pictures = (torch.tensor(frame.rgb).permute(2, 0, 1) for frame in frames)
        cut = [
            crop_boxes(picture.to(self.device), boxes_px[places.frame_indices == index], self.height_px, self.width_px)
            for index, picture in enumerate(pictures)
        ]
        heatmaps = self._heatmaps(torch.cat(cut))
        points = to_picture_pixels(find_peaks(heatmaps), boxes_px, *heatmaps.shape[2:])
        return places.people(frames, points.cpu().double().numpy())

    @torch.inference_mode()
    def _heatmaps(self, cut: Float[Tensor, "place 3 high wide"]) -> Float[Tensor, "place 17 rows columns"]:
        shown = ((cut - self.mean) / self.deviation).to(self.dtype)
        return torch.cat([self._detect_batch(some) for some in torch.split(shown, AT_ONCE)])

    def _detect_batch(self, shown: Float[Tensor, "place 3 high wide"]) -> Float[Tensor, "place 17 rows columns"]:
        experts = torch.full((len(shown),), COCO_EXPERT, device=self.device) if self.experts else None
        found: Tensor = self.network(shown, dataset_index=experts).heatmaps.float()
        return found


def find(weights: str | None) -> WeightFiles:
    """Find weights that are there. Raises CheckpointError where they, or transformers, are missing."""
    require("vitpose", "transformers")
    return find_weights(weights or VITPOSE_WEIGHTS.reference, (CONFIG,))
