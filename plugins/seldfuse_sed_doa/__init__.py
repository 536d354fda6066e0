"""SED-DOA: which class sounds, and from where."""

from collections.abc import Callable

from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="doa",
            aliases=("sed-doa",),
            api_version=2,
            summary="which class sounds, and from which direction",
            load="seldfuse_sed_doa.infer:load",
            task="seldfuse_sed_doa.train:DoaTask",
            provides=("activity", "direction"),
            default_checkpoint="doa-medium",
            license="Apache-2.0",
        )
    )
