"""A run in processes elsewhere: they hear clips and write the files, and tell what they wrote."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seldfuse.clip_writer import ClipWriter, WrittenClip
from seldfuse.core.clip import Clip
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import SeldfuseError
from seldfuse.executors.job import make_portable
from seldfuse.pipeline import Pipeline
from seldfuse.run_manifest import identify


class ClipOutcome(NamedTuple):
    """What became of a clip: what it is made of, and what was written of it or why it failed."""

    clip: Clip
    input: Mapping[str, Any] | None
    written: WrittenClip | None
    error: SeldfuseError | None


@dataclass(frozen=True)
class DoneChunk:
    """What became of the clips of a chunk, and how long each stage took there."""

    outcomes: Sequence[ClipOutcome]
    stats: RunStats = field(default_factory=RunStats)


@dataclass(frozen=True)
class RunJob:
    """Hears clips by a `Pipeline` of these settings and writes what it finds; the first failure raises if
    `fail_fast`."""

    settings: Mapping[str, Any]
    writer: ClipWriter
    fail_fast: bool = False

    def load(self) -> Callable[[Sequence[Clip]], DoneChunk]:
        pipeline = Pipeline(**self.settings)
        return lambda clips: self._hear(pipeline, clips)

    def give_up(self, item: Clip, reason: str) -> DoneChunk:
        error = SeldfuseError(f"{reason}: {item.path}")
        if self.fail_fast:
            raise error
        return DoneChunk([ClipOutcome(item, None, None, error)], RunStats(clips=1))

    def _hear(self, pipeline: Pipeline, clips: Sequence[Clip]) -> DoneChunk:
        stats, written, failed = RunStats(), dict[str, WrittenClip](), dict[str, SeldfuseError]()

        def fail(clip: Clip, error: SeldfuseError) -> None:
            if self.fail_fast:
                raise error
            failed[clip.name] = make_portable(error)

        with stats.measure("hashing"):
            inputs = {clip.name: identify(clip) for clip in clips}
        for result in pipeline.run_clips(clips, stats, fail, self.fail_fast):
            assert result.clip is not None
            try:
                with stats.measure("writing"):
                    written[result.name] = self.writer.write(result)
            except SeldfuseError as error:
                fail(result.clip, error)
        outcomes = [
            ClipOutcome(clip, inputs[clip.name], written.get(clip.name), failed.get(clip.name)) for clip in clips
        ]
        return DoneChunk(outcomes, stats)


@dataclass(frozen=True)
class IdentifyJob:
    """Identifies the inputs of clips: all of a recording is read for it, so it is not for one machine to do."""

    def load(self) -> Callable[[Sequence[Clip]], list[tuple[Clip, Mapping[str, Any] | None]]]:
        return lambda clips: [(clip, identify(clip)) for clip in clips]

    def give_up(self, item: Clip, reason: str) -> list[tuple[Clip, Mapping[str, Any] | None]]:  # noqa: ARG002
        return [(item, None)]
