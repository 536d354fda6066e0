"""A checkout that is used as it lies, where nothing can be installed."""

import importlib
import importlib.metadata
import os
import sys
import tomllib
from pathlib import Path

import seldfuse

ROOT = Path(__file__).parents[2]


def use_checkout(folder: Path) -> None:
    """Make this checkout's entry points known where seldfuse is not installed, to this process and those it starts.

    `folder` takes the metadata that an installation would write. Call it before the catalogue is read.
    """
    try:
        importlib.metadata.distribution("seldfuse")
    except importlib.metadata.PackageNotFoundError:
        write_metadata(folder)
        added = [str(folder.resolve()), str(ROOT), str(ROOT / "plugins")]
        sys.path[:0] = added
        os.environ["PYTHONPATH"] = os.pathsep.join([*added, *filter(None, [os.environ.get("PYTHONPATH")])])
        importlib.invalidate_caches()


def write_metadata(folder: Path) -> None:
    """Write the name, the version and the entry points of the project, as an installation has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    place = folder / f"seldfuse-{seldfuse.__version__}.dist-info"
    place.mkdir(parents=True, exist_ok=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: seldfuse\nVersion: {seldfuse.__version__}\n")
    lines = [f"{name} = {module}" for name, module in project["entry-points"]["seldfuse"].items()]
    (place / "entry_points.txt").write_text("\n".join(["[seldfuse]", *lines, ""]))
