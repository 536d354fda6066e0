"""`seldfuse synth from-foa`: the challenge's data set of stereo clips, from first-order recordings."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seldfuse.cli.clip_counter import ClipCounter
from seldfuse.cli.console import print_error, print_json, print_note, show_progress
from seldfuse.cli.force import Force
from seldfuse.core.grid import FRAME_S, WINDOW_S
from seldfuse.errors import UsageError
from seldfuse.interruption import say_stopped
from seldfuse.storage.text import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seldfuse.synth.dataset.split_manifest import SplitManifest
    from seldfuse.synth.from_foa.cuts import FoaCut
    from seldfuse.synth.from_foa.recordings import FoaRecording

SEED = 20250305
"""That of the challenge's own program."""


def from_foa(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Recordings: foa_dev/, metadata_dev/, video_dev/, or side by side."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the data set.", show_default=False)],
    clips: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|SPLIT=N",
            help="Number of clips of 5 s, in all, or of the splits whose names begin so; may be repeated.",
        ),
    ] = None,
    hop: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Cut everything, a clip every so many seconds.")
    ] = None,
    no_video: Annotated[bool, typer.Option("--no-video", help="Leave videos out.")] = False,
    distance: Annotated[
        float | None,
        typer.Option(metavar="METRES", help="How far away sources are where labels do not say it (those of 2022)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Makes the clips repeatable; this one is the challenge's.")] = SEED,
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
    force: Force = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the splits and make them anew.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first bad input.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary.")] = False,
) -> None:
    """Cut stereo clips with flat pictures from first-order Ambisonics with labels and 360° videos.

    By the challenge's rule: random recordings, starts and viewing angles. The same command goes on where it was
    stopped; with a larger --clips it adds some. A clip does not depend on how many there are or on --jobs.
    """
    from seldfuse.synth.dataset.folder import DatasetSplit
    from seldfuse.synth.dataset.split_manifest import SplitManifest
    from seldfuse.synth.from_foa.cuts import queue_all, queue_counts
    from seldfuse.synth.from_foa.inspect import inspect_recordings
    from seldfuse.synth.from_foa.recordings import find_recordings
    from seldfuse.synth.from_foa.write import FoaClipMaker, describe_cuts, make_clips

    if (hop is None) == (not clips):
        raise UsageError("expected either the number of clips, --clips 30000, or --hop 5, which cuts everything")
    if distance is not None and distance <= 0:
        raise UsageError(f"--distance expects metres, more than 0, got {distance}")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the data set cannot lie among the recordings; choose another folder with -o: {out}")
    recordings = find_recordings(folder, not no_video, distance, None if fail_fast else print_note)
    errors = inspect_recordings(recordings, distance, print_note)
    if errors and not force:
        listed = "\n  ".join(f"{one.describe()}: {recording.sound}" for recording, one in errors)
        raise UsageError(
            f"labels and sound of {len(errors)} of {len(recordings)} recordings do not belong together:\n  {listed}\n"
            "  `--force` cuts clips of them all the same"
        )
    for recording, one in errors:
        print_note(f"goes on by --force: {one.describe()}: {recording.sound}")
    wishes = [queue_all(recordings, hop, seed)] if hop is not None else queue_counts(clips or [], recordings, seed)
    splits = sorted({split for wish in wishes for split in wish.splits})
    recipe = describe_cuts(recordings, seed=seed, hop_s=hop, video=not no_video, distance_m=distance)
    manifests = {split: SplitManifest(DatasetSplit(out, split), recipe, overwrite) for split in splits}
    _describe(recordings, no_video)

    def finished(cut: "FoaCut") -> bool:
        return manifests[cut.recording.split].is_finished(cut.number)

    there = sum(manifest.clips for manifest in manifests.values())
    counter = ClipCounter(max(0, sum(wish.missing for wish in wishes) - there), fail_fast)
    too_loud = without_video = 0
    outcomes = make_clips(wishes, FoaClipMaker(out, distance), finished, jobs or os.cpu_count() or 1)
    try:
        with show_progress(counter.to_table, counter.to_line), closing(outcomes):
            for cut, line, error in outcomes:
                if line is not None:
                    counter.add(line, manifests[cut.recording.split])
                    without_video += cut.recording.video is None
                elif error is not None:
                    counter.add_failure(cut.name, error)
                else:
                    too_loud += 1
    except KeyboardInterrupt:
        say_stopped("the same command goes on from here")
        raise
    counts = {"too_loud": too_loud, "without_video": 0 if no_video else without_video}
    _finish(counter, manifests, out, counts, as_json)


def _describe(recordings: "Sequence[FoaRecording]", no_video: bool) -> None:
    hours = sum(recording.frames for recording in recordings) * FRAME_S / 3600
    print_note(f"found {len(recordings)} recordings, {hours:.2f} h, in {len({one.split for one in recordings})} splits")
    without_video = sum(recording.video is None for recording in recordings)
    if without_video and not no_video:
        print_note(f"{without_video} of them have no video; their clips are sound alone")


def _finish(
    counter: ClipCounter, manifests: "dict[str, SplitManifest]", out: Path, counts: dict[str, int], as_json: bool
) -> None:
    """Report what there is now, and leave with the exit code."""
    clips = {split: manifest.clips for split, manifest in manifests.items()}
    total = sum(clips.values())
    if as_json:
        print_json(
            {"made": counter.made, "clips": clips, "hours": total * WINDOW_S / 3600}
            | counts
            | {
                "failures": counter.failures_to_json(),
                "manifests": [str(out / f"manifest-{split}.jsonl") for split in clips],
            }
        )
    if counter.made:
        made = f"made {format_count(counter.made, 'clip')} in {counter.spent_s:.0f} s, {counter.speed}"
        print_note(f"{made}; wrote them to {out}/")
    if total > counter.made:
        print_note(f"there already: {format_count(total - counter.made, 'clip')}; --overwrite makes all anew")
    if counts["without_video"]:
        print_note(f"without a video: {format_count(counts['without_video'], 'clip')}")
    if counts["too_loud"]:
        print_note(
            f"too loud, so others took their place if there were any: {format_count(counts['too_loud'], 'clip')}"
        )
    by_split = ", ".join(f"{count} in {split}" for split, count in clips.items())
    print_note(f"there are {by_split}; {total * WINDOW_S / 3600:.2f} h")
    missing = counter.due - counter.made - len(counter.failures)
    if missing > 0:
        print_note(f"{format_count(missing, 'clip')} fewer than wished for, for the recordings hold no others")
    if counter.failures:
        print_error(f"{format_count(len(counter.failures), 'clip')} failed")
        codes = counter.exit_codes
        raise typer.Exit(codes.pop() if total == 0 and len(codes) == 1 else 1)
