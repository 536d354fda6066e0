from seldfuse.plugin import BackendSpec, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(BackendSpec(name="future", api_version=99, summary="", load="acme:load", provides=("activity",)))
    register(BackendSpec(name="past", api_version=0, summary="", load="acme:load", provides=("activity",)))
