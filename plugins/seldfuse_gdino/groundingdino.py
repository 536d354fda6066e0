"""`groundingdino`: the authors' own Grounding DINO (groundingdino-py) with their `.pth`.

The package downloads its text encoder, and reads the network's sizes from a settings file. Here both come from the
weights: the text encoder's are among them, and sizes are those of the tensors. Only the vocabulary is a file apart.
"""

import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from seldfuse.sdk import VOCABULARY, CheckpointError, WeightFiles, find_weights, import_transformers, load_torchvision
from seldfuse_gdino import AUTHORS_VOCABULARY, AUTHORS_WEIGHTS
from seldfuse_gdino.grounding import GroundingEngine, GroundingOutput, GroundingPrompt, ImagePreparation
from seldfuse_gdino.needs import require
from seldfuse_gdino.vocabulary import Vocabulary

PACKAGE = "groundingdino"
BACKBONES: Mapping[int, str] = {96: "GroundingDINO_SwinT_OGC", 128: "GroundingDINO_SwinB_cfg"}
"""The package's settings by the width of the backbone's first layer: Swin-T and Swin-B."""

HEAD = 64
"""Channels of one head of BERT."""


@dataclass(frozen=True)
class GroundingWeights:
    """Weights, and the vocabulary of their text encoder."""

    weights: WeightFiles
    vocabulary: Path


def find_weights_and_vocabulary(reference: str | None) -> GroundingWeights:
    """Find a `.pth`, a folder with one, or the fetched weights. Raises CheckpointError where something is missing."""
    require(PACKAGE, PACKAGE, "torchvision", "transformers")
    folder = Path(reference) if reference else None
    if folder is None or not folder.is_dir():
        weights = find_weights(reference or AUTHORS_WEIGHTS.reference)
    else:
        files = sorted(folder.glob("*.pth"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise CheckpointError(f"expected a folder with one .pth of Grounding DINO, got {names}: {folder}")
        weights = WeightFiles(files[0], None)
    beside = weights.file.parent
    places = (beside / VOCABULARY, *sorted(beside.glob(f"*/{VOCABULARY}")))
    for place in places:
        if place.is_file():
            return GroundingWeights(weights, place)
    return GroundingWeights(weights, find_weights(AUTHORS_VOCABULARY.reference).file)


def load(found: GroundingWeights, vocabulary: Vocabulary, device: torch.device) -> GroundingEngine:
    """Load the network. Raises CheckpointError where the weights are of another network or damaged."""
    tensors = found.weights.read_tensors(within="model")
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    tokenizer = import_transformers("gdino").BertTokenizer(vocab=str(found.vocabulary))
    question = GroundingPrompt.from_phrases(vocabulary.prompts, tokenizer)
    with _quiet():
        network = _network(tensors, tokenizer, found.weights).to(device)

    def answer(pictures: Float32[Tensor, "picture 3 height width"]) -> GroundingOutput:
        with _quiet():
            answered = network(pictures, captions=[question.text] * len(pictures))
        return answered["pred_logits"], answered["pred_boxes"]

    name = f"groundingdino:{found.weights.file.stem} {found.weights.hash_version()}"
    return GroundingEngine(name, answer, question, vocabulary, ImagePreparation(), device)


@contextmanager
def _quiet() -> Iterator[None]:
    """The package was written for older versions of torch and timm, which warn of nearly every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _network(tensors: dict[str, Tensor], tokenizer: Any, weights: WeightFiles) -> nn.Module:
    load_torchvision()
    model = importlib.import_module("groundingdino.models.GroundingDINO.groundingdino")
    try:
        settings, encoder = _settings(tensors), _text_encoder(tensors, import_transformers("gdino"))
    except KeyError as error:
        raise CheckpointError(f"expected weights of Grounding DINO; these lack {error}: {weights.file}") from error
    words = SimpleNamespace(get_tokenlizer=lambda _: tokenizer, get_pretrained_language_model=lambda _: encoder)
    # The first downloads; the second calls methods that BERT has no longer.
    with _replace(model, get_tokenlizer=words, BertModelWarper=TextEncoder):
        network: nn.Module = model.build_groundingdino(settings)
    weights.fill(network, tensors)
    return network.eval()


@contextmanager
def _replace(module: ModuleType, **parts: object) -> Iterator[None]:
    former = {name: getattr(module, name) for name in parts}
    try:
        for name, part in parts.items():
            setattr(module, name, part)
        yield
    finally:
        for name, part in former.items():
            setattr(module, name, part)


def _settings(tensors: Mapping[str, Tensor]) -> SimpleNamespace:
    """The package's, with the sizes of the tensors."""
    width = len(tensors["backbone.0.patch_embed.proj.weight"])
    usual = importlib.import_module(f"groundingdino.config.{BACKBONES.get(width, BACKBONES[96])}")
    sizes = {
        "num_queries": len(tensors["transformer.tgt_embed.weight"]),
        "dim_feedforward": len(tensors["transformer.decoder.layers.0.linear1.weight"]),
        "enc_layers": _layers(tensors, "transformer.encoder.layers."),
        "dec_layers": _layers(tensors, "transformer.decoder.layers."),
    }
    # Checkpointing saves memory in training only.
    return SimpleNamespace(**{**vars(usual), **sizes, "use_checkpoint": False, "use_transformer_ckpt": False})


def _text_encoder(tensors: Mapping[str, Tensor], library: Any) -> nn.Module:
    words, channels = tensors["bert.embeddings.word_embeddings.weight"].shape
    config = library.BertConfig(
        vocab_size=words,
        hidden_size=channels,
        num_hidden_layers=_layers(tensors, "bert.encoder.layer."),
        num_attention_heads=channels // HEAD,
        intermediate_size=len(tensors["bert.encoder.layer.0.intermediate.dense.weight"]),
        max_position_embeddings=len(tensors["bert.embeddings.position_embeddings.weight"]),
    )
    encoder: nn.Module = library.BertModel(config)
    return encoder


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)})


class TextEncoder(nn.Module):
    """BERT by the names that the weights have, with a mask for each pair of tokens: phrases do not attend to each
    other."""

    def __init__(self, bert_model: Any) -> None:
        super().__init__()
        self.config = bert_model.config
        self.embeddings, self.encoder, self.pooler = bert_model.embeddings, bert_model.encoder, bert_model.pooler

    def forward(
        self,
        input_ids: Int64[Tensor, "text token"],
        token_type_ids: Int64[Tensor, "text token"],
        attention_mask: Bool[Tensor, "text token token"],
        position_ids: Int64[Tensor, "text token"],
    ) -> dict[str, Float[Tensor, "text token channel"]]:
        embedded = self.embeddings(input_ids=input_ids, token_type_ids=token_type_ids, position_ids=position_ids)
        apart = torch.zeros_like(attention_mask, dtype=embedded.dtype)
        apart = apart.masked_fill(~attention_mask, torch.finfo(embedded.dtype).min)[:, None]  # one for all heads
        return {"last_hidden_state": self.encoder(embedded, attention_mask=apart)[0]}
