"""The option `--executor`, and a run whose clips are heard in other processes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from seldfuse.cli.output import OutputWriter
    from seldfuse.cli.run_progress import RunProgress
    from seldfuse.core.clip import Clip
    from seldfuse.core.run_stats import RunStats
    from seldfuse.executors.ray_executor import RayExecutor
    from seldfuse.run_job import RunJob
    from seldfuse.run_manifest import RunManifest

ExecutorName = Literal["local", "ray"]

ExecutorOption = Annotated[
    ExecutorName,
    typer.Option(
        "--executor", help="Who does the work: this process, or the Ray cluster of this machine, or a new one."
    ),
]


def run_elsewhere(
    executor: "RayExecutor",
    job: "RunJob",
    clips: "Sequence[Clip]",
    manifests: "Mapping[str, RunManifest]",
    output: "OutputWriter",
    stats: "RunStats",
    progress: "RunProgress",
    overwrite: bool,
) -> None:
    """Have clips heard and written by other processes, and enter in manifests and tell what they did, as a run here
    does; the clips are told in the order in which they are done.
    """
    from seldfuse.errors import SeldfuseError
    from seldfuse.executors.chunks import cut_clips
    from seldfuse.run_job import IdentifyJob
    from seldfuse.storage.atomic import remove_all_left_drafts

    begun = [] if overwrite else [clip for clip in clips if manifests[clip.name].find_files(clip.name)]
    finished = set()
    for identified in executor.run(IdentifyJob(), cut_clips(begun, _weigh)):
        for clip, found in identified:
            if manifests[clip.name].is_finished(clip.name, found):
                finished.add(clip.name)
                progress.skipped += 1
                output.add_skipped(clip.name, manifests[clip.name].find_files(clip.name))

    def due() -> "Iterator[Clip]":
        for clip in clips:
            if clip.name not in finished:
                manifests[clip.name].begin(clip.name)
                yield clip

    for done in executor.run(job, cut_clips(due(), _weigh)):
        stats.add(done.stats)
        for outcome in done.outcomes:
            manifest = manifests[outcome.clip.name]
            manifest.expect(outcome.clip, outcome.input)
            if outcome.error is not None:
                output.fail_clip(outcome.clip, outcome.error)
            elif outcome.written is not None:
                try:
                    output.add_written(outcome.written, manifest)
                except SeldfuseError as error:
                    output.fail_clip(outcome.clip, error)
    # Of processes that died.
    remove_all_left_drafts(output.out)
    order = {clip.name: number for number, clip in enumerate(clips)}
    for told in (output.documents, output.skipped):
        told.sort(key=lambda document: order[document["name"]])
    output.failures.sort(key=lambda failure: order[failure[0]])


def _weigh(clip: "Clip") -> int:
    """Weigh a clip by the bytes of its file."""
    try:
        return os.stat(clip.path).st_size if clip.path else 0
    except OSError:
        return 0
