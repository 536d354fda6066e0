"""`hf`: Grounding DINO and MM Grounding DINO as transformers has them."""

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float32
from safetensors import SafetensorError
from torch import Tensor

from seldfuse.sdk import (
    CONFIG,
    FRONT_END,
    VOCABULARY,
    CheckpointError,
    WeightFiles,
    find_weights,
    import_transformers,
    is_downloaded,
)
from seldfuse_gdino import HF_WEIGHTS
from seldfuse_gdino.grounding import GroundingEngine, GroundingOutput, GroundingPrompt, ImagePreparation
from seldfuse_gdino.needs import require
from seldfuse_gdino.vocabulary import Vocabulary

NETWORKS: Mapping[str, str] = {
    "grounding-dino": "GroundingDinoForObjectDetection",
    "mm-grounding-dino": "MMGroundingDinoForObjectDetection",
}


def find(reference: str | None) -> WeightFiles:
    """Find a folder or what a hub's name stands for; by itself the first known weights that are in the cache.

    Raises CheckpointError where something is missing.
    """
    require("hf", "transformers")
    published = sorted(HF_WEIGHTS, key=lambda entry: not is_downloaded(entry))
    found = find_weights(reference or published[0].reference, (CONFIG, FRONT_END, VOCABULARY))
    if found.folder is None:
        raise CheckpointError(f"expected a folder with {CONFIG}, {VOCABULARY} and weights, got a file: {found.file}")
    return found


def load(weights: WeightFiles, vocabulary: Vocabulary, device: torch.device) -> GroundingEngine:
    """Load the network. Raises CheckpointError where the weights are of another network or damaged."""
    library = import_transformers("gdino")
    assert weights.folder is not None, "find gives a folder"
    question = GroundingPrompt.from_phrases(
        vocabulary.prompts, library.BertTokenizer(vocab=str(weights.folder / VOCABULARY))
    )
    network, ids = _network(library, weights).to(device), question.ids.to(device)

    def answer(pictures: Float32[Tensor, "picture 3 height width"]) -> GroundingOutput:
        asked = ids.expand(len(pictures), -1)
        found = network(pictures, asked, torch.zeros_like(asked), torch.ones_like(asked))
        return found.logits, found.pred_boxes

    return GroundingEngine(
        f"hf:{weights.folder.name} {weights.hash_version()}", answer, question, vocabulary, _front(weights), device
    )


def _network(library: Any, weights: WeightFiles) -> Any:
    kind = str((weights.read_settings(CONFIG) or {}).get("model_type"))
    if kind not in NETWORKS:
        raise CheckpointError(f"expected weights of {' or '.join(NETWORKS)}, got {kind}: {weights.folder}")
    try:
        # The library brings names of older versions to its own.
        with _silent(library.utils.logging):
            network, report = getattr(library, NETWORKS[kind]).from_pretrained(
                weights.folder,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
            )
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"the weights hold more than tensors, which could run any code; only tensors are read: {weights.file}"
        ) from error
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"the weights are damaged or cut short ({error}): {weights.file}") from error
    wrong = sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})
    if wrong:
        raise CheckpointError(
            f"the weights lack {len(wrong)} tensors of the network of {CONFIG}, or have them in other sizes, "
            f"such as {wrong[0]}: {weights.file}"
        )
    return network.eval()


@contextmanager
def _silent(logging: Any) -> Iterator[None]:
    """Without bars of progress, which take a moment, and tables of what does not fit, which an error describes."""
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _front(weights: WeightFiles) -> ImagePreparation:
    settings, usual = weights.read_settings(FRONT_END) or {}, ImagePreparation()
    size = settings.get("size") or {}
    return ImagePreparation(
        size.get("shortest_edge", usual.shortest_px),
        size.get("longest_edge", usual.longest_px),
        tuple(settings.get("image_mean", usual.mean)),
        tuple(settings.get("image_std", usual.deviation)),
    )
