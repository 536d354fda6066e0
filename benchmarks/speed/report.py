"""Times become a document, and the document tables.

Seconds depend on the machine. What is stated are ratios, whose two sides were timed in the same round.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from rich.console import Group
from rich.table import Table

from benchmarks.speed.timing import Case
from benchmarks.studies.material import BATCH, CLIP_S

PACKAGES = ("seldfuse", "torch", "numpy", "scipy", "pandas", "av", "librosa", "pyroomacoustics")
BACKENDS = ("doa", "sde", "sce")

Times = Mapping[str, Float64[np.ndarray, "round"]]


@dataclass(frozen=True)
class Ratio:
    """How many times as long some cases take together as another one; `at_most` is what must hold on two cores."""

    name: str
    over: Sequence[str]
    under: str
    at_most: float | None = None

    def of(self, times: Times) -> float:
        """Compute the median of the rounds' ratios."""
        return float(np.median(sum(times[name] for name in self.over) / times[self.under]))


RATIOS = (
    Ratio(
        "three backends / baseline network, batch 1",
        [f"{name}, batch 1" for name in BACKENDS],
        "baseline network, batch 1",
        at_most=6.0,
    ),
    Ratio(
        f"three backends / baseline network, batch {BATCH}",
        [f"{name}, batch {BATCH}" for name in BACKENDS],
        f"baseline network, batch {BATCH}",
    ),
    Ratio(
        "wav to CSV / baseline's, 1 clip",
        ["wav to CSV, 1 clip"],
        "baseline's wav to CSV, 1 clip",
    ),
    Ratio(
        f"wav to CSV / baseline's, {BATCH} clips",
        [f"wav to CSV, {BATCH} clips"],
        f"baseline's wav to CSV, {BATCH} clips",
    ),
)


def to_document(
    cases: Sequence[Case], times: Times, shares: Mapping[str, float], peak_memory_mib: float
) -> dict[str, Any]:
    """Build the document of JSON values."""
    return {
        "machine": machine(),
        "rounds": len(times[cases[0].name]),
        "ratios": {ratio.name: {"value": ratio.of(times), "at_most": ratio.at_most} for ratio in RATIOS},
        "cases": {case.name: _figures(case, float(np.median(times[case.name]))) for case in cases},
        "shares": dict(shares),
        "peak_memory_mib": peak_memory_mib,
    }


def machine() -> dict[str, Any]:
    """Describe the machine."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _figures(case: Case, median_s: float) -> dict[str, float]:
    real_time_factor = case.sound_s / median_s
    return {
        "median_ms": 1000 * median_s,
        "clips_per_s": real_time_factor / CLIP_S,
        "times_real_time": real_time_factor,
    }


def tables(result: Mapping[str, Any]) -> Group:
    """Format the document for people."""
    cases = table("time of a call", "ms", "clips/s", "× real time")
    for name, case in result["cases"].items():
        cases.add_row(name, f"{case['median_ms']:.2f}", f"{case['clips_per_s']:.0f}", f"{case['times_real_time']:.0f}")
    shares = table(f"share of wav to CSV, {BATCH} clips", "%")
    for name, share in result["shares"].items():
        shares.add_row(name, f"{100 * share:.1f}")
    ratios = table("ratio", "value", "at most")
    for name, ratio in result["ratios"].items():
        limit = ratio["at_most"]
        within_limit = limit is None or ratio["value"] <= limit
        ratios.add_row(name, f"{ratio['value']:.2f}", f"{limit or '–'}", style="" if within_limit else "bold red")
    machine = result["machine"]
    return Group(
        cases,
        "",
        shares,
        "",
        ratios,
        "",
        f"{machine['cores']} cores, {machine['torch_threads']} torch threads, medians of {result['rounds']} rounds; "
        f"peak memory of wav to CSV, {BATCH} clips: {result['peak_memory_mib']:.0f} MiB",
    )


def table(heading: str, *columns: str) -> Table:
    """Make an empty table of rows with a name and some numbers."""
    empty = Table(heading, box=None, pad_edge=False)
    for column in columns:
        empty.add_column(column, justify="right")
    return empty
