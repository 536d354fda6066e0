"""CMC, the Cross-Modal Conformer: sound and picture through embeddings, several sources of one class."""

from collections.abc import Callable

from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="cmc",
            api_version=2,
            summary="sound and picture through language-aligned embeddings, three tracks per class",
            load="seldfuse_cmc.infer:load",
            task="seldfuse_cmc.train:CmcTask",
            provides=("activity", "direction", "distance", "onscreen"),
            default_checkpoint="cmc-medium",
            needs_video=True,
            license="Apache-2.0",
        )
    )
