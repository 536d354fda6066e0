"""The files of a finished clip."""

from collections.abc import Sequence
from pathlib import Path

from seldfuse.catalogue.load import describe_cause, load_reference
from seldfuse.catalogue.registry import CatalogueEntry
from seldfuse.catalogue.values import Writer
from seldfuse.core.result import Result
from seldfuse.errors import PluginError, SeldfuseError
from seldfuse.storage.atomic import write_atomically


def write_result(result: Result, out: Path, writers: Sequence[CatalogueEntry[Writer]]) -> list[Path]:
    """Write `out/NAME` in every format.

    Raises UsageError where a format needs what no backend gave or the disk is full, PluginError where a writer fails.
    """
    paths = []
    for writer in writers:
        path = out / f"{result.name}{writer.value.suffix}"
        try:
            load_reference(writer.value.write)(result, path)
        except SeldfuseError:
            raise
        except Exception as error:
            raise PluginError(
                f"the format {writer.value.name} failed ({describe_cause(error)}); leave it out of --formats"
            ) from error
        if not path.is_file():
            raise PluginError(f"the format {writer.value.name} wrote no file; leave it out of --formats: {path}")
        paths.append(path)
    return paths


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
