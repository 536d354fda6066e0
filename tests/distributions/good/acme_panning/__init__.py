"""What seldfuse reads when it lists plugins. Nothing heavy is imported here."""

from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(
        Backend(
            name="panning",
            aliases=("acme",),
            api_version=2,
            summary="concerts: whatever sounds is music, and its level difference says where",
            load="acme_panning.backend:load",
            provides=("activity", "direction"),
            license="MIT",
        )
    )
