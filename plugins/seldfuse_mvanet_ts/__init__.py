"""MVANet-TS: planned, not built."""

from collections.abc import Callable

from seldfuse.plugin import BackendSpec, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[BackendSpec], None]) -> None:
    register(
        BackendSpec(
            name="mvanet",
            aliases=("mvanet-ts",),
            api_version=1,
            summary="sound and picture, audio-guided attention, taught by an audio model",
            load=None,
            provides=("activity", "direction", "distance", "onscreen"),
            needs_video=True,
            license="Apache-2.0",
        )
    )
