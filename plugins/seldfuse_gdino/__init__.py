"""gdino: an open-vocabulary detector looks for the things that sound."""

from collections.abc import Callable

from seldfuse.sdk import Detector, hookimpl


@hookimpl
def seldfuse_register_detectors(register: Callable[[Detector], None]) -> None:
    register(
        Detector(
            name="gdino",
            api_version=2,
            summary="an open-vocabulary detector looks for the things that sound",
            load="seldfuse_gdino.postprocessor:load",
            extra="gdino",
            license="Apache-2.0",
        )
    )
