"""`seldfuse synth from-foa`: the challenge's data set of stereo clips, from first-order recordings."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seldfuse.cli.console import complain, note, progress, show_json
from seldfuse.cli.tally import CLIP_S, Tally, counted
from seldfuse.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seldfuse.synth.dataset.ledger import Ledger
    from seldfuse.synth.from_foa.cuts import Cut
    from seldfuse.synth.from_foa.recordings import Recording

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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the splits and make them anew.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first bad input.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary.")] = False,
) -> None:
    """Cut stereo clips with flat pictures from first-order Ambisonics with labels and 360° videos.

    By the challenge's rule: random recordings, starts and viewing angles. The same command goes on where it was
    stopped; with a larger --clips it adds some. A clip does not depend on how many there are or on --jobs.
    """
    from seldfuse.synth.dataset.folder import Split
    from seldfuse.synth.dataset.ledger import Ledger
    from seldfuse.synth.from_foa.cuts import wish_for_all, wishes_for
    from seldfuse.synth.from_foa.recordings import find_recordings
    from seldfuse.synth.from_foa.write import Maker, make_clips, recipe_of

    if (hop is None) == (not clips):
        raise UsageError("expected either the number of clips, --clips 30000, or --hop 5, which cuts everything")
    if distance is not None and distance <= 0:
        raise UsageError(f"--distance expects metres, more than 0, got {distance}")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the data set cannot lie among the recordings; choose another folder with -o: {out}")
    recordings = find_recordings(folder, not no_video, distance, None if fail_fast else note)
    wishes = [wish_for_all(recordings, hop, seed)] if hop is not None else wishes_for(clips or [], recordings, seed)
    splits = sorted({split for wish in wishes for split in wish.splits})
    recipe = recipe_of(recordings, seed=seed, hop_s=hop, video=not no_video, distance_m=distance)
    ledgers = {split: Ledger(Split(out, split), recipe, overwrite) for split in splits}
    _describe(recordings, no_video)

    def finished(cut: "Cut") -> bool:
        return ledgers[cut.recording.split].finished(cut.number)

    there = sum(ledger.clips for ledger in ledgers.values())
    tally = Tally(max(0, sum(wish.missing for wish in wishes) - there), fail_fast)
    loud = without_video = 0
    crew = make_clips(wishes, Maker(out, distance), finished, jobs or os.cpu_count() or 1)
    try:
        with progress(tally.view), closing(crew):
            for cut, line, error in crew:
                if line is not None:
                    tally.add(line, ledgers[cut.recording.split])
                    without_video += cut.recording.video is None
                elif error is not None:
                    tally.fail(cut.name, error)
                else:
                    loud += 1
    except KeyboardInterrupt:
        note("stopped; the same command goes on from here")
        raise
    _close(tally, ledgers, out, {"too_loud": loud, "without_video": 0 if no_video else without_video}, as_json)


def _describe(recordings: "Sequence[Recording]", no_video: bool) -> None:
    hours = sum(recording.frames for recording in recordings) / 36_000
    note(f"found {len(recordings)} recordings, {hours:.2f} h, in {len({one.split for one in recordings})} splits")
    blind = sum(recording.video is None for recording in recordings)
    if blind and not no_video:
        note(f"{blind} of them have no video; their clips are sound alone")


def _close(tally: Tally, ledgers: "dict[str, Ledger]", out: Path, counts: dict[str, int], as_json: bool) -> None:
    """Says what there is now, and leaves with the exit code."""
    clips = {split: ledger.clips for split, ledger in ledgers.items()}
    total = sum(clips.values())
    if as_json:
        show_json(
            {"made": tally.made, "clips": clips, "hours": total * CLIP_S / 3600}
            | counts
            | {
                "failures": tally.failures_json(),
                "manifests": [str(out / f"manifest-{split}.jsonl") for split in clips],
            }
        )
    if tally.made:
        note(f"made {counted(tally.made)} in {tally.spent_s:.0f} s, {tally.speed}; wrote them to {out}/")
    if total > tally.made:
        note(f"there already: {counted(total - tally.made)}; --overwrite makes all anew")
    if counts["without_video"]:
        note(f"without a video: {counted(counts['without_video'])}")
    if counts["too_loud"]:
        note(f"too loud, so others took their place if there were any: {counted(counts['too_loud'])}")
    note(
        f"there are {', '.join(f'{count} in {split}' for split, count in clips.items())}; {total * CLIP_S / 3600:.2f} h"
    )
    missing = tally.due - tally.made - len(tally.failures)
    if missing > 0:
        note(f"{counted(missing)} fewer than wished for, for the recordings hold no others")
    if tally.failures:
        complain(f"{counted(len(tally.failures))} failed")
        codes = tally.exit_codes
        raise typer.Exit(codes.pop() if total == 0 and len(codes) == 1 else 1)
