"""The cost of the visual correction: a clip from its file to its posterior, and detections in every frame or in few."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks.speed.timing import Case, interleaved
from benchmarks.studies.json_values import bound
from benchmarks.studies.post import fill_onscreen, one_by_one
from benchmarks.studies.posteriors import infer_posteriors
from seldfuse.core.clip import Clip
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors
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


def measure(split: DatasetSplit, clips: int, timed: int, rounds: int) -> dict[str, Any]:
    """Measure so many clips of a split for the scores, of which the first are timed; nothing is cached between rounds.

    Raises what `load_backends` and `load_detectors` raise, and the first clip's error.
    """
    sounds = sorted(split.get_folder("wav").glob("*.wav"))[:clips]
    found, backends = find_clips(sounds), replace(load_backends(BACKENDS, "cpu"), token_cache=None)
    correctors = {rate_hz: _load_corrector(rate_hz) for rate_hz in (RATE_HZ, EVERY_FRAME_HZ)}
    fused = fuse_posteriors(infer_posteriors(found, backends), FusionSettings())
    few = found[:timed]
    cases = [
        Case(
            "clip",
            lambda: _corrected(
                few, fuse_posteriors(infer_posteriors(few, backends), FusionSettings()), correctors[RATE_HZ]
            ),
            1.0,
        ),
        *(Case(f"{rate_hz:g} Hz", partial(_corrected, few, fused, one), 1.0) for rate_hz, one in correctors.items()),
    ]
    times_s = {name: float(np.median(seconds)) / timed for name, seconds in interleaved(cases, rounds).items()}
    corrected = {rate_hz: _corrected(found, fused, one) for rate_hz, one in correctors.items()}
    references = dcase.read_many([split.get_path(sound.stem, "csv") for sound in sounds])
    counts = {
        rate_hz: count_matches(references, decode_frames(posterior), mode="strict")
        for rate_hz, (posterior, _) in corrected.items()
    }
    gain = {name: compare_systems(counts[EVERY_FRAME_HZ], counts[RATE_HZ], name)["f20_1_on"] for name in AVERAGES}
    return {
        "clips": clips,
        "timed": timed,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "clip_s": times_s["clip"],
        "ratio": times_s[f"{EVERY_FRAME_HZ:g} Hz"] / times_s[f"{RATE_HZ:g} Hz"],
        "pictures": {f"{rate_hz:g} Hz": pictures / clips for rate_hz, (_, pictures) in corrected.items()},
        "gain": {name: bound(one) for name, one in gain.items()},
    }


def table(result: dict[str, Any]) -> Table:
    view = Table("", "value", "limit")
    view.add_row(f"{BACKENDS} and MoveNet at {RATE_HZ:g} Hz, s for 5 s", f"{result['clip_s']:.2f}", f"≤ {MOST_S:g}")
    for rate, pictures in result["pictures"].items():
        view.add_row(f"pictures of a clip with detections, {rate}", f"{pictures:.1f}", "")
    title = f"detections at {EVERY_FRAME_HZ:g} Hz / at {RATE_HZ:g} Hz, time"
    view.add_row(title, f"{result['ratio']:.1f}", f"≥ {LEAST_RATIO:g}")
    for name, gain in result["gain"].items():
        spread = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
        view.add_row(f"F20/1/on more for it, {name}", spread, f"≤ {MOST_GAIN:g}")
    return view


def _load_corrector(rate_hz: float) -> VisualCorrector:
    return load_detectors("keypoint@movenet", "cpu", {}, VisionSettings.resolve("bayes"), rate_hz, None, True)


def _corrected(clips: Sequence[Clip], posterior: Posterior, corrector: VisualCorrector) -> tuple[Posterior, int]:
    """Correct each clip; return the posteriors, and in how many pictures detectors ran."""
    stats = RunStats()
    corrected = [
        fill_onscreen(corrector.correct(clip, None, one, stats).refinement.posterior)
        for clip, _, one in one_by_one(clips, posterior)
    ]
    return Posterior.concat(corrected), sum(stats.frames_detected.values())
