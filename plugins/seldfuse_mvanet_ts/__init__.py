"""MVANet-TS: sound and picture, taught by an audio model."""

from collections.abc import Callable

from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="mvanet",
            aliases=("mvanet-ts",),
            api_version=2,
            summary="sound and picture, audio-guided attention, taught by an audio model",
            load="seldfuse_mvanet_ts.infer:load",
            task="seldfuse_mvanet_ts.train:MvaTask",
            provides=("activity", "direction", "distance", "onscreen"),
            needs_video=True,
            default_checkpoint="mvanet-medium",
            license="Apache-2.0",
        )
    )
