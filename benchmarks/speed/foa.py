"""How fast first-order recordings become stereo clips: `python -m benchmarks foa-speed`.

The material is made: noise with labels, and a panorama of 1920×960 at 29.97 pictures a second in which patterned
blocks move over a patterned ground. `seldfuse synth from-foa` runs as a process of its own; a run of two clips
measures what starting takes, and is subtracted.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from rich.console import Group

from benchmarks.speed.report import machine, table
from benchmarks.studies.material import CLIP_S
from seldfuse.media.encode import write_video, write_wav
from seldfuse.synth.pictures.film import FPS

PROCESSES = 2
FEW = 2
PANORAMA_PX = (960, 1920)
BLOCKS, SPEED_PX = 12, 7

SOUND, APART, DENSE = "sound alone", "with videos, end to end", "with videos, overlapping fourfold"
AT_LEAST = {SOUND: 30.0, APART: 3.0, DENSE: 3.0}


class Spent(NamedTuple):
    """Seconds by the clock, and of all processors together."""

    wall_s: float
    cpu_s: float


def measure(sound_s: int, video_s: int, folder: Path) -> dict[str, Any]:
    """Measure everything, as the document that is written; `folder` takes a recording of each length, and the clips."""
    sounds, videos = folder / "sounds", folder / "videos"
    write_recording(sounds, sound_s)
    megabytes = write_recording(videos, video_s, with_video=True)
    clips = {SOUND: sound_s, APART: int(video_s / CLIP_S), DENSE: int(4 * video_s / CLIP_S)}
    few = ("--clips", str(FEW))
    starts = {SOUND: run(sounds, folder / "few-sounds", few), APART: run(videos, folder / "few-videos", few)}
    starts[DENSE] = starts[APART]
    spent = {
        SOUND: run(sounds, folder / "sound", ("--clips", str(clips[SOUND]))),
        APART: run(videos, folder / "apart", ("--hop", str(CLIP_S))),
        DENSE: run(videos, folder / "dense", ("--clips", str(clips[DENSE]))),
    }
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "video_megabits_per_s": 8 * megabytes / video_s,
        "cases": {name: figures(clips[name] - FEW, spent[name], starts[name], AT_LEAST[name]) for name in clips},
    }


def figures(clips: int, spent: Spent, start: Spent, at_least: float) -> dict[str, float]:
    """Compute times real time by the clock, and what two processors would reach that did nothing else."""
    wall_s, cpu_s = spent.wall_s - start.wall_s, spent.cpu_s - start.cpu_s
    return {
        "clips": clips,
        "start_s": start.wall_s,
        "times_real_time": clips * CLIP_S / wall_s,
        "cpu_s_per_clip": cpu_s / clips,
        "times_real_time_by_cpu": PROCESSES * clips * CLIP_S / cpu_s,
        "at_least": at_least,
    }


def run(recordings: Path, out: Path, options: Sequence[str]) -> Spent:
    command = [sys.executable, "-c", "from seldfuse.cli import main; main()", "synth", "from-foa", str(recordings)]
    before, started_s = _children_s(), time.perf_counter()
    subprocess.run(
        [*command, "-o", str(out), "--jobs", str(PROCESSES), *options], check=True, stderr=subprocess.DEVNULL
    )
    return Spent(time.perf_counter() - started_s, _children_s() - before)


def _children_s() -> float:
    """Processor seconds of all processes that this one started and that have ended, and of theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def write_recording(folder: Path, duration_s: int, with_video: bool = False) -> float:
    """Write a recording side by side with its labels; return the size of its video in megabytes."""
    sound = np.random.default_rng(0).normal(0, 0.02, (4, 24_000 * duration_s)).astype(np.float32)
    write_wav(folder / "fold3_room1_mix001.wav", sound)
    rows = (f"{frame},{cls},0,{30 * cls - 150},0,200\n" for frame in range(10 * duration_s) for cls in (0, 4, 8))
    (folder / "fold3_room1_mix001.csv").write_text("".join(rows), encoding="utf-8")
    if not with_video:
        return 0.0
    video = folder / "fold3_room1_mix001.mp4"
    write_video(video, panoramas(round(duration_s * FPS)), FPS, np.zeros((2, 2400), np.float32))
    return video.stat().st_size / 1e6


def panoramas(count: int) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    rng = np.random.default_rng(0)
    height, width = PANORAMA_PX
    ground = rng.integers(30, 220, (height // 40, width // 40, 3), dtype=np.uint8).repeat(40, 0).repeat(40, 1)
    ground += rng.integers(0, 12, ground.shape, dtype=np.uint8)
    blocks = rng.integers(20, 235, (BLOCKS, 20, 10, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    corners = np.column_stack([rng.integers(250, 550, BLOCKS), rng.integers(0, width, BLOCKS)])
    for number in range(count):
        picture = ground.copy()
        for index, (top, left) in enumerate(corners):
            columns = (left + (index - BLOCKS // 2) * SPEED_PX * number // BLOCKS + np.arange(80)) % width
            picture[top : top + 160, columns] = blocks[index]
        yield picture


def tables(result: dict[str, Any]) -> Group:
    """Format the document for people."""
    cases = table("", "clips", "× real time", "at least", "× by processor time", "processor s a clip")
    for name, case in result["cases"].items():
        cases.add_row(
            name,
            f"{case['clips']:.0f}",
            f"{case['times_real_time']:.1f}",
            f"{case['at_least']:.0f}",
            f"{case['times_real_time_by_cpu']:.1f}",
            f"{case['cpu_s_per_clip']:.2f}",
            style="bold red" if case["times_real_time_by_cpu"] < case["at_least"] else "",
        )
    return Group(
        cases,
        "",
        f"{PROCESSES} processes on {result['machine']['cores']} cores, load {result['load']:.1f}; "
        f"the panorama has {result['video_megabits_per_s']:.1f} Mbit/s",
    )
