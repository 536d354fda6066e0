"""`seldfuse checkpoints`: weights that ship, weights that can be fetched, the fetching, and the import of others'."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.console import print_json, print_line, print_note, print_result, show_progress
from seldfuse.cli.group import CallableGroup

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from seldfuse.catalogue.values import Backend

COLUMNS = ("name", "for", "licence", "MB", "state")
MB = 1_000_000
USERS = {"encoders": "*.safetensors", "detectors": "*.onnx"}
"""Who takes the weights of a bundled folder without settings of a backend."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder for the checkpoint; else named after the file's digest.", metavar="DIR"),
]

checkpoints = typer.Typer(cls=CallableGroup, rich_markup_mode=None)


@checkpoints.callback(invoke_without_command=True)
def list_unless_asked_otherwise(context: typer.Context, as_json: AsJson = False) -> None:
    """List weights, and fetch what is missing.

    Checkpoints that come with seldfuse, and weights of large encoders; sizes of what is not there are approximate.
    `seldfuse checkpoints fetch REFERENCE` downloads the weights of an encoder or a detector, and `seldfuse checkpoints
    import FILE` makes a checkpoint of the file that the DCASE 2025 baseline's training saved.
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
        typer.Argument(
            metavar="REFERENCE",
            help="Name on the hub, such as microsoft/resnet-50; with --as an address or a file, too.",
            show_default=False,
        ),
    ],
    backend: Annotated[
        str | None, typer.Option("--as", help="Make a checkpoint of this backend of what comes, such as baseline.")
    ] = None,
    out: Out = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch, tag or commit on the hub; files of another one are replaced.", show_default=False),
    ] = None,
) -> None:
    """Download weights of an encoder or a detector into the cache.

    Prints the SHA-256 and the path of each file; files that are there are left alone, and one that broke off goes on
    where it stopped. SELDFUSE_CACHE names the cache folder, SELDFUSE_HUB another address than https://huggingface.co;
    for models that ask for consent log in by `hf auth login` or set HF_TOKEN. Nothing else in seldfuse downloads. With
    --as it then does what `seldfuse checkpoints import` does, by the challenge's own settings.
    """
    from seldfuse.errors import UsageError

    if backend is None and out is not None:
        raise UsageError("-o is for the checkpoint that --as makes; SELDFUSE_CACHE names the folder of what is fetched")
    if revision is not None and backend is not None:
        raise UsageError("--revision is for names on the hub; with --as name the file or its address")
    if backend is None:
        _download(reference, revision)
    else:
        from seldfuse.inference.imported import find_importing_backend

        value = find_importing_backend(backend)
        _import(_find_file(reference, value), value.name, out)


@checkpoints.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What the training saved, best_model.pth.", show_default=False)
    ],
    out: Out = None,
    backend: Annotated[str, typer.Option("--as", help="Backend whose network it is.")] = "baseline",
    labels: Annotated[
        str | None,
        typer.Option(help="Classes in the order of the network's outputs, comma-separated; else the challenge's."),
    ] = None,
    heads: Annotated[int, typer.Option(help="Heads of attention, which the weights cannot tell.")] = 8,
    hop_ms: Annotated[float, typer.Option(help="Hop of the log-mel spectrogram, in ms.")] = 20.0,
    scaler: Annotated[
        Path | None,
        typer.Option(help="What standardized the features: an .npz with mean and std; else nothing did."),
    ] = None,
) -> None:
    """Make a checkpoint of the file that other people's training saved.

    FILE is what the DCASE 2025 baseline's code saves of its audio model. Of it only tensors, types of Python, and
    numpy's scalars are read; the config.pkl beside it, which could run any code, is not opened, and sizes are those
    of the weights. The checkpoint's card names the file's digest.
    """
    from seldfuse.weights.conversion import parse_labels, read_scaler

    options = {
        "heads": heads,
        "hop_ms": hop_ms,
        "labels": labels and parse_labels(labels),
        "scaler": scaler and read_scaler(scaler),
    }
    _import(file, backend, out, **{name: value for name, value in options.items() if value is not None})


def _download(reference: str, revision: str | None = None) -> None:
    from seldfuse.weights.http import download

    line = _DownloadLine()
    with show_progress(line.view):
        for file in download(reference, line, revision):
            print_line(f"{file.sha256}  {file.path}")


def _find_file(reference: str, backend: "Backend") -> Path:
    """A file that is there, that of an address, or that of a name which the backend knows; fetched where need be."""
    from seldfuse.errors import UsageError
    from seldfuse.weights.find import choose_address_path, find_weights_folder
    from seldfuse.weights.http import download_address

    known = {entry.reference: entry for entry in backend.published}
    if Path(reference).is_file():
        return Path(reference)
    if reference in known:
        _download(reference)
        return find_weights_folder(reference) / known[reference].weights[0]
    if "://" in reference:
        path, line = choose_address_path(reference), _DownloadLine()
        with show_progress(line.view):
            file = download_address(reference, path, line)
        print_line(f"{file.sha256}  {file.path}")
        return path
    raise UsageError(
        f"expected a file, an address that begins with https://, or one of {', '.join(known) or 'no names'}; "
        f"got {reference!r}"
    )


def _import(file: Path, backend: str, out: Path | None, **options: Any) -> None:
    from seldfuse.inference.imported import import_weights
    from seldfuse.weights.conversion import ForeignWeights
    from seldfuse.weights.training_file import read_training_file

    folder = import_weights(backend, ForeignWeights(read_training_file(file), **options), out)
    print_line(f"{folder}: `seldfuse run talk.mp4 --backends {backend}@{folder}`")


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
    from seldfuse.storage.read_json import read_object

    users = {file.parent: user for user, kind in USERS.items() for root in BUNDLED for file in root.glob(f"*/{kind}")}
    for folder, user in sorted(users.items(), key=lambda item: item[0].name):
        config = folder / CONFIG
        owner = read_object(config)["backend"] if config.is_file() else user
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
