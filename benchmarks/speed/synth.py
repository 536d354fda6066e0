"""How fast scenes are made, and responses beside pyroomacoustics: `python -m benchmarks synth-speed`.

All sources move, in rooms of 0.5 s of reverberation. A response is computed for each position of a sounding source,
every 100 ms. Theirs have the same walls and bands, once up to the order that ours computes image by image (their late
room is missing then), once up to the order that the reverberation takes. Ours are timed twice too: as scenes take them,
with one late room for each source, and complete ones at every position, as theirs are.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Group
from torch import Tensor

from benchmarks.sets.plans import plans, procedural_stage
from benchmarks.sets.pra_scenes import order_for, responses
from benchmarks.speed.report import machine, table
from benchmarks.speed.timing import Case, interleaved
from benchmarks.studies.material import CLIP_S
from seldfuse.core.grid import FRAME_S
from seldfuse.synth.bank import CHUNK
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.render import render_scenes
from seldfuse.synth.rooms.moving import BLOCK_FFT
from seldfuse.synth.rooms.shoebox import ORDER, ShoeboxRooms, compute_early
from seldfuse.synth.rooms.standing import compute_direct, compute_late, compute_reflections
from seldfuse.synth.scene import Room, ScenePlan, ScenePlanSource
from seldfuse.synth.worker_process import prepare_worker

RT60_S = 0.5
PROCESSES = 2
DEVICE_SCENES = 256
THEIR_POSITIONS = {"early": 24, "whole": 3}
"""Theirs are timed on so many positions, for they take long; times count per position."""

CPU, PARALLEL, CUDA = "one process", f"{PROCESSES} processes", "CUDA"
OURS, OURS_FULL = "ours, as scenes take them", "ours, whole"
THEIRS, THEIRS_FULL = f"theirs, order {ORDER}", "theirs, whole"

SCENES_AT_LEAST = {PARALLEL: 60.0, CUDA: 5_000.0}
RATIOS = {(THEIRS, OURS): None, (THEIRS_FULL, OURS): 10.0, (THEIRS_FULL, OURS_FULL): 10.0}
"""What must hold, if anything."""


class SourcePositions(NamedTuple):
    """Positions of sounding sources: the number of the scene and the position in its view's axes."""

    scene: list[int]
    view_m: list[Float[np.ndarray, "3"]]


def measure(rounds: int, disk_clips: int, folder: Path) -> dict[str, Any]:
    """Everything, as the document that is written; `folder` takes the clips."""
    stage = procedural_stage()
    scenes = moving_scenes(stage, CHUNK)
    positions = list_positions(scenes)
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), prepare_worker) as pool:
        rendering = [*_rendering(scenes, stage, pool), *_rendering_on_device(stage)]
        times = interleaved([*rendering, *_responding(scenes, positions)], rounds)
    count = {OURS: len(positions.scene), OURS_FULL: len(positions.scene)}
    count |= {THEIRS: THEIR_POSITIONS["early"], THEIRS_FULL: THEIR_POSITIONS["whole"]}
    position_ms = {name: 1000.0 * times[name] / number for name, number in count.items()}
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "scenes": {
            "scenes": len(scenes),
            "sources": sum(len(scene.sources) for scene in scenes),
            "places": len(positions.scene),
        },
        "times_real_time": {
            case.name: {
                "value": case.sound_s / float(np.median(times[case.name])),
                "at_least": SCENES_AT_LEAST.get(case.name),
            }
            for case in rendering
        },
        "place_ms": {name: float(np.median(ms)) for name, ms in position_ms.items()},
        "orders": {"ours": ORDER, THEIRS: ORDER, THEIRS_FULL: order_for(_room(scenes[0]))},
        "ratios": {
            f"{theirs} / {ours}": {
                "value": float(np.median(position_ms[theirs] / position_ms[ours])),
                "at_least": at_least,
            }
            for (theirs, ours), at_least in RATIOS.items()
        },
        "disk": disk(disk_clips, folder),
    }


def moving_scenes(stage: SceneIngredients, count: int) -> list[ScenePlan]:
    return list(islice(plans(stage, RT60_S, True, np.random.default_rng(0)), count))


def list_positions(scenes: Sequence[ScenePlan]) -> SourcePositions:
    """Every 100 ms while one of a source's takes runs."""
    found = [
        (number, source.path.compute_position(frame * FRAME_S))
        for number, scene in enumerate(scenes)
        for source in scene.sources
        for frame in range(scene.frames)
        if _sounds(source, frame * FRAME_S)
    ]
    return SourcePositions([number for number, _ in found], [view_m for _, view_m in found])


def _sounds(source: ScenePlanSource, time_s: float) -> bool:
    return any(take.start_s - FRAME_S < time_s < take.start_s + take.duration_s for take in source.takes)


def _rendering(scenes: list[ScenePlan], stage: SceneIngredients, pool: ProcessPoolExecutor) -> list[Case]:
    sound_s = len(scenes) * CLIP_S
    return [
        Case(CPU, partial(render_scenes, scenes, stage.bank), sound_s),
        Case(PARALLEL, lambda: list(pool.map(_render, [scenes] * PROCESSES)), PROCESSES * sound_s),
    ]


def _rendering_on_device(stage: SceneIngredients) -> list[Case]:
    if not torch.cuda.is_available():
        return []
    scenes = moving_scenes(stage, DEVICE_SCENES)
    return [Case(CUDA, partial(_render_on_device, scenes, stage), len(scenes) * CLIP_S)]


def _render_on_device(scenes: list[ScenePlan], stage: SceneIngredients) -> None:
    render_scenes(scenes, stage.bank, device="cuda")
    torch.cuda.synchronize()


_stage: SceneIngredients | None = None


def _render(scenes: list[ScenePlan]) -> None:
    """In a process that goes on, which keeps the sounds that it has made."""
    global _stage
    _stage = _stage or procedural_stage()
    render_scenes(scenes, _stage.bank)


def _responding(scenes: list[ScenePlan], positions: SourcePositions) -> list[Case]:
    first = scenes[0]
    return [
        Case(OURS, partial(_ours, scenes, positions), 0.0),
        Case(OURS_FULL, partial(_ours_full, scenes, positions), 0.0),
        Case(THEIRS, partial(_theirs, first, positions, THEIR_POSITIONS["early"], ORDER), 0.0),
        Case(THEIRS_FULL, partial(_theirs, first, positions, THEIR_POSITIONS["whole"], order_for(_room(first))), 0.0),
    ]


def _ours(scenes: list[ScenePlan], positions: SourcePositions) -> None:
    rooms, of = ShoeboxRooms.from_scenes([_room(scene) for scene in scenes]), torch.tensor(positions.scene)
    compute_early(rooms, of, _tensor(positions.view_m), BLOCK_FFT)
    sources = [(number, source.tail_start) for number, scene in enumerate(scenes) for source in scene.sources]
    compute_late(rooms, torch.tensor([number for number, _ in sources]), [start for _, start in sources])


def _ours_full(scenes: list[ScenePlan], positions: SourcePositions) -> None:
    """Compute scene by scene, for so many complete responses fill the memory."""
    rooms = ShoeboxRooms.from_scenes([_room(scene) for scene in scenes])
    for number in range(len(scenes)):
        positions_m = _tensor([position_m for scene, position_m in zip(*positions, strict=True) if scene == number])
        of = torch.full((len(positions_m),), number)
        (
            compute_direct(positions_m)
            + compute_reflections(rooms, of, positions_m)
            + compute_late(rooms, of, range(len(positions_m)))
        )


def _theirs(scene: ScenePlan, positions: SourcePositions, count: int, order: int) -> None:
    """Take positions of the first scene, over and over if it has too few: which they are does not change the cost."""
    positions_m = [position_m for number, position_m in zip(*positions, strict=True) if number == 0]
    responses(_room(scene), np.resize(np.array(positions_m), (count, 3)), order)


def _tensor(view_m: list[Float[np.ndarray, "3"]]) -> Float[Tensor, "position 3"]:
    return torch.tensor(np.array(view_m), dtype=torch.float32)


def _room(scene: ScenePlan) -> Room:
    assert isinstance(scene.room, Room)
    return scene.room


def disk(clips: int, folder: Path) -> dict[str, Any]:
    """`seldfuse synth --video` as a process of its own; a run of a few clips measures what starting takes."""
    seconds = []
    for count in (PROCESSES, PROCESSES + clips):
        command = [sys.executable, "-c", "from seldfuse.cli import main; main()", "synth", "scenes"]
        options = [str(folder / str(count)), "--video", "--clips", str(count), "--jobs", str(PROCESSES)]
        started_s = time.perf_counter()
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        seconds.append(time.perf_counter() - started_s)
        if done.returncode:
            return {"skipped": done.stderr.strip().splitlines()[-1]}
    return {"clips": clips, "start_s": seconds[0], "times_real_time": clips * CLIP_S / (seconds[1] - seconds[0])}


def tables(result: dict[str, Any]) -> Group:
    """The document for people."""
    limits = table("", "value", "at least")
    named = {f"scenes, {name}: × real time": row for name, row in result["times_real_time"].items()} | result["ratios"]
    for name, row in named.items():
        missed = row["at_least"] is not None and row["value"] < row["at_least"]
        limits.add_row(name, f"{row['value']:.1f}", f"{row['at_least'] or '–'}", style="bold red" if missed else "")
    rows = table("a response, W and Y'", "ms")
    for name, ms in result["place_ms"].items():
        rows.add_row(name, f"{ms:.2f}")
    disk_speed = result["disk"].get("skipped") or f"{result['disk']['times_real_time']:.1f} × real time"
    return Group(
        limits,
        "",
        rows,
        "",
        f"seldfuse synth --video, {PROCESSES} processes: {disk_speed}",
        f"{result['machine']['cores']} cores, {result['machine']['torch_threads']} torch threads, "
        f"load {result['load']:.1f}, medians of {result['rounds']} rounds",
    )
