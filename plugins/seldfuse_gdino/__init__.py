"""Gdino post-processor: planned, not built."""

from collections.abc import Callable

from seldfuse.plugin import PostProcessorSpec, hookimpl


@hookimpl
def seldfuse_register_postprocessors(register: Callable[[PostProcessorSpec], None]) -> None:
    register(
        PostProcessorSpec(
            name="gdino",
            api_version=1,
            summary="an open-vocabulary detector corrects direction and on-screen per class",
            load=None,
            extra="gdino",
            license="Apache-2.0",
        )
    )
