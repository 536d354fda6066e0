"""How many clips of a data set are made, fail and are still to come."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seldfuse.cli.console import print_error, print_note
from seldfuse.cli.run_progress import format_left
from seldfuse.core.grid import WINDOW_S
from seldfuse.errors import SeldfuseError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seldfuse.synth.dataset.split_manifest import SplitManifest


class ClipCounter:
    """Of `due` clips that are to be made, the number that are and the failures of those that cannot be."""

    def __init__(self, due: int, fail_fast: bool) -> None:
        self.due, self.made, self.fail_fast = due, 0, fail_fast
        self.failures: list[tuple[str, SeldfuseError]] = []
        self.started_s = time.perf_counter()
        self._noted: set[str] = set()

    def report(self, problem: str) -> None:
        """Print what is wrong with an input, once: every process meets bad input anew."""
        if problem not in self._noted:
            self._noted.add(problem)
            print_note(problem)

    def add(self, line: Mapping[str, Any], manifest: "SplitManifest") -> None:
        """Enter a finished clip in the manifest, and count it. Raises UsageError where it cannot be written."""
        manifest.add(line)
        self.made += 1

    def add_failure(self, name: str, error: SeldfuseError) -> None:
        """Note a clip that cannot be made. Raises the error where the first one is to stop everything."""
        if self.fail_fast:
            raise error
        print_error(f"{name}: {error}")
        self.failures.append((name, error))

    @property
    def exit_codes(self) -> set[int]:
        return {error.exit_code for _, error in self.failures}

    @property
    def spent_s(self) -> float:
        return time.perf_counter() - self.started_s

    @property
    def speed(self) -> str:
        return f"{self.made * WINDOW_S / self.spent_s:.0f} × real time"

    def failures_to_json(self) -> list[dict[str, Any]]:
        return [{"name": name, "error": str(error), "exit_code": error.exit_code} for name, error in self.failures]

    @property
    def done(self) -> int:
        return self.made + len(self.failures)

    def to_line(self) -> str:
        """Format how many clips are done, the speed, and how long the others will take."""
        line = f"{self.done}/{self.due} clips"
        if not self.done:
            return line
        left_s = self.spent_s / self.done * (self.due - self.done)
        return f"{line}, {100 * self.done / self.due:.0f} %, {self.speed}, {format_left(left_s)}"

    def to_table(self) -> "RenderableType":
        """Draw a bar and the line."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_row(ProgressBar(self.due, self.done, width=40), self.to_line())
        return table
