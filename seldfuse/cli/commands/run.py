"""`seldfuse run`: from recordings to events."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.console import show_progress
from seldfuse.cli.executor import ExecutorOption, run_elsewhere
from seldfuse.cli.labels import Labels
from seldfuse.cli.limits import MaxGap, MinDuration, Threshold
from seldfuse.cli.output import OutputWriter
from seldfuse.cli.shard import ShardOption, take_shard

if TYPE_CHECKING:
    from seldfuse.catalogue.registry import CatalogueEntry
    from seldfuse.catalogue.values import Writer
    from seldfuse.core.run_stats import RunStats
    from seldfuse.inference.ensembles import EnsembleRequest


DETECTIONS = "detections"
"""The folder, inside of the output folder, for what detectors found."""


def run(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Sound or video files, folders, quoted patterns, a data set in the challenge's layout, or @demo.",
        ),
    ],
    backends: Annotated[
        str,
        typer.Option(
            help="Backends, separated by commas, see `seldfuse plugins`; name@checkpoint picks a checkpoint. auto: for "
            "each clip the best bundled ones, with detectors where there is a picture."
        ),
    ] = "auto",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is written.")] = Path("out"),
    fusion: Annotated[str, typer.Option(help="Merges backends: auto, tuned, mean, nercslip, or a TOML file.")] = "auto",
    threshold: Threshold = None,
    min_duration: MinDuration = None,
    max_gap: MaxGap = None,
    formats: Annotated[
        str, typer.Option(help="Output formats, separated by commas; see `seldfuse plugins`.")
    ] = "dcase,json",
    split: Annotated[str | None, typer.Option(help="One split of a data set in the challenge's layout.")] = None,
    save_posteriors: Annotated[
        bool, typer.Option("--save-posteriors", help="Write the posteriors of each backend.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Make pages that show and play the results; writes posteriors, too."),
    ] = False,
    channels: Annotated[
        str | None,
        typer.Option(metavar="L,R", help="Which two channels are left and right, counted from 0, such as 0,1."),
    ] = None,
    stream: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Which audio stream of a file is heard, counted from 0.", show_default=False
        ),
    ] = None,
    assume_mono: Annotated[
        bool, typer.Option("--assume-mono", help="Take mono recordings too: which classes sound, without directions.")
    ] = False,
    fov: Annotated[
        float | None,
        typer.Option(metavar="DEG", help="Horizontal field of view of the pictures, in degrees."),
    ] = None,
    post: Annotated[
        str | None,
        typer.Option(
            "--post",
            "--detectors",
            help="Detectors, by which the result is corrected, and post-processors, separated by commas; see "
            "`seldfuse plugins`. name@engine picks an engine. --backends auto has its own; '' for none.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(metavar="DETECTOR=FILE", help="Which thing may be the source of which class: a file of rules."),
    ] = None,
    vision: Annotated[str, typer.Option(help="How detections correct: bayes, rules, or a TOML file.")] = "bayes",
    detector_fps: Annotated[float, typer.Option(metavar="HZ", help="Pictures a second that detectors get.")] = 2.0,
    explain: Annotated[bool, typer.Option("--explain", help="Show and write what was changed, and why.")] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Write NAME.overlay.mp4, the video with what was found drawn into it.")
    ] = False,
    labels: Labels = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    shard: ShardOption = None,
    executor: ExecutorOption = "local",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Redo clips that are finished.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first clip that fails.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    frames: Annotated[bool, typer.Option("--frames", help="With --json: every frame, too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone, and JSON.")] = False,
) -> None:
    """Find what sounds in recordings: when, from where, how far away."""
    # What is imported and loaded stays; to search it for garbage again and again would take a tenth of the time.
    gc.disable()
    from seldfuse.catalogue.host import load_registry
    from seldfuse.cli.run_progress import RunProgress
    from seldfuse.core.clip import Clip
    from seldfuse.core.geometry import Camera
    from seldfuse.core.run_stats import RunStats
    from seldfuse.errors import SeldfuseError, UsageError
    from seldfuse.inference.ensembles import find_ensembles
    from seldfuse.inference.loaded_ensembles import LoadedEnsemble
    from seldfuse.media.channels import ChannelSelection
    from seldfuse.media.inputs import describe_fields_of_view, find_clips
    from seldfuse.pipeline import Pipeline
    from seldfuse.run_manifest import RunManifest, describe_origins, describe_run
    from seldfuse.settings.aliases import FUSION, restore_old_keys

    # What a page shows has to be there when it is made.
    save_posteriors = save_posteriors or report
    if overlay:
        from seldfuse.overlay.drawing import check_pillow

        check_pillow()
    if executor == "ray":
        from seldfuse.executors.ray_executor import check_ray

        check_ray()
    registry = load_registry()
    detectors, changers = registry.find_post(post) if post else ((), ())
    ensembles = find_ensembles(backends, None if post is None else detectors, registry)
    output = OutputWriter(
        out, formats, _list_provided(ensembles.list_both()), registry, as_json, fail_fast, quiet, frames
    )
    if report:
        _check_formats(output.writers)
    selection = ChannelSelection.read(channels, assume_mono, stream)
    part, clips = take_shard(shard, find_clips(inputs, split, selection, fov, output.note), output.note)
    if part and report:
        raise UsageError("pages show what all shards found; leave out --report here, and type it without --shard then")
    if fov is None and (said := describe_fields_of_view(clips)) is not None:
        output.note(said)
    settings: dict[str, Any] = {
        "backends": backends,
        "post": post,
        "fusion": fusion,
        "vision": vision,
        "detector_fps": detector_fps,
        "rules": _rules(rules or []),
        "detections": out / DETECTIONS,
        "threshold": threshold,
        "min_duration_s": min_duration,
        "max_gap_s": max_gap,
        "labels": labels,
    }
    # Where others hear, this process only knows what is to be heard by what.
    pipeline = Pipeline(**settings, registry=registry, device=device if executor == "local" else "cpu")
    # What is missing is said before anything is heard.
    loaded = {id(one): one for one in map(pipeline.select, clips)}.values()
    gc.enable()
    correctors = [one.corrector for one in loaded if one.corrector]
    engines = {name: found.engine_id for one in correctors for name, found in one.detectors.items()}
    for note in dict.fromkeys([*(note for one in loaded for note in one.notes)]):
        output.note(note)
    for name, engine_id in engines.items():
        output.note(f"{name} detects with {engine_id}")
    for request in {request.instance: request for one in loaded for request in one.requests}.values():
        if request.value.needs_video and all(clip.video is None for clip in clips):
            output.note(f"{request.instance} uses pictures, and no input has any: it goes by sound alone")

    def open_manifest(ensemble: LoadedEnsemble) -> RunManifest:
        corrector = ensemble.corrector
        chosen = {
            "fusion": restore_old_keys(ensemble.fusion.to_json(), FUSION),
            "channels": selection.to_json(),
            "fov_deg": Camera.horizontal_fov_deg if fov is None else fov,
            "posteriors": save_posteriors,
            **({} if corrector is None else {"post": corrector.to_json(), "explain": explain}),
            **({"overlay": True} if overlay else {}),
            **({"changed_by": describe_origins(changers, registry)} if changers else {}),
            **ensemble.chosen.to_json(),
            **({"labels": pipeline.labels.to_json()} if pipeline.labels else {}),
        }
        return RunManifest(out, describe_run(ensemble.requests, output.writers, registry, **chosen), part)

    # One for each ensemble, in the same file: a clip that another ensemble was to hear is redone.
    opened = {id(one): open_manifest(one) for one in loaded}
    manifests = {clip.name: opened[id(pipeline.select(clip))] for clip in clips}
    writer = output.make_writer(save_posteriors, explain, out / DETECTIONS if overlay else None)
    stats = RunStats()
    progress = RunProgress(clips, stats)

    def due() -> Iterator[Clip]:
        for clip in clips:
            with stats.measure("hashing"):
                files = manifests[clip.name].find_finished(clip)
            if files and not overwrite:
                progress.skipped += 1
                output.add_skipped(clip.name, files)
            else:
                yield clip

    with nullcontext() if quiet else show_progress(progress.to_table, progress.to_line):
        if executor == "ray":
            from seldfuse.executors.ray_executor import has_gpus, open_ray
            from seldfuse.run_job import RunJob

            job = RunJob({**settings, "device": device}, writer, fail_fast)
            with open_ray(has_gpus(device)) as cluster:
                run_elsewhere(cluster, job, clips, manifests, output, stats, progress, overwrite)
        else:
            for result in pipeline.run_clips(due(), stats, output.fail_clip, fail_fast):
                with stats.measure("writing"):
                    output.write_result(result, writer, manifests[result.name])
    if report and (output.clips or output.skipped):
        try:
            output.note(f"open {_write_report(out, stats)} in a browser")
        except SeldfuseError as error:
            output.refused.append(f"the report was not made: {error}")
    output.finish(_timing(stats, engines, progress.spent_s if executor == "ray" else sum(stats.stage_s.values())))


def _check_formats(writers: "Sequence[CatalogueEntry[Writer]]") -> None:
    """Raises UsageError where no format is written that a page can be made of."""
    from seldfuse.errors import UsageError

    if not {writer.value.name for writer in writers} & {"json", "dcase"}:
        raise UsageError("--report reads what the formats json and dcase write; add one of them to --formats")


def _write_report(out: Path, stats: "RunStats") -> Path:
    """Make the pages of an output folder; return the one to open."""
    from seldfuse.report.read import ReportSources
    from seldfuse.report.write import write_report

    with stats.measure("report"):
        return write_report(ReportSources(out))


def _list_provided(ensembles: "Sequence[EnsembleRequest]") -> set[str]:
    """The fields that at least one of the ensembles gives."""
    provides = {field for one in ensembles for request in one.backends for field in request.value.provides}
    if any(one.detectors for one in ensembles) and "direction" in provides:
        provides.add("onscreen")
    return provides


def _rules(texts: list[str]) -> dict[str, Path]:
    """Read files of rules by detector. Raises UsageError."""
    from seldfuse.errors import UsageError

    found = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name and equals and file):
            raise UsageError(f"--rules expects a detector and a file, such as keypoint=rules.toml, got {text!r}")
        found[name] = Path(file)
    return found


def _timing(stats: "RunStats", engines: Mapping[str, str], spent_s: float) -> str:
    """Where the time went, and how many pictures each detector's engine got; nothing where no sound was read."""
    from seldfuse.vision.settings import name_with_engine

    worked_s = sum(stats.stage_s.values())
    if stats.audio_s == 0:
        return ""
    stages = ", ".join(f"{stage} {seconds / worked_s:.0%}" for stage, seconds in stats.stage_s.items())
    detected = [
        f"; {name_with_engine(name, engines[name])} got {pictures} pictures"
        for name, pictures in stats.frames_detected.items()
    ]
    speed = f"{stats.audio_s:.0f} s of sound in {spent_s:.1f} s, {stats.audio_s / spent_s:.0f} × real time"
    return f"{speed}: {stages}{''.join(detected)}"
