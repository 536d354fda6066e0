"""`seldfuse doctor`: whether this machine is ready, and what to type where it is not."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

import seldfuse
from seldfuse.cli.console import print_json, print_result

REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[^;]*(;.*extra == ['\"](?P<extra>[\w-]+)['\"])?")


@dataclass(frozen=True)
class Check:
    """One line of the report. `optional` is absent and not needed; only `broken` fails the command."""

    name: str
    state: Literal["ok", "optional", "warning", "broken"]
    found: str
    advice: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Check this machine.

    Packages, torch and its devices, extras, plugins, checkpoints and this folder, each with what to type next.
    """
    checks = [*_system(), *_dependencies(), *_torch(), *_extras(), *_plugins(), _checkpoints(), _folder()]
    broken = any(check.state == "broken" for check in checks)
    if as_json:
        print_json({"ok": not broken, "checks": [asdict(check) for check in checks]})
    else:
        print_result(*(_line(check) for check in checks))
    raise typer.Exit(code=int(broken))


def _line(check: Check) -> str:
    return f"{check.state:<9} {check.name:<22} {check.found}" + (f"; {check.advice}" if check.advice else "")


def _system() -> Iterator[Check]:
    if _version("seldfuse"):
        yield Check("seldfuse", "ok", seldfuse.__version__)
    else:
        yield Check("seldfuse", "broken", "not installed, so that no plugin is found", "`pip install seldfuse`")
    yield Check("python", "ok", platform.python_version())
    yield Check("platform", "ok", platform.platform())


def _torch() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("import torch", "broken", str(error), "`pip install --force-reinstall torch`")
        return
    for index in range(torch.cuda.device_count()):
        yield Check(f"cuda:{index}", "ok", torch.cuda.get_device_name(index))
    if torch.backends.mps.is_available():
        yield Check("mps", "ok", "Metal")
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        advice = "choose a build at https://pytorch.org/get-started/locally, see `nvidia-smi` for the driver"
        yield Check("cuda", "warning", "an NVIDIA driver is here, but this torch cannot use it", advice)
    yield Check("cpu", "ok", f"{torch.get_num_threads()} threads")


def _dependencies() -> Iterator[Check]:
    for name in _requirements().get(None, ()):
        found = _version(name)
        if found is None:
            yield Check(name, "broken", "not installed", f"`pip install {name}`")
        else:
            yield Check(name, "ok", found)


def _extras() -> Iterator[Check]:
    for extra, names in _requirements().items():
        if extra in (None, "all"):
            continue
        missing = [name for name in names if _version(name) is None]
        if missing:
            advice = f"`pip install 'seldfuse[{extra}]'` brings {', '.join(missing)}"
            yield Check(f"extra {extra}", "optional", "not installed", advice)
        else:
            yield Check(f"extra {extra}", "ok", "installed")


def _requirements() -> dict[str | None, list[str]]:
    """List the distributions that seldfuse declares, by extra; None holds those it always needs."""
    by_extra: dict[str | None, list[str]] = {None: []}
    # Here, for every other command starts sooner without.
    from importlib.metadata import requires

    for line in (_version("seldfuse") and requires("seldfuse")) or ():
        match = REQUIREMENT.match(line)
        if match:
            by_extra.setdefault(match["extra"], []).append(match["name"])
    return by_extra


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _plugins() -> Iterator[Check]:
    from seldfuse.catalogue.host import load_registry

    registry = load_registry()
    sources = {entry.distribution for entry in registry.entries}
    yield Check("plugins", "ok", f"{len(registry.entries)} registered by {', '.join(sorted(sources))}")
    for failure in registry.failures:
        yield Check(f"plugin {failure.entry_point}", "warning", failure.cause, failure.remedy)


def _checkpoints() -> Check:
    try:
        from seldfuse.checkpoint import BUNDLED, list_bundled
    except (ImportError, OSError) as error:
        return Check("checkpoints", "warning", f"cannot be looked up ({error})", "mend what is broken above first")
    folder = next((folder for folder in BUNDLED if folder.is_dir()), None)
    if folder is None or not list_bundled():
        advice = "`pip install --force-reinstall seldfuse`, or give every backend as name@checkpoint"
        return Check("checkpoints", "warning", f"none in {' or '.join(map(str, BUNDLED))}", advice)
    return Check("checkpoints", "ok", f"{', '.join(list_bundled())} in {folder}")


def _folder() -> Check:
    here = Path.cwd()
    if os.access(here, os.W_OK):
        return Check("this folder", "ok", f"can be written: {here}")
    return Check("this folder", "warning", f"cannot be written: {here}", "give `seldfuse run` a folder with -o")
