"""Times a run stage by stage on the CPU: `python -m benchmarks`."""

import json
import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.cases import cases
from benchmarks.material import BATCH, cut_clips, write_clips
from benchmarks.report import BACKENDS, document, tables
from benchmarks.timing import interleaved
from benchmarks.ways import seldfuse_way, shares
from seldfuse.media.inputs import find_clips
from seldfuse.pipeline import open_ears
from seldfuse.watch import Watch

ROUNDS = 15
RESULT = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    with TemporaryDirectory() as folder:
        result = measure(Path(folder), ROUNDS)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console = Console()
    console.print(tables(result))
    console.print(f"written: {RESULT}")


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Everything, as the document that is written; `folder` takes the files that are timed on."""
    ears = open_ears(",".join(BACKENDS), "cpu")
    clips = find_clips(write_clips(folder / "clips", cut_clips(BATCH)))
    seldfuse_way(clips, ears, folder / "seldfuse", Watch())
    # Before the baseline has had its turn, the peak is seldfuse's own.
    peak_memory_mib = peak_mib()
    timed = cases(folder, ears)
    times = interleaved(timed, rounds)
    return document(timed, times, shares(clips, ears, folder / "seldfuse", rounds), peak_memory_mib)


def peak_mib() -> float:
    """The most memory that this process has had resident so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
