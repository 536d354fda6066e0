from seldfuse.plugin import BackendSpec, WriterSpec, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(BackendSpec(name="Doa", api_version=1, summary="", load="acme:load", provides=("activity",)))
    register(
        BackendSpec(
            name="mine", aliases=("SED_SCE",), api_version=1, summary="", load="acme:load", provides=("activity",)
        )
    )


@hookimpl
def seldfuse_register_writers(register):
    # Backends and writers do not take names from each other.
    register(WriterSpec(name="sce", api_version=1, summary="", load="acme:write", suffix=".sce"))
