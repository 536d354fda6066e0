from seldfuse.sdk import Backend, CheckpointError, hookimpl


@hookimpl
def seldfuse_register_backends(register):
    for name in ("late-crash", "late-checkpoint", "late-promise", "late-nowhere"):
        attribute = name.removeprefix("late-")
        load = f"acme_late:{attribute}"
        register(Backend(name=name, api_version=2, summary="", load=load, provides=("activity",)))


def crash(checkpoint, device):
    raise RuntimeError("out of coffee")


def checkpoint(checkpoint, device):
    raise CheckpointError("no weights here")


def promise(checkpoint, device):
    return "not a backend"
