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
    paths = [out / f"{result.name}{writer.value.suffix}" for writer in writers]
    # A writer may change into another folder, which is undone only behind it.
    with stage_files([path.absolute() for path in paths]) as drafts:
        for writer, path, draft in zip(writers, paths, drafts, strict=True):
            _write(result, draft, writer, path)
    return paths


def _write(result: Result, draft: Path, writer: CatalogueEntry[Writer], path: Path) -> None:
    """Write one format. Raises UsageError or PluginError, which name the file as it is to be called."""
    who = f"the format {writer.value.name}"
    write = load_reference(writer.value.write)
    with guard_plugin(f"{who} failed", LEAVE_OUT):
        write(result if writer.distribution == OWN else _copy(result), draft)
    if draft.is_symlink() or not draft.is_file():
        raise PluginError(f"{who} left no file; {LEAVE_OUT}: {path}")


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
