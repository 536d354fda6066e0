"""How long tuning takes: `python -m benchmarks tuning-speed`, on what the five members of `fusion_speed` say."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from rich.console import Group

from benchmarks.speed.fusion import CHUNK, MEMBERS, THREADS, draw_member, draw_truth
from benchmarks.speed.report import machine, table
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, FusionSettings, decode_events
from seldfuse.tune.fit import Objective
from seldfuse.tune.fusion import tune_fusion
from seldfuse.tune.tuning_data import TuningData

CLIPS_OF_LIMIT = 10_000
AT_MOST_S = 300.0
"""For so many clips, on two cores."""
FOLDS = 5


def measure(clips: int, watch: Callable[[str], None]) -> dict[str, Any]:
    """Everything, as the document that is written."""
    torch.set_num_threads(THREADS)
    material = made_up(clips)
    started_s = time.perf_counter()
    tuned = tune_fusion(material, FusionSettings(), Objective(), FOLDS, watch)
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "clips": clips,
        "compared_clips": len(tuned.compared),
        "candidates": len(tuned.candidates),
        "seconds": time.perf_counter() - started_s,
        "at_most_s": AT_MOST_S,
    }


def made_up(clips: int) -> TuningData:
    """Each clip is a recording of its own."""
    generator = torch.Generator().manual_seed(0)
    truths, members = [], []
    for first in range(0, clips, CHUNK):
        truth = draw_truth(min(CHUNK, clips - first), generator)
        members.append({name: draw_member(truth, *kind, generator) for name, kind in MEMBERS.items()})
        truths.append(Posterior(truth.sounds.float(), truth.direction.contiguous(), truth.distance.contiguous()))
    references = decode_events(Posterior.concat(truths), DecodeSettings(unify_angle_deg=0.0))
    said = {name: Posterior.concat([chunk[name] for chunk in members]) for name in MEMBERS}
    return TuningData.from_folders(said, references, [f"clip{number}" for number in range(clips)])


def tables(result: Mapping[str, Any]) -> Group:
    """The document for people."""
    view = table("", "seconds", "limit")
    kept = result["seconds"] <= result["at_most_s"]
    view.add_row(
        f"tuning on {result['clips']} clips",
        f"{result['seconds']:.0f}",
        f"≤ {result['at_most_s']:.0f} for {CLIPS_OF_LIMIT}",
        style="" if kept else "bold red",
    )
    return Group(view, "", f"{result['machine']['cores']} cores, load {result['load']:.1f}")
