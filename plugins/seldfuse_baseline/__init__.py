"""The baseline of DCASE 2025 Task 3: up to three sources of each class, with direction and distance."""

from collections.abc import Callable

from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="baseline",
            aliases=("dcase2025-baseline",),
            api_version=2,
            summary="the baseline of DCASE 2025 Task 3: up to three sources of each class, from where and how far",
            load="seldfuse_baseline.infer:load",
            task="seldfuse_baseline.train:BaselineTask",
            provides=("activity", "direction", "distance"),
            default_checkpoint="baseline-small",
            license="Apache-2.0",
        )
    )
