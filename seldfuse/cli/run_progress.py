"""How far a run is: clips, percent, speed, and how long the rest will take."""

import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from seldfuse.storage.text import format_count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seldfuse.core.clip import Clip
    from seldfuse.core.run_stats import RunStats


class RunProgress:
    """The progress of a run on `clips`, of which `skipped` were there already; `stats` tells what is done."""

    def __init__(self, clips: "Sequence[Clip]", stats: "RunStats") -> None:
        self._clips, self._stats = clips, stats
        self.skipped = 0
        self._started_s = time.perf_counter()

    @property
    def spent_s(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self._started_s

    @property
    def share(self) -> float:
        """The share of the clips that are done; of a single clip the share of its sound that has been read."""
        if self._lone_duration_s:
            return min(1.0, self._stats.audio_s / self._lone_duration_s)
        due = len(self._clips) - self.skipped
        return self._stats.clips / due if due else 1.0

    def to_line(self) -> str:
        """Format the progress as a line, such as "3/40 clips, 8 %, 25 × real time, 2 min left"."""
        spent_s = self.spent_s
        done = f"{self._stats.clips}/{format_count(len(self._clips) - self.skipped, 'clip')}, {100 * self.share:.0f} %"
        if not self.share:
            return done
        return (
            f"{done}, {self._stats.audio_s / spent_s:.0f} × real time, "
            f"{format_left(spent_s * (1 - self.share) / self.share)}"
        )

    def to_table(self) -> "RenderableType":
        """Draw a bar and the line, and below what each stage took so far."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(1.0, self.share, width=40), self.to_line())
        stages = Table.grid(padding=(0, 2))
        for stage, seconds in list(self._stats.stage_s.items()):
            speed = self._stats.compute_real_time_factor(stage)
            stages.add_row(stage, f"{seconds:.1f} s", f"{speed:.0f} × real time")
        return Group(bar, stages)

    @cached_property
    def _lone_duration_s(self) -> float | None:
        return self._clips[0].audio.duration_s if len(self._clips) == 1 else None


def format_left(seconds: float) -> str:
    """Format how long something will still take."""
    return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"
