"""What a run may cost, and what it does: `python -m benchmarks limits`, which fails where a limit is broken.

Everything runs in turn in one process and is measured in processor time, so that other load on the machine matters
little. On two quiet cores the clock shows more than the real-time factors here, which count the seconds of both cores.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from rich.table import Table

from benchmarks.baseline.sounding import build_constant_network
from benchmarks.speed.eyes import CLIP_S, CLIPS, write_film_clips
from benchmarks.speed.report import machine, table
from benchmarks.studies.cases import SPEECH_AND_MUSIC
from benchmarks.studies.material import BATCH, cut_clips, write_clips
from benchmarks.studies.ways import FUSION, on_failure, run_baseline, run_seldfuse
from seldfuse.core.clip import Clip
from seldfuse.core.run_stats import RunStats
from seldfuse.inference.clips import LoadedBackends, infer_clips
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import find_clips
from seldfuse.pipeline import fuse_and_decode
from seldfuse.vision.corrector import VisualCorrector
from seldfuse.vision.load import load_detectors
from seldfuse.vision.settings import VisionSettings

SLACK = 1.15
"""A limit counts as broken from so many times it on, for figures scatter."""

AUDIO, ALL = "doa,sde,sce", "doa,sde,sce,cmc,mvanet"
DETECTORS = "keypoint@movenet,gdino@yolox"
RATE_HZ = 2.0


@dataclass(frozen=True)
class Limit:
    """A figure and its limit: at most, or at least where `least`."""

    name: str
    value: float
    limit: float
    least: bool = False

    @property
    def broken(self) -> bool:
        """Test whether the figure is beyond the limit by more than the slack."""
        over = self.limit / self.value if self.least else self.value / self.limit
        return over > SLACK


def measure(rounds: int, folder: Path) -> dict[str, Any]:
    """Measure every figure in `rounds` rounds, on clips that are written to `folder`."""
    times = _time_in_turn(_list_cases(folder), rounds)
    limits = [
        *(
            Limit(
                f"{AUDIO}, {many}: WAV to CSV / baseline's",
                float(np.median(times[many] / times[f"{many}, baseline"])),
                0.8,
            )
            for many in (_count(1), _count(BATCH))
        ),
        Limit(f"{ALL}, × real time", _real_time(times["pictures"]), 25.0, least=True),
        Limit(f"{ALL} and both detectors, × real time", _real_time(times["detectors"]), 8.0, least=True),
    ]
    return {
        "machine": machine(),
        "rounds": rounds,
        "seconds": {name: float(np.median(column)) for name, column in times.items()},
        "limits": [
            {"name": one.name, "value": one.value, "limit": one.limit, "least": one.least, "broken": one.broken}
            for one in limits
        ],
    }


def tables(result: Mapping[str, Any]) -> Table:
    """Format the figures for people; those that break their limit stand out."""
    view = table("", "value", "limit")
    for one in result["limits"]:
        limit = f"{'≥' if one['least'] else '≤'} {one['limit']:g}"
        view.add_row(one["name"], f"{one['value']:.2f}", limit, style="bold red" if one["broken"] else "")
    return view


def list_broken(result: Mapping[str, Any]) -> list[str]:
    """List the names of the figures that break their limits."""
    return [one["name"] for one in result["limits"] if one["broken"]]


def _list_cases(folder: Path) -> dict[str, Callable[[], object]]:
    audio = load_backends(AUDIO, "cpu")
    network = build_constant_network(SPEECH_AND_MUSIC)
    wavs = write_clips(folder / "clips", cut_clips(BATCH))
    (folder / "baseline").mkdir()
    cases: dict[str, Callable[[], object]] = {}
    for some in (wavs[:1], wavs):
        name = _count(len(some))
        cases[name] = partial(_run_fresh, find_clips(some), audio, folder / "seldfuse")
        cases[f"{name}, baseline"] = partial(run_baseline, some, network, folder / "baseline")
    (folder / "films").mkdir()
    films = write_film_clips(folder / "films")
    everything = replace(load_backends(ALL, "cpu"), token_cache=None)
    corrector = load_detectors(DETECTORS, "cpu", {}, VisionSettings.resolve("bayes"), RATE_HZ, None, True)
    cases["pictures"] = partial(_look, films, everything, None)
    cases["detectors"] = partial(_look, films, everything, corrector)
    return cases


def _count(clips: int) -> str:
    return "1 clip" if clips == 1 else f"{clips} clips"


def _run_fresh(clips: list[Clip], loaded: LoadedBackends, out: Path) -> None:
    run_seldfuse(clips, loaded, out, RunStats())


def _look(clips: list[Clip], loaded: LoadedBackends, corrector: VisualCorrector | None) -> None:
    stats = RunStats()
    for members in infer_clips(clips, loaded, stats, on_failure):
        fuse_and_decode(members, FUSION, str(loaded.device), stats, corrector)


def _time_in_turn(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Float64[np.ndarray, "round"]]:
    """Processor time of each case, once to warm up, then A B C A B C …, on one thread: waiting threads spin."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for call in cases.values():
            call()
        seconds = np.array([[_time(call) for call in cases.values()] for _ in range(rounds)])
    finally:
        torch.set_num_threads(threads)
    return dict(zip(cases, seconds.T, strict=True))


def _time(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def _real_time(seconds: Float64[np.ndarray, "round"]) -> float:
    return CLIPS * CLIP_S / float(np.median(seconds))
