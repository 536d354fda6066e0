from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(Backend(name="future", api_version=99, summary="", load="acme:load", provides=("activity",)))
    register(Backend(name="past", api_version=1, summary="", load="acme:load", provides=("activity",)))
