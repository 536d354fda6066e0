"""`seldfuse run`: from recordings to events."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seldfuse.cli.console import progress
from seldfuse.cli.delivery import Delivery

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seldfuse.watch import Watch


def run(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Sound or video files, folders, quoted patterns, a data set in the challenge's layout, or @demo.",
        ),
    ],
    backends: Annotated[
        str, typer.Option(help="Backends, separated by commas; name@checkpoint picks a checkpoint.")
    ] = "doa,sde,sce",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is written.")] = Path("out"),
    fusion: Annotated[str, typer.Option(help="Merges backends: mean, nercslip, tuned, or a TOML file.")] = "mean",
    formats: Annotated[str, typer.Option(help="What is written for each clip: dcase, json.")] = "dcase,json",
    split: Annotated[str | None, typer.Option(help="One split of a data set in the challenge's layout.")] = None,
    save_posteriors: Annotated[bool, typer.Option("--save-posteriors", help="Keep what each backend says.")] = False,
    channels: Annotated[
        str | None,
        typer.Option(metavar="L,R", help="Which two channels are left and right, counted from 0, such as 0,1."),
    ] = None,
    assume_mono: Annotated[
        bool, typer.Option("--assume-mono", help="Take mono recordings too: which classes sound, without directions.")
    ] = False,
    fov: Annotated[
        float, typer.Option(metavar="DEG", help="Horizontal field of view of the pictures, in degrees.")
    ] = 100.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Redo clips that are finished.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first clip that fails.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what sounds in recordings: when, from where, how far away."""
    from seldfuse.clip import Clip
    from seldfuse.manifest import Manifest, recipe_of
    from seldfuse.media.channels import Channels
    from seldfuse.media.inputs import find_clips
    from seldfuse.pipeline import hear, open_ears, read_fusion
    from seldfuse.plugin.host import load_registry
    from seldfuse.watch import Watch

    registry = load_registry()
    requests = registry.find_backends(backends)
    provides = {field for request in requests for field in request.spec.provides}
    delivery = Delivery(out, formats, provides, registry, as_json, fail_fast)
    taken = Channels.read(channels, assume_mono)
    clips = find_clips(inputs, split, taken, fov)
    settings = read_fusion(fusion)
    ears = open_ears(requests, device)
    recipe = recipe_of(
        requests,
        delivery.writers,
        registry,
        fusion=settings.to_json(),
        channels=asdict(taken),
        fov_deg=fov,
        posteriors=save_posteriors,
    )
    manifest = Manifest(out, recipe)
    watch = Watch()

    def due() -> Iterator[Clip]:
        for clip in clips:
            with watch.stage("hashing"):
                files = manifest.finished(clip)
            if files and not overwrite:
                delivery.skip(clip.name, files)
            else:
                yield clip

    with progress(lambda: _stages(watch)):
        for result in hear(due(), ears, settings, watch, lambda clip, error: delivery.fail(clip.name, error)):
            with watch.stage("writing"):
                delivery.take(result, save_posteriors, manifest)
    delivery.close(_timing(watch))


def _stages(watch: "Watch") -> "RenderableType":
    """What each stage took so far, and how many times faster than the sound that is."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_row(f"{watch.clips} clips", f"{watch.audio_s:.0f} s of sound", "")
    for stage, seconds in list(watch.stage_s.items()):
        table.add_row(stage, f"{seconds:.1f} s", f"{watch.times_real_time(stage):.0f} × real time")
    return table


def _timing(watch: "Watch") -> str:
    """Where the time went; nothing where nothing was heard."""
    spent = sum(watch.stage_s.values())
    if watch.audio_s == 0:
        return ""
    stages = ", ".join(f"{stage} {seconds / spent:.0%}" for stage, seconds in watch.stage_s.items())
    return f"{watch.audio_s:.0f} s of sound in {spent:.1f} s, {watch.audio_s / spent:.0f} × real time: {stages}"
