"""The whole way from WAV files to CSV files, seldfuse's and the baseline's, with all models loaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.baseline import decoding
from benchmarks.baseline import features as baseline_features
from seldfuse.core.clip import Clip
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import SeldfuseError
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings
from seldfuse.inference.clips import LoadedBackends
from seldfuse.pipeline import run_clips
from seldfuse_baseline.network import BaselineNetwork

FUSION = FusionSettings()


def seldfuse_way(clips: Sequence[Clip], ears: LoadedBackends, out: Path, watch: RunStats) -> None:
    """What `seldfuse run` does: hears the clips and writes `out/NAME.csv`."""
    with watch.measure("all"):
        for result in run_clips(clips, ears, FUSION, watch, on_failure):
            with watch.measure("writing"):
                dcase.write_result(result, out / f"{result.name}.csv")


@torch.inference_mode()
def baseline_way(wavs: Sequence[Path], network: BaselineNetwork, out: Path) -> None:
    """What the baseline does: clips of five seconds, all in one batch, as `out/NAME.csv`."""
    features = np.stack([baseline_features.logmel(baseline_features.read(wav)) for wav in wavs])
    raw = network(torch.from_numpy(features)).numpy()
    for wav, clip in zip(wavs, raw, strict=True):
        decoding.write(decoding.decode(clip), out / f"{wav.stem}.csv")


def shares(clips: Sequence[Clip], ears: LoadedBackends, out: Path, rounds: int) -> dict[str, float]:
    """Share of each stage in the time of seldfuse's way; `other` is what no stage claims."""
    watch = RunStats()
    for _ in range(rounds):
        seldfuse_way(clips, ears, out, watch)
    whole_s = watch.stage_s.pop("all")
    parts = {name: seconds / whole_s for name, seconds in watch.stage_s.items()}
    return parts | {"other": 1.0 - sum(parts.values())}


def on_failure(_clip: Clip, error: SeldfuseError) -> None:
    """A clip that cannot be read would spoil the figures."""
    raise error
