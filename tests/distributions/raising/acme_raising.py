from seldfuse.sdk import Backend, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(Backend(name="before-the-fall", api_version=2, summary="", load="acme:load", provides=("activity",)))
    raise RuntimeError("no more backends today")
