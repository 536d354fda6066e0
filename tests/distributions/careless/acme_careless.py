from seldfuse.sdk import Backend, Writer, hookimpl


class Specs:
    @hookimpl
    @staticmethod
    def seldfuse_register_backends(register):
        register("a backend")
        register(Writer(name="wrong-door", api_version=2, summary="", write="acme:write", suffix=".x"))
        register(Backend(name="a,b@c", api_version=2, summary="", load="acme:load", provides=("activity",)))
        register(Backend(name="careful", api_version=2, summary="", load="acme:load", provides=("activity",)))
        register(Backend(name="loose", api_version=2, summary="", load="acme:load", provides="activity"))


class Unmarked:
    @staticmethod
    def seldfuse_register_backends(register):
        register(Backend(name="unmarked", api_version=2, summary="", load="acme:load", provides=("activity",)))
