from seldfuse.sdk import Augmentation, Backend, Feature, Writer, hookimpl


class Specs:
    @hookimpl
    @staticmethod
    def seldfuse_register_backends(register):
        register("a backend")
        register(Writer(name="wrong-door", api_version=2, summary="", write="acme:write", suffix=".x"))
        register(Backend(name="a,b@c", api_version=2, summary="", load="acme:load", provides=("activity",)))
        register(Backend(name="careful", api_version=2, summary="", load="acme:load", provides=("activity",)))
        register(Backend(name="loose", api_version=2, summary="", load="acme:load", provides="activity"))


class Statements:
    @hookimpl
    @staticmethod
    def seldfuse_register_features(register):
        register(Feature(name="odd", api_version=2, summary="", compute="acme:compute", channels=3, mirror="swap"))

    @hookimpl
    @staticmethod
    def seldfuse_register_augmentations(register):
        register(Augmentation(name="eager", api_version=2, summary="", apply="acme:apply", order=1, default=0.5))


class Unmarked:
    @staticmethod
    def seldfuse_register_backends(register):
        register(Backend(name="unmarked", api_version=2, summary="", load="acme:load", provides=("activity",)))
