"""`seldfuse synth scenes`: a data set of random scenes."""

import os
import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seldfuse.cli.clip_counter import ClipCounter
from seldfuse.cli.console import print_error, print_json, print_note, show_progress
from seldfuse.cli.labels import Labels
from seldfuse.core.grid import WINDOW_S
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError
from seldfuse.interruption import say_stopped
from seldfuse.storage.text import format_count
from seldfuse.storage.walk import find_files

if TYPE_CHECKING:
    from seldfuse.synth.dataset.folder import DatasetSplit
    from seldfuse.synth.dataset.split_manifest import SplitManifest
    from seldfuse.synth.dataset.workers import ClipOutcome, ProblemLog
    from seldfuse.synth.sounds.layouts import Side
    from seldfuse.synth.sounds.soundbank import SoundBank
    from seldfuse.synth.timelines.statistics import SceneStatistics


def make_scenes(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the data set.", show_default=False)],
    clips: Annotated[
        int | None, typer.Option(min=1, help="Number of clips of 5 s; with --plans, the most that are made.")
    ] = None,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "dev-train-synth",
    video: Annotated[bool, typer.Option("--video", help="Make videos too.")] = False,
    sounds: Annotated[
        Path | None,
        typer.Option(help="Isolated sounds: sub-folders named after classes, manifest.csv, FSD50K or ESC-50."),
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Use the sounds and cut-outs that are held out for validation.")
    ] = False,
    fit: Annotated[bool, typer.Option("--fit", help="Use the sounds that are for fitting fusion.")] = False,
    sprites: Annotated[
        Path | None, typer.Option(help="Cut-outs (PNG) for videos, in sub-folders named person or after classes.")
    ] = None,
    backgrounds: Annotated[Path | None, typer.Option(help="Pictures for the background of videos.")] = None,
    srir: Annotated[Path | None, typer.Option(help="Measured room responses: SOFA, or WAV and positions.csv.")] = None,
    srir_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the clips that stand in measured rooms.")
    ] = 1.0,
    evenness: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="0: classes as often as in real scenes; 1: all equally often.")
    ] = 0.0,
    statistics: Annotated[
        Path | None, typer.Option(help="Folder of label files whose statistics the scenes follow.")
    ] = None,
    plans: Annotated[
        Path | None, typer.Option(help="Make the scenes of this file (JSON lines, may be .gz) instead of random ones.")
    ] = None,
    labels: Labels = None,
    seed: Annotated[int, typer.Option(min=0, help="Makes the clips repeatable.")] = 12332,
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the split and make it anew.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first bad input.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary.")] = False,
) -> None:
    """Make a data set of random scenes, in the challenge's layout.

    The same command goes on where it was stopped; with more --clips it adds some. A clip depends on the options and its
    number, not on how many there are or on --jobs. `seldfuse synth from-foa` makes one of recordings instead.
    """
    from seldfuse.core.label_sets import resolve_labels, write_labels
    from seldfuse.synth.dataset.folder import DatasetSplit
    from seldfuse.synth.dataset.plans import check_plans, read_plans
    from seldfuse.synth.dataset.split_manifest import SplitManifest, describe_dataset
    from seldfuse.synth.dataset.workers import ClipOrder, ProblemLog, SceneClipMaker, run_workers
    from seldfuse.synth.draw import SceneIngredients
    from seldfuse.synth.pictures.background import load_backgrounds
    from seldfuse.synth.pictures.cutout_set import load_cutouts
    from seldfuse.synth.rooms.measured import load_responses

    if clips is None and plans is None:
        raise UsageError("expected the number of clips; add --clips 1000")
    if held_out and fit:
        raise UsageError("a sound is held out or for fitting, not both; leave out --held-out or --fit")
    side: Side = "held" if held_out else "fit" if fit else "train"
    if not video and (sprites or backgrounds):
        raise UsageError("--sprites and --backgrounds are for videos; add --video")
    target, classes = DatasetSplit(out, split), resolve_labels(labels) or DCASE2025
    problems = ProblemLog()
    report = None if fail_fast else problems
    try:
        ingredients = SceneIngredients(
            _bank(sounds, side, report, classes),
            _statistics(statistics, report, classes),
            evenness,
            load_responses(srir, report) if srir else None,
            srir_share,
            load_cutouts(sprites, classes, side, report) if video else None,
            load_backgrounds(backgrounds, side, report) if video else None,
        )
    finally:
        for problem in problems.pop_all():
            print_note(problem)
    frozen = list(read_plans(plans).items())[:clips] if plans else []
    check_plans(dict(frozen), ingredients, video)
    recipe = describe_dataset(
        ingredients,
        {"sounds": sounds, "sprites": sprites, "backgrounds": backgrounds, "srir": srir, "plans": plans},
        seed=seed,
        video=video,
        held_out=held_out,
        **({"fit": True} if fit else {}),
        **({"labels": classes.to_json()} if labels else {}),
    )
    manifest = SplitManifest(target, recipe, overwrite)
    if labels:
        write_labels(out, classes)
    orders = [ClipOrder(number, *plan) for number, plan in enumerate(frozen)] or map(ClipOrder, range(clips or 0))
    due = [
        # What was drawn by another version is made again as it was.
        ClipOrder(order.number, *(manifest.find_plan(order.number) or order[1:]))
        for order in orders
        if not manifest.is_finished(order.number)
    ]
    counter = ClipCounter(len(due), fail_fast)
    maker = SceneClipMaker(target, ingredients, seed, video, problems)
    outcomes = run_workers(due, maker, min(jobs or os.cpu_count() or 1, len(due) or 1))
    try:
        with show_progress(counter.to_table, counter.to_line), closing(outcomes):
            for outcome in outcomes:
                _count_outcome(outcome, counter, manifest)
    except KeyboardInterrupt:
        say_stopped("the same command goes on from here")
        raise
    _finish(counter, target, manifest, as_json)


def _bank(folder: Path | None, side: "Side", report: "ProblemLog | None", labels: LabelSet) -> "SoundBank":
    from seldfuse.synth.sounds.procedural import build_procedural_bank
    from seldfuse.synth.sounds.soundbank import load_bank

    if folder is not None:
        return load_bank(folder, labels, side, on_problem=report)
    bank = build_procedural_bank(labels, side == "held")
    names = ", ".join(labels.names[cls] for cls in bank.present)
    print_note(f"without --sounds all sounds are computed, and there are some for these classes only: {names}")
    return bank


def _statistics(folder: Path | None, report: "ProblemLog | None", labels: LabelSet) -> "SceneStatistics":
    """Fit statistics to the user's label files, passing over files that are none; without a folder, load ours."""
    from seldfuse.formats.folder import drop_by_products
    from seldfuse.formats.label_files import list_notes, read_label_file
    from seldfuse.synth.timelines.statistics import SceneStatistics

    if folder is None:
        return SceneStatistics.load()
    if not folder.is_dir():
        raise UsageError(f"--statistics expects a folder of label files: {folder}")
    files, read = [], []
    for path in drop_by_products(find_files(folder, {".csv"}).files, print_note):
        try:
            read.append(read_label_file(path, labels))
            files.append(path)
        except UsageError as error:
            if report is None:
                raise
            report(f"passed over: {error}")
    for text in list_notes(read):
        print_note(text)
    return SceneStatistics.fit(files, labels)


def _count_outcome(outcome: "ClipOutcome", counter: ClipCounter, manifest: "SplitManifest") -> None:
    """Count a clip. Raises its error where the first one is to stop everything."""
    for problem in outcome.problems:
        counter.report(problem)
    if outcome.line is not None:
        counter.add(outcome.line, manifest)
    elif outcome.error is not None:
        counter.add_failure(outcome.order.name or f"clip {outcome.order.number}", outcome.error)


def _finish(counter: ClipCounter, split: "DatasetSplit", manifest: "SplitManifest", as_json: bool) -> None:
    """Report what there is now, and leave with the exit code."""
    skipped, hours = manifest.clips - counter.made, manifest.clips * WINDOW_S / 3600
    if as_json:
        print_json(
            {
                "made": counter.made,
                "clips": manifest.clips,
                "hours": hours,
                "seconds": manifest.seconds,
                "failures": counter.failures_to_json(),
                "manifest": str(split.manifest),
            }
        )
    if counter.made:
        made = f"made {format_count(counter.made, 'clip')} in {counter.spent_s:.0f} s, {counter.speed}"
        print_note(f"{made}; wrote them to {split.get_folder('wav')}/")
    if skipped:
        print_note(f"there already: {format_count(skipped, 'clip')}; --overwrite makes all anew")
    seconds = ", ".join(f"{name} {total:.0f}" for name, total in manifest.seconds.items())
    print_note(
        f"the split holds {format_count(manifest.clips, 'clip')}, {hours:.2f} h; seconds by class: {seconds or 'none'}"
    )
    if counter.failures:
        print_error(f"{format_count(len(counter.failures), 'clip')} failed")
        codes = counter.exit_codes
        raise typer.Exit(codes.pop() if manifest.clips == 0 and len(codes) == 1 else 1)
    out, reference = shlex.quote(str(split.out)), shlex.quote(str(split.get_folder("csv")))
    print_note(f"to score a system on it: seldfuse run {out} --split {split.name} -o predictions")
    print_note(f"and then: seldfuse eval predictions/{split.name} {reference}")
