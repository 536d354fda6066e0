"""The folder for what could be computed or fetched again."""

import os
from pathlib import Path

CACHE_VARIABLE = "SELDFUSE_CACHE"


def cache_folder() -> Path:
    """Return the folder that the variable SELDFUSE_CACHE names, else seldfuse's part of the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "seldfuse"
