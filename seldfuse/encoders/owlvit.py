"""OWL-ViT's tower of pictures (Minderer et al. 2022), trained to find objects that words name."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.compat.transformers import import_transformers
from seldfuse.weights.find import CONFIG, find_weights

WEIGHTS = "google/owlvit-base-patch32"
ASPECT = 9 / 16
GREY = 0.5
"""What pictures were filled up with, below and at the right, when the network was trained."""

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""CLIP's."""

AT_ONCE = 4
"""Pictures in one pass: base/32 takes about 70 MB of memory for each."""

TOWER = ("vision_model.", "owlvit.vision_model.")


class OwlViT:
    """`owlvit`: the columns of the patch grid, 24 of 768 values for base/32, twice a second.

    A picture is as wide as the network's square and lies at its top; the rest is grey. Patches keep their column: only
    rows are averaged, those that are not mostly grey.
    """

    name = "owlvit"
    rate_hz = 2

    def __init__(self, reference: str, device: torch.device) -> None:
        """Weights of the whole detector or of the tower. Raises CheckpointError, UsageError without transformers."""
        weights, library = find_weights(reference, (CONFIG,)), import_transformers()
        settings = weights.read_settings(CONFIG) or {}
        config = library.OwlViTVisionConfig.from_dict(settings.get("vision_config", settings))
        network = library.OwlViTVisionModel(config)
        tensors = weights.read_tensors(TOWER)
        weights.fill(network, {name.removeprefix("owlvit."): tensor for name, tensor in tensors.items()})
        self.version = weights.hash_version()
        self.side_px, self.patch_px = int(config.image_size), int(config.patch_size)
        self.width_px, self.height_px = self.side_px, round(self.side_px * ASPECT)
        self.tokens, self.channels = self.side_px // self.patch_px, int(config.hidden_size)
        self.device = device
        self.dtype = torch.float16 if device.type == "cuda" else torch.float32
        self.network = network.to(device, self.dtype).eval()
        self.mean, self.deviation = (
            torch.tensor(values, device=device).reshape(3, 1, 1) for values in (MEAN, DEVIATION)
        )

    @torch.inference_mode()
    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column channel"]:
        return torch.cat([self._columns(some) for some in torch.split(pictures, AT_ONCE)])

    def _columns(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column channel"]:
        canvas = paste_on_canvas(pictures.to(self.device), self.side_px)
        tower = self.network.vision_model
        found = tower(((canvas - self.mean) / self.deviation).to(self.dtype)).last_hidden_state
        patches = tower.post_layernorm(found)[:, 1:].float()  # the first token stands for the whole picture
        return average_columns(patches, self.tokens, int(pictures.shape[2] / self.patch_px + 0.5))


def load_owlvit(weights: str | None, device: torch.device) -> OwlViT:
    """Load `owlvit` with its published weights, or others. Raises CheckpointError, UsageError without transformers."""
    return OwlViT(weights or WEIGHTS, device)


def paste_on_canvas(
    pictures: UInt8[Tensor, "picture 3 height width"], side_px: int
) -> Float[Tensor, "picture 3 side side"]:
    """Paste pictures from 0 to 1 at the top left of a grey square."""
    height, width = pictures.shape[2:]
    return F.pad(pictures.float() / 255.0, (0, side_px - width, 0, side_px - height), value=GREY)


def average_columns(
    patches: Float[Tensor, "picture patch channel"], columns: int, rows: int
) -> Float[Tensor, "picture column channel"]:
    """Average over the first `rows` rows of a grid of patches, which comes row by row."""
    pictures, _, channels = patches.shape
    grid = patches.reshape(pictures, -1, columns, channels)  # (picture, row, column, channel)
    return grid[:, :rows].mean(dim=1)
