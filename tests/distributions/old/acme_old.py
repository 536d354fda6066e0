from seldfuse.plugin import BackendSpec, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(BackendSpec(name="old", api_version=1, summary="", load="acme:load", provides=("activity",)))
