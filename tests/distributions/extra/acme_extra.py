from seldfuse.catalogue import Backend, Detector, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    register(
        Backend(
            name="laser",
            api_version=1,
            summary="",
            load="acme:load",
            provides=("activity",),
            requires=("json", "acme_lasers"),
            extra="lasers",
        )
    )


@hookimpl
def seldfuse_register_postprocessors(register):
    register(Detector(name="radar", api_version=1, summary="", load="acme:load", requires=("acme_radar.antenna",)))
