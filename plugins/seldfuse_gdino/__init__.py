"""gdino: an open-vocabulary detector looks for the things that sound."""

from collections.abc import Callable

from seldfuse.catalogue import Detector, hookimpl


@hookimpl
def seldfuse_register_postprocessors(register: Callable[[Detector], None]) -> None:
    register(
        Detector(
            name="gdino",
            api_version=1,
            summary="an open-vocabulary detector looks for the things that sound",
            load="seldfuse_gdino.postprocessor:load",
            extra="gdino",
            license="Apache-2.0",
        )
    )
