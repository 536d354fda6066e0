"""How long a run on a short clip takes from the first to the last: `python -m benchmarks start-speed`.

Each is a process of its own, which starts, imports, loads, does its work and ends. Beside it stands a process that
imports torch and ends: no run can take less.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group

from benchmarks.speed.report import machine, table
from seldfuse.media.encode import write_wav

CLIP_S = 10
BACKENDS = "doa,sde,sce"
TORCH = "import torch"
RUN = f"seldfuse run, {BACKENDS}, {CLIP_S} s"
HELP = "seldfuse --help"
AT_MOST = 1.5
"""What a run may take, in times of importing torch."""
HELP_AT_MOST_S = 0.15


def measure(rounds: int, folder: Path) -> dict[str, Any]:
    """Measure processor time and wall-clock time of each process, one after the other, for so many rounds."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 24_000 * CLIP_S)).astype(np.float32)
    write_wav(folder / "clip.wav", noise)
    run = ["run", str(folder / "clip.wav"), "--backends", BACKENDS, "-o", str(folder / "out"), "--overwrite"]
    programs = {TORCH: ["-c", TORCH], RUN: ["-m", "seldfuse", *run], HELP: ["-m", "seldfuse", "--help"]}
    for program in programs.values():
        _time(program)
    times = [[_time(program) for program in programs.values()] for _ in range(rounds)]
    # Of (round, program, processor time and wall-clock time) the medians over the rounds.
    medians, ratios = (np.median(values, axis=0) for values in (times, np.divide(times, np.array(times)[:, :1])))
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "seconds": {
            name: {"cpu_s": cpu_s, "wall_s": wall_s}
            for name, (cpu_s, wall_s) in zip(programs, medians.tolist(), strict=True)
        },
        "limits": {
            "run / import torch, processor time": {"value": float(ratios[1, 0]), "at_most": AT_MOST},
            "run / import torch, wall-clock time": {"value": float(ratios[1, 1]), "at_most": AT_MOST},
            "--help, processor time in seconds": {"value": float(medians[2, 0]), "at_most": HELP_AT_MOST_S},
        },
    }


def _time(program: list[str]) -> tuple[float, float]:
    """Seconds of the processor and of the clock that Python takes for a program."""
    before, started_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *program], check=True, capture_output=True)
    wall_s, after = time.perf_counter() - started_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall_s


def tables(result: Mapping[str, Any]) -> Group:
    """Format the document for people."""
    seconds = table("a process", "processor, s", "clock, s")
    for name, found in result["seconds"].items():
        seconds.add_row(name, f"{found['cpu_s']:.2f}", f"{found['wall_s']:.2f}")
    limits = table("", "value", "at most")
    for name, limit in result["limits"].items():
        style = "" if limit["value"] <= limit["at_most"] else "bold red"
        limits.add_row(name, f"{limit['value']:.2f}", f"{limit['at_most']}", style=style)
    return Group(seconds, "", limits, "", f"medians of {result['rounds']} rounds; load {result['load']:.1f}")
