"""SED-SDE: which class sounds, and how far away."""

from collections.abc import Callable

from seldfuse.catalogue import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="sde",
            aliases=("sed-sde",),
            api_version=1,
            summary="which class sounds, and how far away",
            load="seldfuse_sed_sde.infer:load",
            task="seldfuse_sed_sde.train:SdeTask",
            features=("logmel", "intensity", "stpacc"),
            provides=("activity", "distance"),
            default_checkpoint="sde-small",
            license="Apache-2.0",
        )
    )
