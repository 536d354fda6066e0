"""What correcting by sight costs: a clip from its file to what was seen, and every frame looked at beside a few."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks.speed.timing import Case, interleaved
from benchmarks.studies.hearing import said_of
from benchmarks.studies.post import one_by_one, told
from benchmarks.studies.results import bound
from seldfuse.core.clip import Clip
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, decode_events, fuse_posteriors
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import count_matches
from seldfuse.metrics.jackknife import compare_systems
from seldfuse.metrics.scores import Average
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.vision.corrector import VisualCorrector
from seldfuse.vision.load import load_detectors
from seldfuse.vision.settings import VisionSettings

BACKENDS = "cmc,sce"
RATE_HZ, EVERY_FRAME_HZ = 2.0, 10.0
MOST_S, LEAST_RATIO, MOST_GAIN = 3.0, 4.0, 0.01
AVERAGES: tuple[Average, ...] = ("macro", "micro")


def measure(split: DatasetSplit, movenet: Path, clips: int, timed: int, rounds: int) -> dict[str, Any]:
    """So many clips of a split for the scores, of which the first ones are timed; nothing is kept between rounds.

    Raises what `load_backends` and `load_detectors` raise, and the first clip's error.
    """
    sounds = sorted(split.get_folder("wav").glob("*.wav"))[:clips]
    found, ears = find_clips(sounds), replace(load_backends(BACKENDS, "cpu"), token_cache=None)
    eyes = {rate_hz: _eyes(movenet, rate_hz) for rate_hz in (RATE_HZ, EVERY_FRAME_HZ)}
    heard = fuse_posteriors(said_of(found, ears), FusionSettings())
    few = found[:timed]
    cases = [
        Case(
            "clip", lambda: _corrected(few, fuse_posteriors(said_of(few, ears), FusionSettings()), eyes[RATE_HZ]), 1.0
        ),
        *(Case(f"{rate_hz:g} Hz", partial(_corrected, few, heard, one), 1.0) for rate_hz, one in eyes.items()),
    ]
    times_s = {name: float(np.median(seconds)) / timed for name, seconds in interleaved(cases, rounds).items()}
    seen = {rate_hz: _corrected(found, heard, one) for rate_hz, one in eyes.items()}
    truth = dcase.read_many([split.get_path(sound.stem, "csv") for sound in sounds])
    counts = {rate_hz: count_matches(truth, decode_events(said), mode="strict") for rate_hz, (said, _) in seen.items()}
    gain = {name: compare_systems(counts[EVERY_FRAME_HZ], counts[RATE_HZ], name)["f20_1_on"] for name in AVERAGES}
    return {
        "clips": clips,
        "timed": timed,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "clip_s": times_s["clip"],
        "ratio": times_s[f"{EVERY_FRAME_HZ:g} Hz"] / times_s[f"{RATE_HZ:g} Hz"],
        "pictures": {f"{rate_hz:g} Hz": pictures / clips for rate_hz, (_, pictures) in seen.items()},
        "gain": {name: bound(one) for name, one in gain.items()},
    }


def table(result: dict[str, Any]) -> Table:
    view = Table("", "value", "limit")
    view.add_row(f"{BACKENDS} and MoveNet at {RATE_HZ:g} Hz, s for 5 s", f"{result['clip_s']:.2f}", f"≤ {MOST_S:g}")
    for rate, pictures in result["pictures"].items():
        view.add_row(f"pictures of a clip that are looked at, {rate}", f"{pictures:.1f}", "")
    title = f"looking at {EVERY_FRAME_HZ:g} Hz / at {RATE_HZ:g} Hz, time"
    view.add_row(title, f"{result['ratio']:.1f}", f"≥ {LEAST_RATIO:g}")
    for name, gain in result["gain"].items():
        spread = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
        view.add_row(f"F20/1/on more for it, {name}", spread, f"≤ {MOST_GAIN:g}")
    return view


def _eyes(movenet: Path, rate_hz: float) -> VisualCorrector:
    return load_detectors(
        f"keypoint@movenet:{movenet}", "cpu", {}, VisionSettings.resolve("bayes"), rate_hz, None, True
    )


def _corrected(clips: Sequence[Clip], said: Posterior, eyes: VisualCorrector) -> tuple[Posterior, int]:
    """What is believed of each clip, and at how many pictures that took a look."""
    watch = RunStats()
    seen = [told(eyes.correct(clip, None, one, watch).refinement.posterior) for clip, _, one in one_by_one(clips, said)]
    return Posterior.concat(seen), sum(watch.frames_detected.values())
