"""`python -m benchmarks.gpu`: what is prepared at home, what runs on a rented machine, and what is done with it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def pack_sounds(
    sounds: Annotated[Path, typer.Option(help="Folder of sounds with a manifest.csv that has a column side.")],
    out: Annotated[Path, typer.Argument(help="File to write, a ZIP file.", show_default=False)],
    most_mb: Annotated[float, typer.Option(min=0.0, help="Its largest size, in megabytes.")] = 45.0,
    without: Annotated[str, typer.Option(help="Sources to leave out, separated by commas.")] = "",
) -> None:
    """Pack the sounds to train and to validate on into one file, as they are."""
    from benchmarks.gpu.pack import pack_sounds

    result = pack_sounds(sounds, out, most_mb, [name for name in without.split(",") if name])
    sides = ", ".join(f"{count} of {result.known[side]} to {side}" for side, count in result.packed.items())
    Console().print(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB): {sides}")


@app.command("train")
def train_there(
    sounds: Annotated[Path, typer.Argument(help="The file of pack-sounds.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder of what travels back.", show_default=False)],
    work: Annotated[Path, typer.Option(help="Folder of the machine, from which a second call goes on.")] = Path(
        "out/gpu"
    ),
    networks: Annotated[str, typer.Option(help="Networks to train at once.")] = "doa,sde,sce",
    device: Annotated[str, typer.Option(help="Device to train on.")] = "cuda",
    minutes: Annotated[float, typer.Option(help="Time for everything.")] = 9.0,
    render_s: Annotated[float, typer.Option(help="Time for rendering scenes, in seconds.")] = 90.0,
    scenes: Annotated[int, typer.Option(help="The most scenes that are rendered.")] = 24_000,
    steps: Annotated[int, typer.Option(help="Steps of each network; 0: as many as there is time for.")] = 0,
    parity: Annotated[bool, typer.Option(help="Compare the device with the processor first.")] = True,
    init: Annotated[Path | None, typer.Option(help="Folder with a checkpoint to start from for each network.")] = None,
    recipes: Annotated[Path | None, typer.Option(help="Folder of recipes, NAME.toml, in place of presets.")] = None,
    assign: Annotated[list[str] | None, typer.Option("--set", help="Any setting of all recipes.")] = None,
) -> None:
    """Check parity, render, train and write checkpoints in pieces, within the time given."""
    from benchmarks.gpu.checkout import use_checkout

    use_checkout(work / "site")
    from benchmarks.gpu.remote_training import RemoteTrainingSettings, train_remotely

    console = Console()
    names = tuple(name for name in networks.split(",") if name)
    settings = RemoteTrainingSettings(
        sounds, work, out, names, device, minutes, render_s, scenes, steps, parity, init, recipes, tuple(assign or ())
    )
    for path in train_remotely(settings, console.print):
        console.print(f"written: {path}")


@app.command()
def join_pieces(
    folder: Annotated[Path, typer.Argument(help="Folder of the pieces.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoints.", show_default=False)],
) -> None:
    """Put checkpoints together again, and check them."""
    from benchmarks.gpu.pieces import join_pieces

    for path in join_pieces(folder, out):
        Console().print(f"written: {path}")


if __name__ == "__main__":
    app()
