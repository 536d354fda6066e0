"""Sources that move: they sound like those that stand where they pass, and they do not click."""

import math

import numpy as np
import pytest
import scipy.fft
import torch

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.synth.rooms.moving import HOP, StraightPaths, render_direct, render_reflections
from seldfuse.synth.rooms.shoebox import SPEED_OF_SOUND_M_S, ShoeboxRooms, find_absorption
from seldfuse.synth.rooms.standing import RESPONSE_SAMPLES, compute_direct, compute_reflections
from seldfuse.synth.scene import Room

SAMPLES = 20 * HOP
SIZE_M = (6.0, 5.0, 3.0)


@pytest.fixture(scope="module")
def rooms() -> ShoeboxRooms:
    absorption = find_absorption(np.array(SIZE_M), np.ones((6, 7)), np.full(7, 0.5))
    walls = tuple(tuple(map(float, wall)) for wall in absorption)
    return ShoeboxRooms.from_scenes([Room(SIZE_M, (2.5, 2.4, 1.4), 30.0, walls)])


def walk(start_m: tuple[float, ...], end_m: tuple[float, ...], end_s: float = 2.0) -> StraightPaths:
    places = (torch.tensor([place_m], dtype=torch.float32) for place_m in (start_m, end_m))
    return StraightPaths(*places, torch.zeros(1), torch.tensor([end_s]))


def smooth_noise(seed: int = 0, highest_hz: float = 5_000.0) -> torch.Tensor:
    spectrum = torch.fft.rfft(torch.randn(SAMPLES, generator=torch.Generator().manual_seed(seed)))
    spectrum[int(highest_hz / SAMPLE_RATE_HZ * SAMPLES) :] = 0
    return torch.fft.irfft(spectrum, SAMPLES)[None]


def heard_direct(dry: torch.Tensor, walks: StraightPaths) -> torch.Tensor:
    fft_samples = scipy.fft.next_fast_len(SAMPLES + RESPONSE_SAMPLES, real=True)
    return render_direct(dry, torch.fft.rfft(dry, fft_samples), fft_samples, walks)[0]


def convolved(dry: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
    size = SAMPLES + RESPONSE_SAMPLES
    return torch.fft.irfft(torch.fft.rfft(dry, size) * torch.fft.rfft(response, size), size)[..., :SAMPLES]


def test_who_walks_nowhere_sounds_as_who_stands(rooms: ShoeboxRooms) -> None:
    place_m, dry = (1.2, 0.7, 0.1), smooth_noise()
    view_m, of = torch.tensor([place_m]), torch.zeros(1, dtype=torch.long)
    found = heard_direct(dry, walk(place_m, place_m))
    expected = convolved(dry, compute_direct(view_m)[0])
    assert (found - expected)[:, HOP:].norm() < 0.01 * expected.norm()
    found = render_reflections(dry, rooms, of, walk(place_m, place_m))[0]
    expected = convolved(dry, compute_reflections(rooms, of, view_m)[0])
    assert (found - expected).norm() < 0.02 * expected.norm()


def test_a_walk_passes_through_what_is_heard_at_its_places() -> None:
    """Level and side of the direct sound at the quarters of the way are those of standing there."""
    start_m, end_m = np.array([1.5, 1.5, 0.0]), np.array([1.5, -1.5, 0.0])
    found = heard_direct(smooth_noise(), walk(tuple(start_m), tuple(end_m)))
    for way in (0.25, 0.5, 0.75):
        at = int(way * SAMPLES)
        omni, side = found[:, at - 400 : at + 400].double()
        azimuth_deg = math.degrees(math.asin(float((omni * side).sum() / omni.square().sum())))
        place_m = start_m + way * (end_m - start_m)
        assert azimuth_deg == pytest.approx(math.degrees(math.atan2(place_m[1], place_m[0])), abs=1.0)


def test_a_tone_that_comes_nearer_rises() -> None:
    """3 m/s towards the microphone raise the pitch by 3 / 343."""
    time_s = torch.arange(SAMPLES) / SAMPLE_RATE_HZ
    found = heard_direct(torch.sin(2 * math.pi * 1000 * time_s)[None], walk((7.0, 0.0, 0.0), (1.0, 0.0, 0.0)))[0]
    part = found[SAMPLES // 4 : -HOP].double().numpy()
    crossings = np.nonzero((part[:-1] < 0) & (part[1:] >= 0))[0]
    tone_hz = SAMPLE_RATE_HZ * (len(crossings) - 1) / (crossings[-1] - crossings[0])
    assert tone_hz == pytest.approx(1000 * (1 + 3 / SPEED_OF_SOUND_M_S), abs=0.5)


def test_moving_does_not_click(rooms: ShoeboxRooms) -> None:
    """Of a 500 Hz tone nothing gets above 3 kHz: a jump of the waveform would."""
    time_s = torch.arange(SAMPLES) / SAMPLE_RATE_HZ
    tone = torch.sin(2 * math.pi * 500 * time_s) * torch.hann_window(SAMPLES)
    walks = walk((1.2, 1.0, 0.0), (1.0, -1.2, 0.0))
    of = torch.zeros(1, dtype=torch.long)
    for found in (heard_direct(tone[None], walks), render_reflections(tone[None], rooms, of, walks)[0]):
        spectrum = torch.fft.rfft(found * torch.hann_window(SAMPLES)).abs().square()
        high = int(3_000 / SAMPLE_RATE_HZ * SAMPLES)
        assert spectrum[:, high:].sum() < 1e-7 * spectrum.sum()


def test_silent_stretches_cost_nothing_and_stay_silent(rooms: ShoeboxRooms) -> None:
    dry = smooth_noise()
    dry[:, 4 * HOP :] = 0
    walks = walk((1.2, 1.0, 0.0), (1.0, -1.2, 0.0))
    assert heard_direct(dry, walks)[:, 6 * HOP :].abs().max() < 1e-3
    assert render_reflections(dry, rooms, torch.zeros(1, dtype=torch.long), walks)[0, :, 7 * HOP :].abs().max() < 1e-6


def test_a_walk_without_a_sound_is_silent(rooms: ShoeboxRooms) -> None:
    silence = torch.zeros(1, SAMPLES)
    walks = walk((1.2, 1.0, 0.0), (1.0, -1.2, 0.0))
    assert heard_direct(silence, walks).abs().max() == 0
    assert render_reflections(silence, rooms, torch.zeros(1, dtype=torch.long), walks).abs().max() == 0
