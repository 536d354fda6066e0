"""`vitpose`: ViTPose (Xu et al. 2022) by transformers, one person at a time."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.clip import Clip, Frame
from seldfuse.compat.transformers import transformers_library
from seldfuse.detections import POINTS, Detections
from seldfuse.errors import CheckpointError
from seldfuse.weights.find import CONFIG, Weights, find_weights
from seldfuse_keypoint.crops import crops, laid_out, on_picture, peaks
from seldfuse_keypoint.needs import require
from seldfuse_keypoint.places import Places

WEIGHTS = "usyd-community/vitpose-base-simple"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COCO_EXPERT = 0
"""Of networks that learnt from several data sets (ViTPose+), the experts who know COCO's points."""

AT_ONCE = 16


class VitPose:
    """ViTPose with the weights of a folder or a hub's name. Raises CheckpointError, UsageError without transformers."""

    def __init__(self, weights: Weights, device: torch.device) -> None:
        library = transformers_library("keypoint")
        config = library.VitPoseConfig.from_dict(weights.settings(CONFIG) or {})
        if config.num_labels != len(POINTS):
            raise CheckpointError(
                f"expected a ViTPose of COCO's {len(POINTS)} points, this has {config.num_labels}: {weights.file}"
            )
        network = library.VitPoseForPoseEstimation(config)
        weights.fill(network, weights.tensors())
        self.height_px, self.width_px = config.backbone_config.image_size
        self.experts = config.backbone_config.num_experts > 1
        self.device, self.dtype = device, torch.float16 if device.type == "cuda" else torch.float32
        self.network = network.to(device, self.dtype).eval()
        self.mean, self.deviation = (
            torch.tensor(values, device=device).reshape(3, 1, 1) for values in (MEAN, DEVIATION)
        )
        self.looks_with = f"vitpose {weights.version()[:8]} on {device}"

    def look(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:  # noqa: ARG002
        places = Places.of(frames, seen)
        boxes_px = torch.from_numpy(places.boxes_px).to(self.device, torch.float32)
        boxes_px = laid_out(boxes_px, self.width_px / self.height_px)
        pictures = (torch.tensor(frame.rgb).permute(2, 0, 1) for frame in frames)
        cut = [
            crops(picture.to(self.device), boxes_px[places.looks == look], self.height_px, self.width_px)
            for look, picture in enumerate(pictures)
        ]
        heatmaps = self._heatmaps(torch.cat(cut))
        points = on_picture(peaks(heatmaps), boxes_px, *heatmaps.shape[2:])
        return places.people(frames, points.cpu().double().numpy())

    @torch.inference_mode()
    def _heatmaps(self, cut: Float[Tensor, "place 3 high wide"]) -> Float[Tensor, "place 17 rows columns"]:
        shown = ((cut - self.mean) / self.deviation).to(self.dtype)
        return torch.cat([self._once(some) for some in torch.split(shown, AT_ONCE)])

    def _once(self, shown: Float[Tensor, "place 3 high wide"]) -> Float[Tensor, "place 17 rows columns"]:
        experts = torch.full((len(shown),), COCO_EXPERT, device=self.device) if self.experts else None
        found: Tensor = self.network(shown, dataset_index=experts).heatmaps.float()
        return found


def find(weights: str | None) -> Weights:
    """Weights that are there. Raises CheckpointError where they, or transformers, are missing."""
    require("vitpose", "transformers")
    return find_weights(weights or WEIGHTS, (CONFIG,))
