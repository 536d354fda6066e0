"""keypoint: a detector of people, and of where their mouths, hands and feet are."""

from collections.abc import Callable

from seldfuse.sdk import Detector, PublishedWeights, hookimpl

LICENSE = "Apache-2.0"
VITPOSE_WEIGHTS = PublishedWeights("usyd-community/vitpose-base-simple", ("keypoint@vitpose",), 343, LICENSE)


@hookimpl
def seldfuse_register_detectors(register: Callable[[Detector], None]) -> None:
    register(
        Detector(
            name="keypoint",
            api_version=2,
            summary="people and their keypoints correct direction and on-screen",
            load="seldfuse_keypoint.detector:load",
            engines=("mmpose", "vitpose", "movenet", "recorded"),
            published=(VITPOSE_WEIGHTS,),
            extra="keypoint",
            license=LICENSE,
        )
    )
