"""CMC, the Cross-Modal Conformer: planned, not built."""

from collections.abc import Callable

from seldfuse.plugin import BackendSpec, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[BackendSpec], None]) -> None:
    register(
        BackendSpec(
            name="cmc",
            api_version=1,
            summary="sound and picture through language-aligned embeddings, three tracks per class",
            load=None,
            provides=("activity", "direction", "distance", "onscreen"),
            tracks=3,
            needs_video=True,
            license="Apache-2.0",
        )
    )
