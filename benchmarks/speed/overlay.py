"""How long drawing overlays takes, and how much memory: `python -m benchmarks overlay-speed`.

On the pictures of the bundled clip over and over, at two sizes, with four sources that move and a box that holds all
along. Decoding, drawing, coding and writing count.
"""

import os
import resource
import time
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import torch
from rich.console import Group

from benchmarks.speed.report import machine, table
from seldfuse.core.detections import PERSON, UNTRACKED, Detections
from seldfuse.core.events import Events
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import Result
from seldfuse.media.encode import write_video
from seldfuse.media.inputs import find_clips
from seldfuse.media.redraw import Planes, redraw_video
from seldfuse.overlay.annotate import Annotator, ClipDetections
from seldfuse.overlay.patch import lay_over

FPS = 25
SIZES = ((640, 360), (1920, 1080))
SOURCES = 4
AT_LEAST = 2.0
"""How many times as fast as real time a video of 640×360 shall be drawn."""


def measure(seconds: int, folder: Path) -> dict[str, Any]:
    """Measure a video of so many seconds at each size, and the memory that one four times as long takes more."""
    sizes = {f"{width}×{height}": _time((width, height), seconds, folder) for width, height in SIZES}
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _time(SIZES[0], 4 * seconds, folder)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "seconds": seconds,
        "fps": FPS,
        "sizes": sizes,
        "memory_grown_mib": grown_mib,
    }


def tables(result: Mapping[str, Any]) -> Group:
    """Format the document for people."""
    shown = table("size", "× real time, clock", "processor seconds per second")
    for name, found in result["sizes"].items():
        shown.add_row(name, f"{found['times_real_time']:.1f}", f"{found['cpu_s_per_s']:.2f}")
    about = f"{result['seconds']} s at {result['fps']} pictures a second; load {result['load']:.1f}"
    return Group(shown, "", f"four times as long: {result['memory_grown_mib']:.0f} MiB more memory", about)


def _time(size: tuple[int, int], seconds: int, folder: Path) -> dict[str, float]:
    path = folder / "film.mp4"
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 24_000 * seconds)).clip(-1, 1).astype(np.float32)
    write_video(path, _list_pictures(size, seconds * FPS), FPS, sound)
    result, detections = _make_result(seconds), [_make_detections(size, seconds)]
    annotator = Annotator(result, size, detections)

    def draw(time_s: float, planes: Planes) -> None:
        lay_over(planes, annotator.list_drawings(time_s))

    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    redraw_video(path, path, folder / "overlay.mp4", draw)
    cpu_s, wall_s = time.process_time() - started_cpu_s, time.perf_counter() - started_s
    return {"times_real_time": seconds / wall_s, "cpu_s_per_s": cpu_s / seconds}


def _list_pictures(size: tuple[int, int], count: int) -> Iterator[av.VideoFrame]:
    (clip,) = find_clips(["@demo"])
    with av.open(str(clip.path)) as file:
        frames = [frame.reformat(*size, format="yuv420p") for frame in islice(file.decode(video=0), FPS)]
    yield from islice(cycle(frames), count)


def _make_result(seconds: int) -> Result:
    frames = np.arange(10 * seconds)
    parts = [
        {
            "frame": frames,
            "cls": source,
            "azimuth_deg": 60 * np.sin(frames / 20 + source),
            "distance_m": 1.0 + source,
            "onscreen": (frames // 20 + source) % 2,
        }
        for source in range(SOURCES)
    ]
    events = Events(pd.concat(map(pd.DataFrame, parts)))
    posterior = Posterior(torch.zeros(1, 1, len(events.labels), 1))
    return Result("film", events, events, posterior, posterior, {}, float(seconds), "mean", "cpu")


def _make_detections(size: tuple[int, int], seconds: int) -> ClipDetections:
    box = [share * side for share in (0.2, 0.6) for side in size]
    rows = [(number / 2, PERSON, 0.9, *box, UNTRACKED) for number in range(2 * seconds)]
    return ClipDetections(Detections.from_rows(rows), 2.0, *size)
