"""The files of a finished clip."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.registry import CatalogueEntry
from seldfuse.catalogue.values import Writer
from seldfuse.core.result import Result
from seldfuse.errors import PluginError
from seldfuse.storage.atomic import stage_files, write_atomically

OWN = "seldfuse"
"""The distribution whose writers are known to leave results as they are."""

LEAVE_OUT = "leave it out of --formats"


def write_result(result: Result, out: Path, writers: Sequence[CatalogueEntry[Writer]]) -> list[Path]:
    """Write `out/NAME` in every format: all of them, or none where one fails.

    A writer of a plugin is given a copy of the result. Raises UsageError where a format needs what no backend gave or
    the disk is full, PluginError where a writer fails.
    """
    # A writer may change into another folder, which is undone only behind it.
    with stage_files(out.absolute()) as stage:
        names = [_write(result, stage, writer) for writer in writers]
    return [out / name for name in names]


def _write(result: Result, stage: Path, writer: CatalogueEntry[Writer]) -> str:
    """Write one format; return the file's name below the folder. Raises UsageError or PluginError."""
    name = f"{result.name}{writer.value.suffix}"
    path, who = stage / name, f"the format {writer.value.name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write = load_reference(writer.value.write)
    with guard_plugin(f"{who} failed", LEAVE_OUT):
        write(result if writer.distribution == OWN else _copy(result), path)
    if path.is_symlink() or not path.is_file():
        raise PluginError(f"{who} wrote no file; {LEAVE_OUT}: {name}")
    return name


def _copy(result: Result) -> Result:
    """Copy what other writers are given too."""
    members = {name: posterior.map(Tensor.clone) for name, posterior in result.members.items()}
    return replace(
        result,
        frames=replace(result.frames, table=result.frames.table.copy()),
        events=replace(result.events, table=result.events.table.copy()),
        posterior=result.posterior.map(Tensor.clone),
        uncorrected=result.uncorrected.map(Tensor.clone),
        members=members,
        changes=result.changes.copy(),
    )


def save_members(result: Result, out: Path) -> list[Path]:
    """Write `out/posteriors/BACKEND/NAME.safetensors` for each backend. Raises UsageError."""
    paths = []
    for instance, posterior in result.members.items():
        folder = instance.replace("/", "_").replace("\\", "_")
        path = out / "posteriors" / folder / f"{result.name}.safetensors"
        posterior.save(path)
        paths.append(path)
    return paths


def write_changes(result: Result, path: Path) -> None:
    """Write what the visual correction changed as CSV, classes by name. Raises UsageError."""
    names = result.posterior.labels.names
    table = result.changes.assign(cls=[names[cls] for cls in result.changes["cls"]]).rename(columns={"cls": "class"})
    with write_atomically(path) as draft:
        table.round(4).to_csv(draft, index=False)
