"""Runs from WAV files to CSV files, seldfuse's and the baseline's, with all models loaded."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.baseline import decoding
from benchmarks.baseline import features as baseline_features
from seldfuse.core.clip import Clip
from seldfuse.core.result import Result
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import SeldfuseError
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings
from seldfuse.inference.clips import LoadedBackends, infer_clips
from seldfuse.pipeline import fuse_and_decode
from seldfuse_baseline.network import BaselineNetwork

FUSION = FusionSettings()


def hear_clips(clips: Sequence[Clip], loaded: LoadedBackends, stats: RunStats) -> Iterator[Result]:
    """Run loaded backends on clips and fuse them, one result each, in order."""
    for members in infer_clips(clips, loaded, stats, on_failure):
        yield fuse_and_decode(members, FUSION, str(loaded.device), stats)


def run_seldfuse(clips: Sequence[Clip], loaded: LoadedBackends, out: Path, stats: RunStats) -> None:
    """Run clips as `seldfuse run` does, and write `out/NAME.csv`."""
    with stats.measure("all"):
        for result in hear_clips(clips, loaded, stats):
            with stats.measure("writing"):
                dcase.write_result(result, out / f"{result.name}.csv")


@torch.inference_mode()
def run_baseline(wavs: Sequence[Path], network: BaselineNetwork, out: Path) -> None:
    """Run clips of five seconds as the baseline does, all in one batch, and write `out/NAME.csv`."""
    features = np.stack([baseline_features.compute_baseline_logmel(baseline_features.read_audio(wav)) for wav in wavs])
    raw = network(torch.from_numpy(features)).numpy()
    for wav, clip in zip(wavs, raw, strict=True):
        decoding.write_csv(decoding.decode_cells(clip), out / f"{wav.stem}.csv")


def shares(clips: Sequence[Clip], loaded: LoadedBackends, out: Path, rounds: int) -> dict[str, float]:
    """Measure the share of each stage in the time of seldfuse's run; `other` is what no stage claims."""
    stats = RunStats()
    for _ in range(rounds):
        run_seldfuse(clips, loaded, out, stats)
    total_s = stats.stage_s.pop("all")
    parts = {name: seconds / total_s for name, seconds in stats.stage_s.items()}
    return parts | {"other": 1.0 - sum(parts.values())}


def on_failure(_clip: Clip, error: SeldfuseError) -> None:
    """Raise the error: a clip that cannot be read would spoil the figures."""
    raise error
