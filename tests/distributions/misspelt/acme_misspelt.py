from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backend(register):
    register(Backend(name="misspelt", api_version=2, summary="", load="acme:load", provides=("activity",)))
