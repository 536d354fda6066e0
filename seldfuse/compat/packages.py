"""Packages that are optional, and what to type where they are not here."""

import importlib.util

from seldfuse.errors import CheckpointError


def require_packages(user: str, *packages: str, install: str) -> None:
    """Check that packages are installed, without importing them. Raises CheckpointError, which says how to `install`
    them, where one of `packages` is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise CheckpointError(f"{user} needs {' and '.join(missing)}; {install}")
