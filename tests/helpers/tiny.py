"""Tiny random models in folders like the hub's: what the large encoders are in small."""

from pathlib import Path
from typing import Any

import torch

from seldfuse.compat.transformers import import_transformers

RESNET = {"embedding_size": 4, "hidden_sizes": [16, 32, 48, 64], "depths": [2, 1, 1, 1]}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 8,
}
TEXT = {**{key: VISION[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads")}, "vocab_size": 50}
AUDIO = {
    "spec_size": 64,
    "num_mel_bins": 16,
    "patch_embeds_hidden_size": 8,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "window_size": 4,
}
HOP = 2_400
"""Of the tiny front end: 10 s are 201 spectra, which the tiny network stretches to 256."""


def randomised(network: Any, seed: int = 0) -> Any:
    """Weights that leave traces: what a fresh network gives for different pictures is nearly the same."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            fan_in = max(1, value[0].numel()) if value.ndim > 1 else 1
            value.copy_(0.5 + noise if name.endswith("running_var") else 2.0 * (noise - 0.3) / fan_in**0.5)
    return network


def saved(network: Any, folder: Path) -> None:
    randomised(network).save_pretrained(folder)


def save_models(root: Path) -> Path:
    """Whole models as the hub has them: a classifier, a detector, a model of sound and text."""
    library = import_transformers()
    saved(library.ResNetForImageClassification(library.ResNetConfig(**RESNET)), root / "resnet")
    detector = library.OwlViTConfig(text_config={**TEXT, "num_hidden_layers": 1}, vision_config=VISION)
    saved(library.OwlViTForObjectDetection(detector), root / "owlvit")
    texts = {**TEXT, "num_hidden_layers": 1, "max_position_embeddings": 20}
    clap = library.ClapConfig(text_config=texts, audio_config=AUDIO, projection_dim=12)
    saved(library.ClapModel(clap), root / "clap")
    # The hub's says "fusion" for some models and "rand_trunc" for others; it must not matter.
    library.ClapFeatureExtractor(feature_size=16, hop_length=HOP).save_pretrained(root / "clap")
    return root
