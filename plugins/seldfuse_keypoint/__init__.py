"""Keypoint post-processor: people, and where their mouths, hands and feet are."""

from collections.abc import Callable

from seldfuse.sdk import Detector, hookimpl


@hookimpl
def seldfuse_register_detectors(register: Callable[[Detector], None]) -> None:
    register(
        Detector(
            name="keypoint",
            api_version=2,
            summary="people and their keypoints correct direction and on-screen",
            load="seldfuse_keypoint.postprocessor:load",
            extra="keypoint",
            license="Apache-2.0",
        )
    )
