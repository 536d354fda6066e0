"""The whole way from WAV files to CSV files, seldfuse's and the baseline's, with all models loaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks import baseline_decoding, baseline_features
from seldfuse.clip import Clip
from seldfuse.errors import SeldfuseError
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings
from seldfuse.listen import Ears
from seldfuse.pipeline import hear
from seldfuse.watch import Watch
from seldfuse_baseline.network import BaselineNetwork

FUSION = FusionSettings()


def seldfuse_way(clips: Sequence[Clip], ears: Ears, out: Path, watch: Watch) -> None:
    """What `seldfuse run` does: hears the clips and writes `out/NAME.csv`."""
    with watch.stage("all"):
        for result in hear(clips, ears, FUSION, watch, on_failure):
            with watch.stage("writing"):
                dcase.write(result, out / f"{result.name}.csv")


@torch.inference_mode()
def baseline_way(wavs: Sequence[Path], network: BaselineNetwork, out: Path) -> None:
    """What the baseline does: clips of five seconds, all in one batch, as `out/NAME.csv`."""
    features = np.stack([baseline_features.logmel(baseline_features.read(wav)) for wav in wavs])
    raw = network(torch.from_numpy(features)).numpy()
    for wav, clip in zip(wavs, raw, strict=True):
        baseline_decoding.write(baseline_decoding.decode(clip), out / f"{wav.stem}.csv")


def shares(clips: Sequence[Clip], ears: Ears, out: Path, rounds: int) -> dict[str, float]:
    """Share of each stage in the time of seldfuse's way; `other` is what no stage claims."""
    watch = Watch()
    for _ in range(rounds):
        seldfuse_way(clips, ears, out, watch)
    whole_s = watch.stage_s.pop("all")
    parts = {name: seconds / whole_s for name, seconds in watch.stage_s.items()}
    return parts | {"other": 1.0 - sum(parts.values())}


def on_failure(_clip: Clip, error: SeldfuseError) -> None:
    """A clip that cannot be read would spoil the figures."""
    raise error
