"""Features against reference numbers and slow twins."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.errors import PluginError
from seldfuse.features.load import find_function, make_batch
from seldfuse.features.stack import mirror_features, stack_features
from seldfuse.sdk import Feature
from seldfuse.testing import registry_with

NAMES = ("logmel", "ild", "intensity", "stpacc")


def plane_wave(azimuth_deg: float, seconds: float = 1.0) -> torch.Tensor:
    source = torch.randn(int(24_000 * seconds), generator=torch.Generator().manual_seed(0)) * 0.1
    side = np.sin(np.radians(azimuth_deg))
    return torch.stack([source * (1 + side), source * (1 - side)])


def test_logmel_equals_the_baseline_within_a_thousandth_of_a_decibel(shared: Path) -> None:
    golden = np.load(shared / "golden" / "logmel.npz")
    batch = make_batch(torch.from_numpy(golden["audio"])[None])
    assert batch["logmel"].shape == (1, 2, 251, 64)
    assert np.abs(batch["logmel"][0].numpy() - golden["logmel"]).max() < 1e-3


def test_silence_is_minus_100_decibels_throughout() -> None:
    batch = make_batch(torch.zeros(1, 2, 24_000))
    assert (batch["logmel"] == -100.0).all()
    assert all(batch[name].isfinite().all() for name in NAMES)


def test_the_floor_lies_80_decibels_below_the_louder_channel() -> None:
    audio = plane_wave(0.0)
    audio[1] = 0.0
    level_db = make_batch(audio[None])["logmel"][0]
    assert (level_db[1] == level_db[0].max() - 80.0).all()


@pytest.mark.parametrize("azimuth_deg", [-50.0, 0.0, 30.0, 80.0])
def test_level_features_follow_the_stereo_law(azimuth_deg: float) -> None:
    batch = make_batch(plane_wave(azimuth_deg)[None])
    side = np.sin(np.radians(azimuth_deg))
    assert batch["intensity"].median().item() == pytest.approx(side / (1 + side**2), abs=1e-3)
    assert batch["ild"].median().item() == pytest.approx(20 * np.log10((1 + side) / (1 - side)), abs=0.01)


def slow_stpacc(mid: np.ndarray) -> np.ndarray:
    """From its description, one column after the other."""
    padded = np.pad(mid, 512, mode="reflect")
    columns = []
    for start in range(0, len(padded) - 1023, 480):
        power = np.abs(np.fft.rfft(padded[start : start + 1024] * np.hanning(1024))) ** 2
        lags = np.clip(np.fft.irfft(power)[:512], 1e-100, None)
        smooth = np.convolve((lags / lags.max()) ** 2, np.hanning(8), "same")
        columns.append(scipy.signal.resample(smooth / smooth.max(), 64))
    return np.array(columns[:-1])


def test_stpacc_equals_its_slow_twin() -> None:
    rng = np.random.default_rng(1)
    dry = rng.standard_normal((2, 24_000)).astype(np.float32) * 0.1
    dry[:, 1000:] += 0.5 * dry[:, :-1000]
    found = make_batch(torch.from_numpy(dry)[None])["stpacc"]
    assert found.shape == (1, 1, 50, 64)
    assert np.abs(found[0, 0].numpy() - slow_stpacc(dry.mean(axis=0).astype(np.float64))).max() < 1e-5


def test_a_feature_is_computed_once_however_often_it_is_asked_for() -> None:
    calls = []

    def level(batch: ClipBatch) -> torch.Tensor:
        calls.append(1)
        return batch["mel_power"].sum(dim=-1)

    batch = ClipBatch(plane_wave(0.0)[None], lambda name: level if name == "level" else find_function(name))
    assert batch["level"] is batch["level"]
    assert len(calls) == 1
    assert batch["logmel"] is batch["logmel"]


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    loud, quiet = plane_wave(40.0), plane_wave(-20.0) * 1e-3
    together = stack_features(make_batch(torch.stack([loud, quiet])), NAMES)
    assert torch.allclose(together[1], stack_features(make_batch(quiet[None]), NAMES)[0], atol=1e-4)


def test_mirrored_features_are_those_of_the_swapped_channels() -> None:
    audio = torch.stack([plane_wave(40.0) + 0.02 * torch.randn(2, 24_000)])
    features = stack_features(make_batch(audio), NAMES)
    assert features.shape == (1, 5, 50, 64)
    assert torch.allclose(mirror_features(features, NAMES), stack_features(make_batch(audio.flip(1)), NAMES), atol=1e-4)


def test_an_unknown_feature_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(
        PluginError,
        match=r"there is no feature 'logmell'; did you mean 'logmel'\? Known: direct, ild, intensity, logmel, stpacc;",
    ):
        make_batch(torch.zeros(1, 2, 2400))["logmell"]


def fail(_batch: ClipBatch) -> torch.Tensor:
    raise KeyError("no")


def test_a_feature_that_fails_is_named() -> None:
    value = Feature(name="pan", api_version=2, summary="pan", compute=f"{__name__}:fail")
    batch = make_batch(torch.zeros(1, 2, 2400), registry=registry_with(value))
    with pytest.raises(PluginError, match=r"feature 'pan' failed in .*:fail \(KeyError: 'no'\)"):
        batch["pan"]


@pytest.mark.parametrize("samples", [0, 2399, 120_001])
def test_windows_are_whole_frames(samples: int) -> None:
    with pytest.raises(ValueError, match="windows must be whole frames of 2400 samples"):
        make_batch(torch.zeros(1, 2, samples))
