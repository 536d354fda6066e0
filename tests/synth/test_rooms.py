"""Shoebox rooms beside pyroomacoustics, an independent implementation, and beside theory."""

import math

import numpy as np
import pytest
import torch

from benchmarks.sets.pra_scenes import responses
from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.synth.rooms.bands import BANDS_HZ, build_band_filters
from seldfuse.synth.rooms.shoebox import SPEED_OF_SOUND_M_S, ShoeboxRooms, find_absorption
from seldfuse.synth.rooms.standing import RESPONSE_SAMPLES, compute_direct, compute_late, compute_reflections
from seldfuse.synth.scene import Room


def draw_room(rng: np.random.Generator) -> tuple[Room, np.ndarray, float]:
    """A room, a place in it in the view's axes, and the reverberation time it was made for."""
    size_m = np.array([rng.uniform(3, 9), rng.uniform(3, 7), rng.uniform(2.4, 4)])
    rt60_s = rng.uniform(0.15, 0.4)
    octave = np.linspace(-1, 1, len(BANDS_HZ))
    pattern = np.exp(rng.normal(0, 0.6, (6, 1)) + rng.normal(0, 0.25, (6, 1)) * octave)
    absorption = find_absorption(size_m, pattern, np.full(len(BANDS_HZ), rt60_s))
    room = make_room(size_m, size_m * rng.uniform(0.3, 0.7, 3), rng.uniform(0, 360), absorption)
    while True:
        azimuth, distance_m = rng.uniform(-math.pi, math.pi), rng.uniform(0.6, 4)
        view_m = np.array([distance_m * math.cos(azimuth), distance_m * math.sin(azimuth), rng.uniform(-0.5, 0.5)])
        place_m = room.locate(view_m)
        if (place_m > 0.2).all() and (place_m < size_m - 0.2).all():
            return room, view_m, rt60_s


def make_room(size_m: np.ndarray, microphone_m: np.ndarray, yaw_deg: float, absorption: np.ndarray) -> Room:
    size, microphone = (tuple(map(float, place)) for place in (size_m, microphone_m))
    return Room(size, microphone, float(yaw_deg), tuple(tuple(map(float, wall)) for wall in absorption))  # type: ignore[arg-type]


def reference(room: Room, view_m: np.ndarray, order: int) -> np.ndarray:
    """What pyroomacoustics says W and Y' hear, `(2, sample)`."""
    (pair,) = responses(room, view_m[None], order)
    return np.pad(pair, ((0, 0), (0, RESPONSE_SAMPLES)))[:, :RESPONSE_SAMPLES]


def response(room: Room, view_m: np.ndarray, start: int = 0) -> np.ndarray:
    """What `seldfuse` says W and Y' hear, `(2, sample)`."""
    rooms, of = ShoeboxRooms.from_scenes([room]), torch.zeros(1, dtype=torch.long)
    place_m = torch.tensor(view_m, dtype=torch.float32)[None]
    return (
        (compute_direct(place_m) + compute_reflections(rooms, of, place_m) + compute_late(rooms, of, [start]))[0]
        .double()
        .numpy()
    )


def left_db(response: np.ndarray) -> np.ndarray:
    """Energy that is still to come, dB below all of it (Schroeder's backward integration)."""
    left = np.cumsum(np.square(response)[::-1])[::-1]
    return 10 * np.log10(left / left[0] + 1e-12)


def rt60_of(response: np.ndarray) -> float:
    level_db = left_db(response)
    return 3.0 * ((level_db > -25).sum() - (level_db > -5).sum()) / SAMPLE_RATE_HZ


def direct_to_reverberant_db(response: np.ndarray, distance_m: float) -> float:
    end = round(distance_m / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ) + 36
    return 10 * math.log10(np.square(response[:end]).sum() / np.square(response[end:]).sum())


@pytest.fixture(scope="module")
def fifty() -> list[tuple[Room, np.ndarray, float, np.ndarray, np.ndarray]]:
    """Fifty random rooms: the room, the place, the wanted reverberation time, our response, the reference's."""
    rng = np.random.default_rng(1)
    found = []
    for number in range(50):
        room, view_m, rt60_s = draw_room(rng)
        order = 22 if rt60_s < 0.25 else 30
        found.append((room, view_m, rt60_s, response(room, view_m, 20_011 * number), reference(room, view_m, order)))
    return found


def test_the_direct_sound_is_that_of_pyroomacoustics() -> None:
    """Absorbing walls leave the direct sound alone; the pulses of both differ by their windows only."""
    for view_m in np.random.default_rng(0).uniform(-1.2, 1.2, (20, 3)) * [1, 1, 0.3] + [0.7, 0, 0]:
        room = make_room(np.array([6, 5, 3.0]), np.array([2.6, 2.4, 1.4]), 25.0, np.ones((6, len(BANDS_HZ))))
        ours = compute_direct(torch.tensor(view_m, dtype=torch.float32)[None])[0].double().numpy()
        theirs = reference(room, view_m, 0)
        distance_m = np.linalg.norm(view_m)
        bins_per_hz = RESPONSE_SAMPLES / SAMPLE_RATE_HZ
        band = slice(int(200 * bins_per_hz), int(9_000 * bins_per_hz))  # the reference has a high-pass filter
        for channel, weight in enumerate((1.0, view_m[1] / distance_m)):
            spectrum, expected = (np.fft.rfft(x[channel])[band] for x in (ours, theirs))
            assert np.abs(spectrum - expected).max() < 0.025 / distance_m
            assert np.abs(spectrum).mean() == pytest.approx(abs(weight) / distance_m, rel=0.01, abs=1e-4)


def test_early_reflections_are_those_of_pyroomacoustics(fifty: list) -> None:
    """While all images are of an order that both place, both channels correlate in each room."""
    for room, view_m, _, ours, theirs in fifty:
        first = round(np.linalg.norm(view_m) / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ)
        end = int(3.0 * min(room.size_m) / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ)
        part = slice(first + 40, max(end, first + 200))
        for channel in range(2):
            ours_part, theirs_part = lowpassed(ours[channel])[part], lowpassed(theirs[channel])[part]
            assert np.corrcoef(ours_part, theirs_part)[0, 1] > 0.9


def lowpassed(response: np.ndarray) -> np.ndarray:
    """Below 6 kHz, where four taps delay a pulse well enough."""
    spectrum = np.fft.rfft(response)
    spectrum[int(len(spectrum) / 2) :] = 0
    return np.fft.irfft(spectrum, len(response))


def test_the_energy_decays_as_in_pyroomacoustics(fifty: list) -> None:
    differences_db = []
    for _, _, rt60_s, ours, theirs in fifty:
        times_s = np.array([0.05, 0.125, 0.25]) * rt60_s  # to about −15 dB
        at = (times_s * SAMPLE_RATE_HZ).astype(int)
        differences_db.append(left_db(ours[0])[at] - left_db(theirs[0])[at])
    assert np.abs(np.median(differences_db, axis=0)).max() < 0.5
    assert np.quantile(np.abs(differences_db), 0.9, axis=0).max() < 1.5


def test_direct_to_reverberant_ratios_are_those_of_pyroomacoustics(fifty: list) -> None:
    differences_db = [
        direct_to_reverberant_db(lowpassed(ours[0]), distance_m)
        - direct_to_reverberant_db(lowpassed(theirs[0]), distance_m)
        for _, view_m, _, ours, theirs in fifty
        for distance_m in [float(np.linalg.norm(view_m))]
    ]
    assert abs(np.median(differences_db)) < 0.5
    assert np.abs(differences_db).max() < 1.5


def test_reverberation_times_are_those_of_pyroomacoustics(fifty: list) -> None:
    ratios = [rt60_of(ours[0]) / rt60_of(theirs[0]) for _, _, _, ours, theirs in fifty]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.04)
    assert np.quantile(np.abs(np.log(ratios)), 0.9) < 0.15


def test_reverberation_times_are_those_that_were_asked_for(fifty: list) -> None:
    """Octave by octave between −5 and −35 dB; the order in which images come in leaves some chance to each room."""
    found = [np.median([decay_of(band) for band in octave_bands(ours[0])]) / rt60_s for _, _, rt60_s, ours, _ in fifty]
    assert np.median(found) == pytest.approx(1.0, abs=0.05)
    assert np.quantile(np.abs(np.log(found)), 0.9) < 0.2


def octave_bands(response: np.ndarray) -> np.ndarray:
    return np.fft.irfft(np.fft.rfft(response) * build_band_filters(len(response), "cpu").numpy(), len(response))


def decay_of(response: np.ndarray) -> float:
    level_db = left_db(response)
    return 2.0 * float((level_db > -35).sum() - (level_db > -5).sum()) / SAMPLE_RATE_HZ


def test_the_late_room_correlates_left_and_right_by_one_half(fifty: list) -> None:
    rooms = ShoeboxRooms.from_scenes([room for room, *_ in fifty])
    mid, side = compute_late(rooms, torch.arange(50), [7_919 * number for number in range(50)]).unbind(1)
    left, right = mid + side, mid - side
    correlation = (left * right).sum(dim=1) / (left.norm(dim=1) * right.norm(dim=1))
    assert correlation.mean().item() == pytest.approx(0.5, abs=0.03)


def test_the_direct_to_reverberant_ratio_falls_by_six_decibels_with_each_doubling_of_the_distance() -> None:
    """The direct sound falls with 1 / distance, the late room is the same everywhere."""
    absorption = find_absorption(np.array([9, 8, 4.0]), np.ones((6, 7)), np.full(7, 0.5))
    room = make_room(np.array([9, 8, 4.0]), np.array([2, 4.1, 1.7]), 0.0, absorption)
    ratios_db = []
    for distance_m in (0.75, 1.5, 3.0):
        energy = np.square(response(room, np.array([distance_m, 0.3, 0.0]))[0])
        at = round(math.hypot(distance_m, 0.3) / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ) + 36
        ratios_db.append(10 * math.log10(energy[:at].sum() / energy[at:].sum()))
    assert -np.diff(ratios_db) == pytest.approx([6.0, 6.0], abs=1.5)


def test_turning_the_view_turns_what_the_side_channel_hears() -> None:
    absorption = np.full((6, 7), 0.4)
    size_m, microphone_m = np.array([6, 5, 3.0]), np.array([2.5, 2.5, 1.5])
    ahead = response(make_room(size_m, microphone_m, 0.0, absorption), np.array([1.0, 1.0, 0.0]))
    turned = response(make_room(size_m, microphone_m, 45.0, absorption), np.array([math.sqrt(2), 0.0, 0.0]))
    early_end = 1000
    assert np.allclose(ahead[0, :early_end], turned[0, :early_end], atol=1e-4)
    first = round(math.sqrt(2) / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ)
    assert abs(turned[1, first]) < 0.02 * abs(ahead[1, first])


def test_band_filters_add_up_to_one() -> None:
    assert torch.allclose(build_band_filters(4096, "cpu").sum(dim=0), torch.ones(2049), atol=1e-6)


def test_a_room_of_a_wanted_decay_absorbs_between_nothing_and_all() -> None:
    rng = np.random.default_rng(5)
    for rt60_s in (0.15, 0.4, 1.2):
        absorption = find_absorption(rng.uniform(2.5, 9, 3), rng.uniform(0.3, 3, (6, 7)), np.full(7, rt60_s))
        assert (absorption > 0).all()
        assert (absorption < 1).all()
