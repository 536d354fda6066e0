"""How long tuning takes: `python -m benchmarks tuning-speed`, on posteriors of the five members of `fusion-speed`."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from rich.console import Group

from benchmarks.speed.fusion import CHUNK, MEMBERS, THREADS, draw_member, draw_target
from benchmarks.speed.report import machine, table
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, FusionSettings, decode_frames
from seldfuse.tune.fit import Objective
from seldfuse.tune.fusion import tune_fusion
from seldfuse.tune.tuning_data import TuningData

CLIPS_OF_LIMIT = 10_000
AT_MOST_S = 300.0
"""For so many clips, on two cores."""
FOLDS = 5


def measure(clips: int, note: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything, as the document that is written; `note` is called with what is being fitted."""
    torch.set_num_threads(THREADS)
    data = draw_data(clips)
    started_s = time.perf_counter()
    tuned = tune_fusion(data, FusionSettings(), Objective(), FOLDS, note)
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "clips": clips,
        "compared_clips": len(tuned.compared),
        "candidates": len(tuned.candidates),
        "seconds": time.perf_counter() - started_s,
        "at_most_s": AT_MOST_S,
    }


def draw_data(clips: int) -> TuningData:
    """Draw posteriors and targets; each clip is a recording of its own."""
    generator = torch.Generator().manual_seed(0)
    targets, members = [], []
    for first in range(0, clips, CHUNK):
        target = draw_target(min(CHUNK, clips - first), generator)
        members.append({name: draw_member(target, *kind, generator) for name, kind in MEMBERS.items()})
        targets.append(Posterior(target.sounds.float(), target.direction.contiguous(), target.distance.contiguous()))
    references = decode_frames(Posterior.concat(targets), DecodeSettings(unify_angle_deg=0.0))
    posteriors = {name: Posterior.concat([chunk[name] for chunk in members]) for name in MEMBERS}
    return TuningData.from_folders(posteriors, references, [f"clip{number}" for number in range(clips)])


def tables(result: Mapping[str, Any]) -> Group:
    """Format the document for people."""
    view = table("", "seconds", "limit")
    within_limit = result["seconds"] <= result["at_most_s"]
    view.add_row(
        f"tuning on {result['clips']} clips",
        f"{result['seconds']:.0f}",
        f"≤ {result['at_most_s']:.0f} for {CLIPS_OF_LIMIT}",
        style="" if within_limit else "bold red",
    )
    return Group(view, "", f"{result['machine']['cores']} cores, load {result['load']:.1f}")
