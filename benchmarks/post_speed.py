"""What correcting by sight costs: a clip from its file to what was seen, and every frame looked at beside a few."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks.hearing import said_of
from benchmarks.post import one_by_one, told
from benchmarks.results_scores import bound
from benchmarks.timing import Case, interleaved
from seldfuse.clip import Clip
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, decode, fuse
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import count
from seldfuse.metrics.jackknife import differences
from seldfuse.metrics.scores import Average
from seldfuse.pipeline import open_ears, open_eyes
from seldfuse.posterior import Posterior
from seldfuse.synth.dataset.folder import Split
from seldfuse.vision.eyes import Eyes
from seldfuse.vision.settings import VisionSettings
from seldfuse.watch import Watch

BACKENDS = "cmc,sce"
RATE_HZ, EVERY_FRAME_HZ = 2.0, 10.0
MOST_S, LEAST_RATIO, MOST_GAIN = 3.0, 4.0, 0.01
AVERAGES: tuple[Average, ...] = ("macro", "micro")


def measure(split: Split, movenet: Path, clips: int, timed: int, rounds: int) -> dict[str, Any]:
    """So many clips of a split for the scores, of which the first ones are timed; nothing is kept between rounds.

    Raises what `open_ears` and `open_eyes` raise, and the first clip's error.
    """
    sounds = sorted(split.folder("wav").glob("*.wav"))[:clips]
    found, ears = find_clips(sounds), replace(open_ears(BACKENDS, "cpu"), kept=None)
    eyes = {rate_hz: _eyes(movenet, rate_hz) for rate_hz in (RATE_HZ, EVERY_FRAME_HZ)}
    heard = fuse(said_of(found, ears), FusionSettings())
    few = found[:timed]
    cases = [
        Case("clip", lambda: _corrected(few, fuse(said_of(few, ears), FusionSettings()), eyes[RATE_HZ]), 1.0),
        *(Case(f"{rate_hz:g} Hz", partial(_corrected, few, heard, one), 1.0) for rate_hz, one in eyes.items()),
    ]
    times_s = {name: float(np.median(seconds)) / timed for name, seconds in interleaved(cases, rounds).items()}
    seen = {rate_hz: _corrected(found, heard, one) for rate_hz, one in eyes.items()}
    truth = dcase.read_many([split.file(sound.stem, "csv") for sound in sounds])
    counts = {rate_hz: count(truth, decode(said), mode="strict") for rate_hz, (said, _) in seen.items()}
    gain = {name: differences(counts[EVERY_FRAME_HZ], counts[RATE_HZ], name)["f20_1_on"] for name in AVERAGES}
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


def _eyes(movenet: Path, rate_hz: float) -> Eyes:
    return open_eyes(f"keypoint@movenet:{movenet}", "cpu", {}, VisionSettings.find("bayes"), rate_hz, None, True)


def _corrected(clips: Sequence[Clip], said: Posterior, eyes: Eyes) -> tuple[Posterior, int]:
    """What is believed of each clip, and at how many pictures that took a look."""
    watch = Watch()
    seen = [told(eyes.correct(clip, None, one, watch).refinement.posterior) for clip, _, one in one_by_one(clips, said)]
    return Posterior.join(seen), sum(watch.looked.values())
