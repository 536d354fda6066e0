"""`seldfuse run`: from recordings to events."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seldfuse.cli.console import show_progress
from seldfuse.cli.output import OutputWriter

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seldfuse.core.run_stats import RunStats


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
    post: Annotated[
        str, typer.Option(help="Post-processors that correct by what is to be seen; name@engine picks an engine.")
    ] = "",
    rules: Annotated[
        list[str] | None,
        typer.Option(metavar="POST=FILE", help="Which thing speaks for which class: a file in place of the plugin's."),
    ] = None,
    vision: Annotated[str, typer.Option(help="How eyes are believed: bayes, rules, or a TOML file.")] = "bayes",
    detector_fps: Annotated[float, typer.Option(metavar="HZ", help="Pictures a second that detectors look at.")] = 2.0,
    explain: Annotated[bool, typer.Option("--explain", help="Show and write what was changed, and why.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Redo clips that are finished.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first clip that fails.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what sounds in recordings: when, from where, how far away."""
    from seldfuse.catalogue.host import load_registry
    from seldfuse.cli.console import print_note
    from seldfuse.core.clip import Clip
    from seldfuse.core.run_stats import RunStats
    from seldfuse.media.channels import ChannelSelection
    from seldfuse.media.inputs import find_clips
    from seldfuse.pipeline import DETECTIONS, load_backends, load_detectors, read_fusion, run_clips
    from seldfuse.run_manifest import RunManifest, describe_run
    from seldfuse.settings.aliases import FUSION, restore_old_keys
    from seldfuse.vision.settings import VisionSettings

    registry = load_registry()
    requests = registry.find_backends(backends)
    lookers = registry.find_detectors(post) if post else ()
    provides = {field for request in requests for field in request.spec.provides}
    if lookers and "direction" in provides:
        provides.add("onscreen")
    delivery = OutputWriter(out, formats, provides, registry, as_json, fail_fast)
    taken = ChannelSelection.read(channels, assume_mono)
    clips = find_clips(inputs, split, taken, fov)
    settings, seeing = read_fusion(fusion), VisionSettings.resolve(vision)
    files = _rules(rules or [])
    ears = load_backends(requests, device)
    eyes = (
        load_detectors(lookers, device, files, seeing, detector_fps, out / DETECTIONS, fail_fast) if lookers else None
    )
    for name, postprocessor in (eyes.postprocessors if eyes else {}).items():
        print_note(f"{name} looks with {postprocessor.engine_id}")
    recipe = describe_run(
        requests,
        delivery.writers,
        registry,
        fusion=restore_old_keys(settings.to_json(), FUSION),
        channels=asdict(taken),
        fov_deg=fov,
        posteriors=save_posteriors,
        **({} if eyes is None else {"post": eyes.to_json(), "explain": explain}),
    )
    manifest = RunManifest(out, recipe)
    watch = RunStats()

    def due() -> Iterator[Clip]:
        for clip in clips:
            with watch.measure("hashing"):
                files = manifest.find_finished(clip)
            if files and not overwrite:
                delivery.add_skipped(clip.name, files)
            else:
                yield clip

    with show_progress(lambda: _stages(watch)):
        for result in run_clips(
            due(), ears, settings, watch, lambda clip, error: delivery.add_failure(clip.name, error), eyes
        ):
            with watch.measure("writing"):
                delivery.write_result(result, save_posteriors, manifest, explain)
    delivery.finish(_timing(watch))


def _rules(texts: list[str]) -> dict[str, Path]:
    """Files of rules by post-processor. Raises UsageError."""
    from seldfuse.errors import UsageError

    found = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name and equals and file):
            raise UsageError(f"--rules expects a post-processor and a file, such as keypoint=rules.toml, got {text!r}")
        found[name] = Path(file)
    return found


def _stages(watch: "RunStats") -> "RenderableType":
    """What each stage took so far, and how many times faster than the sound that is."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_row(f"{watch.clips} clips", f"{watch.audio_s:.0f} s of sound", "")
    for stage, seconds in list(watch.stage_s.items()):
        table.add_row(stage, f"{seconds:.1f} s", f"{watch.compute_real_time_factor(stage):.0f} × real time")
    return table


def _timing(watch: "RunStats") -> str:
    """Where the time went; nothing where nothing was heard."""
    spent = sum(watch.stage_s.values())
    if watch.audio_s == 0:
        return ""
    stages = ", ".join(f"{stage} {seconds / spent:.0%}" for stage, seconds in watch.stage_s.items())
    looks = [f"; {name} looked at {pictures} pictures" for name, pictures in watch.frames_detected.items()]
    speed = f"{watch.audio_s:.0f} s of sound in {spent:.1f} s, {watch.audio_s / spent:.0f} × real time"
    return f"{speed}: {stages}{''.join(looks)}"
