"""How fast scenes are made, and responses beside pyroomacoustics: `python -m benchmarks synth-speed`.

All sources move, in rooms of 0.5 s of reverberation. A response is wanted for each place where one sounds, every
100 ms. Theirs have the same walls and bands, once up to the order that ours places image by image (their late room is
missing then), once up to the order that the reverberation takes. Ours are timed twice too: as scenes take them, with
one late room for each source, and whole ones at every place, as theirs are.
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
THEIR_PLACES = {"early": 24, "whole": 3}
"""Theirs are timed on so many places, for they take long; times count per place."""

CPU, CREW, CUDA = "one process", f"{PROCESSES} processes", "CUDA"
OURS, OURS_WHOLE = "ours, as scenes take them", "ours, whole"
THEIRS, THEIRS_WHOLE = f"theirs, order {ORDER}", "theirs, whole"

SCENES_AT_LEAST = {CREW: 60.0, CUDA: 5_000.0}
RATIOS = {(THEIRS, OURS): None, (THEIRS_WHOLE, OURS): 10.0, (THEIRS_WHOLE, OURS_WHOLE): 10.0}
"""What must hold, if anything."""


class Places(NamedTuple):
    """Where sources sound: the number of the scene and the place in its view's axes."""

    scene: list[int]
    view_m: list[Float[np.ndarray, "3"]]


def measure(rounds: int, disk_clips: int, folder: Path) -> dict[str, Any]:
    """Everything, as the document that is written; `folder` takes the clips."""
    stage = procedural_stage()
    scenes = moving_scenes(stage, CHUNK)
    places = sounding_places(scenes)
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), prepare_worker) as crew:
        rendering = [*_rendering(scenes, stage, crew), *_rendering_on_device(stage)]
        times = interleaved([*rendering, *_responding(scenes, places)], rounds)
    count = {OURS: len(places.scene), OURS_WHOLE: len(places.scene)}
    count |= {THEIRS: THEIR_PLACES["early"], THEIRS_WHOLE: THEIR_PLACES["whole"]}
    place_ms = {name: 1000.0 * times[name] / number for name, number in count.items()}
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "scenes": {
            "scenes": len(scenes),
            "sources": sum(len(scene.sources) for scene in scenes),
            "places": len(places.scene),
        },
        "times_real_time": {
            case.name: {
                "value": case.sound_s / float(np.median(times[case.name])),
                "at_least": SCENES_AT_LEAST.get(case.name),
            }
            for case in rendering
        },
        "place_ms": {name: float(np.median(ms)) for name, ms in place_ms.items()},
        "orders": {"ours": ORDER, THEIRS: ORDER, THEIRS_WHOLE: order_for(_room(scenes[0]))},
        "ratios": {
            f"{theirs} / {ours}": {"value": float(np.median(place_ms[theirs] / place_ms[ours])), "at_least": at_least}
            for (theirs, ours), at_least in RATIOS.items()
        },
        "disk": disk(disk_clips, folder),
    }


def moving_scenes(stage: SceneIngredients, count: int) -> list[ScenePlan]:
    return list(islice(plans(stage, RT60_S, True, np.random.default_rng(0)), count))


def sounding_places(scenes: Sequence[ScenePlan]) -> Places:
    """Every 100 ms while one of a source's takes runs."""
    found = [
        (number, source.path.compute_position(frame * FRAME_S))
        for number, scene in enumerate(scenes)
        for source in scene.sources
        for frame in range(scene.frames)
        if _sounds(source, frame * FRAME_S)
    ]
    return Places([number for number, _ in found], [view_m for _, view_m in found])


def _sounds(source: ScenePlanSource, time_s: float) -> bool:
    return any(take.start_s - FRAME_S < time_s < take.start_s + take.duration_s for take in source.takes)


def _rendering(scenes: list[ScenePlan], stage: SceneIngredients, crew: ProcessPoolExecutor) -> list[Case]:
    sound_s = len(scenes) * CLIP_S
    return [
        Case(CPU, partial(render_scenes, scenes, stage.bank), sound_s),
        Case(CREW, lambda: list(crew.map(_render, [scenes] * PROCESSES)), PROCESSES * sound_s),
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


def _responding(scenes: list[ScenePlan], places: Places) -> list[Case]:
    first = scenes[0]
    return [
        Case(OURS, partial(_ours, scenes, places), 0.0),
        Case(OURS_WHOLE, partial(_ours_whole, scenes, places), 0.0),
        Case(THEIRS, partial(_theirs, first, places, THEIR_PLACES["early"], ORDER), 0.0),
        Case(THEIRS_WHOLE, partial(_theirs, first, places, THEIR_PLACES["whole"], order_for(_room(first))), 0.0),
    ]


def _ours(scenes: list[ScenePlan], places: Places) -> None:
    rooms, of = ShoeboxRooms.from_scenes([_room(scene) for scene in scenes]), torch.tensor(places.scene)
    compute_early(rooms, of, _tensor(places.view_m), BLOCK_FFT)
    sources = [(number, source.tail_start) for number, scene in enumerate(scenes) for source in scene.sources]
    compute_late(rooms, torch.tensor([number for number, _ in sources]), [start for _, start in sources])


def _ours_whole(scenes: list[ScenePlan], places: Places) -> None:
    """Scene by scene, for so many whole responses fill the memory."""
    rooms = ShoeboxRooms.from_scenes([_room(scene) for scene in scenes])
    for number in range(len(scenes)):
        view_m = _tensor([place for scene, place in zip(*places, strict=True) if scene == number])
        of = torch.full((len(view_m),), number)
        compute_direct(view_m) + compute_reflections(rooms, of, view_m) + compute_late(rooms, of, range(len(view_m)))


def _theirs(scene: ScenePlan, places: Places, count: int, order: int) -> None:
    """Places of the first scene, over and over if it has too few: what they are does not change what they cost."""
    view_m = [place for number, place in zip(*places, strict=True) if number == 0]
    responses(_room(scene), np.resize(np.array(view_m), (count, 3)), order)


def _tensor(view_m: list[Float[np.ndarray, "3"]]) -> Float[Tensor, "place 3"]:
    return torch.tensor(np.array(view_m), dtype=torch.float32)


def _room(scene: ScenePlan) -> Room:
    assert isinstance(scene.room, Room)
    return scene.room


def disk(clips: int, folder: Path) -> dict[str, Any]:
    """`seldfuse synth --video` as a process of its own; a run of a few clips tells what starting takes."""
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
    places = table("a response, W and Y'", "ms")
    for name, ms in result["place_ms"].items():
        places.add_row(name, f"{ms:.2f}")
    disk_speed = result["disk"].get("skipped") or f"{result['disk']['times_real_time']:.1f} × real time"
    return Group(
        limits,
        "",
        places,
        "",
        f"seldfuse synth --video, {PROCESSES} processes: {disk_speed}",
        f"{result['machine']['cores']} cores, {result['machine']['torch_threads']} torch threads, "
        f"load {result['load']:.1f}, medians of {result['rounds']} rounds",
    )
