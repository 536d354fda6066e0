from seldfuse.plugin import BackendSpec, WriterSpec, hookimpl


class Specs:
    @hookimpl
    @staticmethod
    def seldfuse_register_backends(register):
        register("a backend")
        register(WriterSpec(name="wrong-door", api_version=1, summary="", load="acme:write", suffix=".x"))
        register(BackendSpec(name="a,b@c", api_version=1, summary="", load="acme:load", provides=("activity",)))
        register(BackendSpec(name="careful", api_version=1, summary="", load="acme:load", provides=("activity",)))
        register(BackendSpec(name="loose", api_version=1, summary="", load="acme:load", provides="activity"))


class Unmarked:
    @staticmethod
    def seldfuse_register_backends(register):
        register(BackendSpec(name="unmarked", api_version=1, summary="", load="acme:load", provides=("activity",)))
