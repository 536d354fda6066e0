from seldfuse.sdk import Backend, Detector, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(
        Backend(
            name="laser",
            api_version=2,
            summary="",
            load="acme:load",
            provides=("activity",),
            requires=("json", "acme_lasers"),
            extra="lasers",
        )
    )


@hookimpl
def seldfuse_register_detectors(register):
    register(Detector(name="radar", api_version=2, summary="", load="acme:load", requires=("acme_radar.antenna",)))
