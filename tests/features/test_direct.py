"""The direct path as physics has it: plane waves, diffuse fields, and a sound with its echo from elsewhere."""

import math

import pytest
import torch
from torch import Tensor

from seldfuse.features.load import make_batch

SAMPLES = 96_000
SHORT, LONG, ONSETS = range(3)


def noise(seed: int, samples: int = SAMPLES) -> Tensor:
    return 0.05 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def pair(mid: Tensor, side: Tensor) -> Tensor:
    return torch.stack([mid + side, mid - side])


def plane_wave(source: Tensor, azimuth_deg: float) -> Tensor:
    return pair(source, source * math.sin(math.radians(azimuth_deg)))


def diffuse_field(level: float = 1.0) -> Tensor:
    return level * pair(noise(1), noise(2) / math.sqrt(3.0))


def compute(audio: Tensor) -> tuple[Tensor, Tensor]:
    """sin θ and share of one clip: (average, time, mel)."""
    sine, share = make_batch(audio[None])["direct"][0].chunk(2)
    return sine, share


@pytest.mark.parametrize("azimuth_deg", [-90.0, -50.0, 0.0, 20.0, 80.0])
def test_one_plane_wave_is_all_direct_and_comes_from_where_it_does(azimuth_deg: float) -> None:
    sine, share = compute(plane_wave(noise(0), azimuth_deg))
    assert share.min().item() > 0.99
    assert sine.median().item() == pytest.approx(math.sin(math.radians(azimuth_deg)), abs=0.03)
    assert (sine - sine.median()).abs().max().item() < 0.03


def test_a_diffuse_field_has_no_direct_path_in_the_long_run() -> None:
    sine, share = compute(diffuse_field())
    assert share[LONG, :, 20:].mean().item() < 0.2
    assert sine[LONG, :, 20:].mean().abs().item() < 0.1
    correlation = torch.corrcoef(diffuse_field())[0, 1]
    assert correlation.item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("azimuth_deg", [-60.0, 0.0, 40.0])
@pytest.mark.parametrize("level", [0.5, 1.0])
def test_a_diffuse_field_takes_from_the_share_but_not_from_the_direction(azimuth_deg: float, level: float) -> None:
    audio = plane_wave(noise(0), azimuth_deg) + diffuse_field(level)
    sine, share = compute(audio)
    side = math.sin(math.radians(azimuth_deg))
    assert share[LONG, :, 20:].mean().item() == pytest.approx(1.0 / (1.0 + level**2), abs=0.08)
    assert sine[LONG, :, 20:].mean().item() == pytest.approx(side, abs=0.05)
    pulled = side / (1.0 + level**2)
    left, right = audio
    law = ((left - right) * (left + right)).sum() / (left + right).square().sum()
    assert law.item() == pytest.approx(pulled, abs=0.02)


def test_onsets_point_to_the_source_where_an_echo_pulls_the_average_away() -> None:
    source = noise(0) * (torch.arange(SAMPLES) % 12_000 < 1_200)
    echo = source.roll(1_200)
    sine, _ = compute(plane_wave(source, 50.0) + plane_wave(echo, -40.0))
    truth = math.sin(math.radians(50.0))
    middle = sine[:, 50:150, 20:].mean(dim=(1, 2))
    assert middle[ONSETS].item() == pytest.approx(truth, abs=0.12)
    assert middle[LONG].item() < 0.5


def test_silence_has_no_direct_path_and_no_direction() -> None:
    assert make_batch(torch.zeros(1, 2, SAMPLES))["direct"].abs().max().item() == 0.0


def test_the_share_does_not_depend_on_the_level() -> None:
    audio = torch.stack([plane_wave(noise(0), 30.0) + diffuse_field()])
    loud, soft = (make_batch(gain * audio)["direct"] for gain in (1.0, 0.05))
    assert torch.allclose(loud, soft, atol=2e-3)
