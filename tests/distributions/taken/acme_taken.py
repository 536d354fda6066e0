from seldfuse.sdk import Backend, Writer, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(Backend(name="Doa", api_version=2, summary="", load="acme:load", provides=("activity",)))
    register(
        Backend(name="mine", aliases=("SED_SCE",), api_version=2, summary="", load="acme:load", provides=("activity",))
    )


@hookimpl
def seldfuse_register_writers(register):
    # Backends and writers do not take names from each other.
    register(Writer(name="sce", api_version=2, summary="", write="acme:write", suffix=".sce"))
