from seldfuse.plugin import BackendSpec, hookimpl


@hookimpl
def seldfuse_register_backend(register):
    register(BackendSpec(name="misspelt", api_version=1, summary="", load="acme:load", provides=("activity",)))
