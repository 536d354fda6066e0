"""The packages that an engine needs, and what to type where they are not here."""

import importlib.util

from seldfuse.errors import CheckpointError


def require(engine: str, *packages: str) -> None:
    """Imports nothing. Raises CheckpointError where one of `packages` is not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise CheckpointError(f'{engine} needs {" and ".join(missing)}; `pip install "seldfuse[gdino]"`')
