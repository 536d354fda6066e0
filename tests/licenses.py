"""Check the licences of what the lock names, as it is installed: `python tests/licenses.py`, part of `make check-deps`.

What is distributed with a product must be under a licence that allows it: permissive ones, and MPL. GPL, AGPL, and what
forbids commercial use, may stand in the lock for no user. What has no licence in its metadata is looked up in `KNOWN`.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, files, metadata
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "constraints.txt"

GOOD = re.compile(
    r"apache|\bmit\b|\bbsd\b|bsd-|isc|\bpsf\b|python software foundation|python-2|mpl|mozilla|unlicense|zlib|"
    r"public domain|0bsd|hpnd|cnri|boost|bsl-1|ofl|\bncsa\b|historical permission|"
    r"permission is hereby granted, free of charge|"
    r"lgpl|lesser general|cc0|"
    r"nvidia proprietary|proprietary license of nvidia",
    re.IGNORECASE,
)
BAD = re.compile(
    r"\bagpl|affero|(?<!l)gpl-?[23v]|(?<!lesser )general public license|non-?commercial|by-nc", re.IGNORECASE
)

KNOWN: dict[str, str] = {}
"""Licences that packages state nowhere in their metadata, as their repositories do."""


def read_lock() -> list[str]:
    """Read the names of the packages in the lock."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [line.partition("==")[0].strip() for line in lines if "==" in line and not line.startswith("#")]


def find_licence(name: str) -> str | None:
    """Find what a package says of its licence; None where it is not installed."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return None
    classifiers = [one for one in about.get_all("Classifier") or () if one.startswith("License ::")]
    stated = [about.get("License-Expression") or "", *classifiers, (about.get("License") or "")[:200]]
    return "; ".join(filter(None, stated)) or KNOWN.get(name) or _read_text(name)


def _read_text(name: str) -> str:
    """The beginning of the text of the licence that a package brings along."""
    texts = (path for path in files(name) or () if path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")))
    return next((" ".join(path.read_text(encoding="utf-8").split())[:200] for path in texts), "")


def list_problems() -> list[str]:
    """List the packages whose licence is unknown or does not allow a product to carry them."""
    problems = []
    for name in read_lock():
        licence = find_licence(name)
        if licence is None:
            continue
        if BAD.search(licence) and not GOOD.search(licence):
            problems.append(f"{name}: {licence}")
        elif not GOOD.search(licence):
            problems.append(f"{name}: no licence that is known, {licence!r}")
    return problems


if __name__ == "__main__":
    found = list_problems()
    checked = sum(find_licence(name) is not None for name in read_lock())
    sys.stdout.write(
        "\n".join([*found, f"licences: {checked} packages of the lock are installed, {len(found)} bad"]) + "\n"
    )
    sys.exit(bool(found))
