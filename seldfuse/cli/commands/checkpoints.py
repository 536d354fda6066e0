"""`seldfuse checkpoints`: weights that ship, weights that can be fetched, and the fetching."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.console import print_json, print_note, print_result, show_progress
from seldfuse.cli.group import CallableGroup

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

COLUMNS = ("name", "for", "licence", "MB", "state")
MB = 1_000_000

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

checkpoints = typer.Typer(cls=CallableGroup, rich_markup_mode=None)


@checkpoints.callback(invoke_without_command=True)
def list_unless_asked_otherwise(context: typer.Context, as_json: AsJson = False) -> None:
    """List weights, and fetch what is missing.

    Checkpoints that come with seldfuse, and weights of large encoders; sizes of what is not there are approximate.
    `seldfuse checkpoints fetch REFERENCE` downloads the weights of an encoder or a detector.
    """
    if context.invoked_subcommand is None:
        list_checkpoints(as_json)


@checkpoints.command("list")
def list_checkpoints(as_json: AsJson = False) -> None:
    """List weights; what `seldfuse checkpoints` alone does too."""
    rows = [*_list_bundled(), *_fetchable()]
    if as_json:
        print_json({"checkpoints": rows})
    else:
        print_result(_table(rows))


@checkpoints.command("fetch")
def fetch(
    reference: Annotated[
        str,
        typer.Argument(metavar="REFERENCE", help="Name on the hub, such as microsoft/resnet-50.", show_default=False),
    ],
) -> None:
    """Download weights of an encoder or a detector into the cache.

    Prints the SHA-256 and the path of each file; files that are there are left alone. SELDFUSE_CACHE names the cache
    folder, SELDFUSE_HUB another address than https://huggingface.co. Nothing else in seldfuse downloads.
    """
    from seldfuse.weights.http import download

    line = _DownloadLine()
    with show_progress(line.view):
        for file in download(reference, line):
            typer.echo(f"{file.sha256}  {file.path}")


class _DownloadLine:
    """The file that is coming, as a line."""

    def __init__(self) -> None:
        self.name, self.line = "", ""

    def __call__(self, name: str, come: int, size: int | None) -> None:
        whole = "" if size is None else f" of {size / MB:.1f}"
        if name != self.name:
            print_note(f"fetching {name}" + ("" if size is None else f", {size / MB:.1f} MB"))
        self.name, self.line = name, f"{name}: {come / MB:.1f}{whole} MB"

    def view(self) -> "Text":
        from rich.text import Text

        return Text(self.line)


def _list_bundled() -> Iterator[dict[str, Any]]:
    from seldfuse.checkpoint import BUNDLED, CONFIG

    folders = {file.parent for root in BUNDLED for file in root.glob("*/*.safetensors")}
    for folder in sorted(folders, key=lambda folder: folder.name):
        config = folder / CONFIG
        owner = json.loads(config.read_text(encoding="utf-8"))["backend"] if config.is_file() else "encoders"
        yield _row(folder.name, [owner], "Apache-2.0", _size_mb(folder), "bundled", folder)


def _fetchable() -> Iterator[dict[str, Any]]:
    from seldfuse.weights.find import find_weights_folder, is_downloaded, list_published

    for known in list_published():
        folder = find_weights_folder(known.reference)
        size_mb, state = (
            (_size_mb(folder), "fetched") if is_downloaded(known) else (float(known.size_mb), "not fetched")
        )
        yield _row(known.reference, list(known.users), known.license, size_mb, state, folder)


def _row(name: str, users: list[str], licence: str, size_mb: float, state: str, folder: Path) -> dict[str, Any]:
    return {
        "name": name,
        "for": users,
        "licence": licence,
        "size_mb": size_mb,
        "state": state,
        "folder": str(folder),
    }


def _size_mb(folder: Path) -> float:
    return round(sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / MB, 1)


def _table(rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        size = f"{row['size_mb']:.0f}" if row["state"] != "not fetched" else f"about {row['size_mb']:.0f}"
        cells = (row["name"], ", ".join(row["for"]), row["licence"], size, row["state"])
        table.add_row(*(Text(cell) for cell in cells))
    return table
