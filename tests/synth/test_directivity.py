"""Directive sources, tables and irregular rooms beside formulas and beside pyroomacoustics."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.core.labels import Label, LabelSet
from seldfuse.synth.render import compute_responses, render_scenes
from seldfuse.synth.rooms.bands import BANDS_HZ, build_band_filters
from seldfuse.synth.rooms.directivity import Directivity
from seldfuse.synth.rooms.shoebox import SPEED_OF_SOUND_M_S, find_absorption
from seldfuse.synth.scene import Room, ScenePlan, ScenePlanSource, SoundTake, SourcePath
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank

ONE = LabelSet("one", (Label("hiss", "Hiss"),))


def room_of(rt60_s: float = 0.3, **changes: float) -> Room:
    size_m = np.array([6.0, 5.0, 3.0])
    absorption = find_absorption(size_m, np.ones((6, len(BANDS_HZ))), np.full(len(BANDS_HZ), rt60_s))
    return Room((6.0, 5.0, 3.0), (2.4, 2.3, 1.4), 20.0, tuple(map(tuple, absorption.tolist())), **changes)  # type: ignore[arg-type]


def source_of(end_m: tuple[float, float, float] | None = None, **changes: float) -> ScenePlanSource:
    start_m = (1.2, 0.6, 0.2)
    return ScenePlanSource(
        0, (SoundTake("hiss", 0.0, 2.0),), SourcePath(start_m, end_m or start_m, 0.0, 2.0), **changes
    )  # type: ignore[arg-type]


def bank() -> SoundBank:
    samples = np.random.default_rng(0).normal(0.0, 0.05, 48_000).astype(np.float32)
    return SoundBank.from_sounds(ONE, {"hiss": BankSound(0, "hiss", samples, np.ones(20, dtype=bool))})


def band_energy(response: torch.Tensor) -> np.ndarray:
    """The energy of a row of samples in each octave."""
    spectrum = torch.fft.rfft(response.double(), 65_536)
    filters = build_band_filters(65_536, "cpu").double()
    return (filters * spectrum.abs().square()).sum(dim=1).numpy()


@pytest.mark.parametrize("facing_deg", [0.0, 60.0, -60.0, 180.0])
def test_the_direct_sound_is_that_of_the_pattern(facing_deg: float) -> None:
    """At 8 kHz (1 + cos α) / 2 with full directivity, at 125 Hz all of it."""
    plain, directed = (
        compute_responses(ScenePlan((source_of(directivity=strength, facing_deg=facing_deg),), room_of()))[0][0, 0]
        for strength in (0.0, 0.9)
    )
    x, y, z = 1.2, 0.6, 0.2
    flat = (x * x + y * y) / (x * x + y * y + z * z)  # α is turned about the vertical axis
    cosine = flat * math.cos(math.radians(facing_deg)) + 1.0 - flat
    narrow = 0.9 * np.linspace(0.0, 1.0, 7)
    expected = 20 * np.log10(1.0 - narrow / 2 * (1.0 - cosine))
    found = 10 * np.log10(band_energy(directed) / band_energy(plain))
    # An octave's filter overlaps its neighbours', which tells where the pattern falls steeply.
    assert found == pytest.approx(expected, abs=0.3 if abs(facing_deg) < 90 else 2.5)
    assert found[0] == pytest.approx(0.0, abs=0.3)


def test_the_late_room_gets_the_mean_over_all_directions() -> None:
    directivity = Directivity(torch.tensor([0.0, 0.6, 1.0]), torch.zeros(3))
    cosine = torch.linspace(-1.0, 1.0, 20_001).expand(3, -1)  # even over the sphere
    mean = directivity.compute_gains(cosine).square().mean(dim=1)
    assert torch.allclose(directivity.compute_mean_power(), mean, atol=1e-3)


def test_who_turns_away_has_less_direct_sound_in_the_same_room() -> None:
    ratios_db = []
    for facing_deg in (0.0, 180.0):
        direct, late = compute_responses(ScenePlan((source_of(directivity=1.0, facing_deg=facing_deg),), room_of()))
        ratios_db.append(10 * math.log10(direct[0, 0].square().sum() / late[0, 0].square().sum()))
    assert ratios_db[0] - ratios_db[1] > 6.0


def test_reflections_of_a_directive_source_are_those_of_pyroomacoustics() -> None:
    """Every image faces where a mirror shows it: in each room both channels correlate while orders are low."""
    pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")
    from benchmarks.sets.pra_scenes import directive_responses

    room = room_of()
    for facing_deg in (0.0, 70.0, -130.0, 180.0):
        source = source_of(directivity=1.0, facing_deg=facing_deg)
        theirs = directive_responses(room, np.array([source.path.start_m]), 12, source)[0]
        direct, reflected = compute_responses(ScenePlan((source,), room))
        ours = (direct + reflected)[0].double().numpy()
        part = slice(round(1.35 / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ) + 40, 640)
        for channel in range(2):
            pair = [lowpassed(response[channel][:4000])[part] for response in (ours, theirs)]
            assert np.corrcoef(*pair)[0, 1] > 0.9
            assert 10 * np.log10(np.square(pair[0]).sum() / np.square(pair[1]).sum()) == pytest.approx(0.0, abs=1.0)


def lowpassed(response: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(np.pad(response, (0, 4000 - len(response))))
    spectrum[len(spectrum) // 2 :] = 0
    return np.fft.irfft(spectrum, 4000)


def rendered(source: ScenePlanSource, room: Room | None = None) -> torch.Tensor:
    return render_scenes([ScenePlan((source,), room, frames=20)], bank()).audio[0].double()


def test_one_that_hardly_moves_sounds_as_one_that_stands() -> None:
    """Both ways of rendering agree about directivity and tables."""
    room = room_of(table_m=0.3, table_gain=0.8)
    still = rendered(source_of(directivity=1.0, facing_deg=90.0), room)
    moving = rendered(source_of((1.2005, 0.6, 0.2), directivity=1.0, facing_deg=90.0), room)
    spectra = [torch.fft.rfft(audio)[:, 400:12_000].flatten() for audio in (still, moving)]
    assert (spectra[0] - spectra[1]).norm() < 0.2 * spectra[0].norm()


def test_a_table_adds_the_mirrored_direct_sound() -> None:
    room, below_m = room_of(), 0.25
    plain, tabled = (rendered(source_of(), replace(room, table_m=below_m, table_gain=gain)) for gain in (0.0, 0.5))
    extra = (tabled - plain).sum(dim=0) / 2
    hiss = bank().read_sound("hiss").samples
    distance_m = math.hypot(1.2, 0.6, 2 * below_m + 0.2)
    delay = distance_m / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ
    correlation = np.correlate(extra.numpy()[:4000], hiss[:3000], "valid")
    assert abs(int(np.abs(correlation).argmax()) - delay) < 1.0
    assert float(extra[2000:40_000].std()) == pytest.approx(0.05 * 0.5 / distance_m, rel=0.05)


def test_a_table_above_a_source_reflects_nothing() -> None:
    room = room_of(table_m=0.3, table_gain=0.8)
    low = replace(source_of(), path=SourcePath((1.2, 0.6, -0.5), (1.2, 0.6, -0.5)))
    assert torch.equal(rendered(low, room), rendered(low, replace(room, table_m=0.0)))


def test_a_surface_beside_the_source_combs_its_sound() -> None:
    delay_s, gain = 0.001, 0.6
    plain, combed = (rendered(source_of(nearby_delay_s=delay_s, nearby_gain=share)) for share in (0.0, gain))
    for frequency_hz, expected in ((1000, 1.0 + gain), (1500, 1.0 - gain)):
        part = slice(2 * frequency_hz - 60, 2 * frequency_hz + 60)  # bins of half a hertz
        levels = [torch.fft.rfft(audio[0])[part].abs().square().mean().sqrt() for audio in (plain, combed)]
        assert float(levels[1] / levels[0]) == pytest.approx(expected, abs=0.1)


def test_the_band_of_a_recording_ends_where_it_says() -> None:
    plain, limited = (rendered(source_of(bandwidth_hz=hz)) for hz in (None, 7_000.0))  # type: ignore[arg-type]
    level_db = [20 * torch.log10(torch.fft.rfft(audio[0]).abs() + 1e-9) for audio in (plain, limited)]
    drop_db = level_db[0] - level_db[1]
    assert abs(drop_db[1_000:10_000].median()) < 0.1
    assert drop_db[15_000:].median() > 40.0


def test_an_irregular_room_is_another_room_that_is_as_loud() -> None:
    perfect, irregular = (
        compute_responses(ScenePlan((source_of(),), room_of(irregularity=amount, irregularity_start=77)))
        for amount in (0.0, 1.0)
    )
    assert torch.equal(perfect[0], irregular[0])
    early = [response[1][0, 0, :2_400].double().numpy() for response in (perfect, irregular)]
    assert abs(np.corrcoef(*early)[0, 1]) < 0.5
    assert 10 * math.log10(np.square(early[1]).sum() / np.square(early[0]).sum()) == pytest.approx(0.0, abs=2.5)


def test_the_late_room_can_be_wider_or_narrower_than_a_diffuse_field() -> None:
    _, plain = compute_responses(ScenePlan((source_of(),), room_of(0.8)))
    _, wide = compute_responses(ScenePlan((source_of(),), room_of(0.8, late_side_db=3.0)))
    late = slice(4_800, 9_600)
    assert torch.equal(plain[0, 0], wide[0, 0])
    assert float(wide[0, 1, late].norm() / plain[0, 1, late].norm()) == pytest.approx(10 ** (3 / 20), rel=1e-4)
