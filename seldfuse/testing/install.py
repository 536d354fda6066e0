"""Distributions of tests, installed where nobody else finds them."""

import subprocess
import sys
from pathlib import Path

OFFLINE = ("--isolated", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")


def install_distribution(target: Path, *projects: Path) -> None:
    """Install projects (folders with a pyproject.toml) into the folder `target`, without a network.

    Put `target` on the import path to use them. What builds them (hatchling, for most) must be installed. Raises
    RuntimeError with what pip printed where that fails.
    """
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *OFFLINE,
        "--no-cache-dir",
        "--target",
        target,
        *projects,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip could not install {', '.join(map(str, projects))}: {done.stderr.strip()}")
