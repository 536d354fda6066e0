"""SED-SDE: which class sounds, and how far away."""

from collections.abc import Callable

from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="sde",
            aliases=("sed-sde",),
            api_version=2,
            summary="which class sounds, and how far away",
            load="seldfuse_sed_sde.infer:load",
            task="seldfuse_sed_sde.train:SdeTask",
            provides=("activity", "distance"),
            default_checkpoint="sde-medium",
            license="Apache-2.0",
        )
    )
