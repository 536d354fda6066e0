"""gdino: the things that sound, found by their names: by Grounding DINO, or by YOLOX, which knows fewer."""

from collections.abc import Callable

from seldfuse.sdk import Detector, PublishedWeights, hookimpl

LICENSE = "Apache-2.0"
HF_FILES = ("config.json", "preprocessor_config.json", "vocab.txt")
HF_WEIGHTS = (
    PublishedWeights("IDEA-Research/grounding-dino-tiny", ("gdino@hf",), 690, LICENSE, HF_FILES),
    PublishedWeights("IDEA-Research/grounding-dino-base", ("gdino@hf",), 930, LICENSE, HF_FILES),
    PublishedWeights(
        "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det", ("gdino@hf",), 690, LICENSE, HF_FILES
    ),
)
"""Those of the engine `hf`, in the order of preference."""

AUTHORS_WEIGHTS = PublishedWeights(
    "ShilongLiu/GroundingDINO", ("gdino@groundingdino",), 694, LICENSE, (), ("groundingdino_swint_ogc.pth",)
)
AUTHORS_VOCABULARY = PublishedWeights(
    "google-bert/bert-base-uncased", ("gdino@groundingdino",), 1, LICENSE, (), ("vocab.txt",)
)
"""All that a network with its own text encoder needs of BERT."""


@hookimpl
def seldfuse_register_detectors(register: Callable[[Detector], None]) -> None:
    register(
        Detector(
            name="gdino",
            api_version=2,
            summary="things that sound, detected by their names, correct direction and on-screen",
            load="seldfuse_gdino.detector:load",
            engines=("hf", "groundingdino", "yolox", "recorded"),
            published=(*HF_WEIGHTS, AUTHORS_WEIGHTS, AUTHORS_VOCABULARY),
            extra="gdino",
            license=LICENSE,
        )
    )
