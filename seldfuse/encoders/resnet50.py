"""ResNet-50, trained on ImageNet (He et al. 2016), whose last map the DCASE 2025 baseline and MVANet take.

Both cut the middle out of the picture, 60° of it; here the map spans the whole 100°, at the picture's aspect.
"""

import re
from collections.abc import Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.compat.transformers import import_transformers
from seldfuse.weights.find import CONFIG, find_weights

WEIGHTS = "microsoft/resnet-50"
HEIGHT_PX, WIDTH_PX = 126, 224
STRIDE = 32
SIDE = 7
"""Rows and columns of the map, those of the square picture that the network was trained on."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ResNet50:
    """`resnet50`: the map's mean over channels, as 7 columns of 7 rows, ten times a second."""

    name = "resnet50"
    height_px, width_px, rate_hz = HEIGHT_PX, WIDTH_PX, 10
    tokens, channels = SIDE, SIDE

    def __init__(self, reference: str, device: torch.device) -> None:
        """Weights of transformers or of torchvision. Raises CheckpointError, UsageError without transformers."""
        weights, library = find_weights(reference), import_transformers()
        config = library.ResNetConfig.from_dict(weights.read_settings(CONFIG) or {})
        network = library.ResNetModel(config)
        weights.fill(network, to_transformers_names(weights.read_tensors()))
        self.version = weights.hash_version()
        self.depth = int(config.hidden_sizes[-1])
        self.device = device
        self.dtype = torch.float16 if device.type == "cuda" else torch.float32
        self.network = network.to(device, self.dtype, memory_format=torch.channels_last).eval()
        self.mean, self.deviation = (
            torch.tensor(values, device=device).reshape(3, 1, 1) for values in (MEAN, DEVIATION)
        )

    @torch.inference_mode()
    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column row"]:
        return self.compute_maps(pictures).mean(dim=1).transpose(1, 2)

    @torch.inference_mode()
    def compute_maps(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture channel 7 7"]:
        """Compute the last map before the mean over the whole picture, rows from top to bottom, columns from left to
        right."""
        values = (pictures.to(self.device).float() / 255.0 - self.mean) / self.deviation
        filled = _whole_strides(values).to(self.dtype).contiguous(memory_format=torch.channels_last)
        found = self.network(filled).last_hidden_state.float()  # (picture, 2048, 4, 7)
        return F.adaptive_avg_pool2d(found, SIDE)


class ResNet50Map(ResNet50):
    """`resnet50-map`: the whole map, 49 places of 2048 values, row by row."""

    name = "resnet50-map"
    tokens = SIDE * SIDE

    def __init__(self, reference: str, device: torch.device) -> None:
        super().__init__(reference, device)
        self.channels = self.depth

    @torch.inference_mode()
    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture place channel"]:
        return self.compute_maps(pictures).flatten(2).transpose(1, 2)


def load_resnet50(weights: str | None, device: torch.device) -> ResNet50:
    """Load `resnet50` with its published weights, or others. Raises CheckpointError, UsageError without
    transformers."""
    return ResNet50(weights or WEIGHTS, device)


def load_resnet50_map(weights: str | None, device: torch.device) -> ResNet50Map:
    """Load `resnet50-map`; the rest is as for `resnet50`."""
    return ResNet50Map(weights or WEIGHTS, device)


def to_transformers_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename weights of a ResNet to the names of transformers' ResNetModel, the classifier left out.

    They come as those of transformers' model with or without a classifier, or of torchvision's.
    """
    rename = _from_torchvision if "conv1.weight" in tensors else _from_classifier
    renamed = {rename(name): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if not name.startswith(("classifier.", "fc."))}


def _from_classifier(name: str) -> str:
    return name.removeprefix("resnet.")


# torchvision's `layer2.0.downsample.1.bias` is `encoder.stages.1.layers.0.shortcut.normalization.bias`.
_PLACE = re.compile(r"layer(?P<stage>\d)\.(?P<block>\d+)\.(?P<part>conv|bn|downsample\.)(?P<number>\d)\.(?P<kind>\w+)")


def _from_torchvision(name: str) -> str:
    place = _PLACE.fullmatch(name)
    if place is None:
        stem = re.sub(r"^conv1\.", "embedder.embedder.convolution.", name)
        return re.sub(r"^bn1\.", "embedder.embedder.normalization.", stem)
    block = f"encoder.stages.{int(place['stage']) - 1}.layers.{place['block']}"
    number, kind = int(place["number"]), place["kind"]
    if place["part"] == "downsample.":
        return f"{block}.shortcut.{('convolution', 'normalization')[number]}.{kind}"
    return f"{block}.layer.{number - 1}.{'convolution' if place['part'] == 'conv' else 'normalization'}.{kind}"


def _whole_strides(values: Float[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture 3 high wide"]:
    """Filled up to whole strides with the rows and columns of the edge, equally on both sides: an edge of one colour
    would be a horizon that is not there."""
    high, wide = (-size % STRIDE for size in values.shape[2:])
    return F.pad(values, (wide // 2, wide - wide // 2, high // 2, high - high // 2), mode="replicate")
