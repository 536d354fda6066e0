"""SED-SCE: which class sounds, from where and how far, as one Cartesian point."""

from collections.abc import Callable

from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="sce",
            aliases=("sed-sce",),
            api_version=2,
            summary="which class sounds, from where and how far: one Cartesian point",
            load="seldfuse_sed_sce.infer:load",
            task="seldfuse_sed_sce.train:SceTask",
            provides=("activity", "direction", "distance"),
            default_checkpoint="sce-medium",
            license="Apache-2.0",
        )
    )
