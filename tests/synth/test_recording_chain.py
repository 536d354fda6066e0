"""Cheap equipment: gain, clipping, band limits, and a codec that must do what the real one does."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from seldfuse.features.load import make_batch
from seldfuse.features.spectrum import _mel_filters
from seldfuse.synth import recording_chain
from seldfuse.synth.codec import HOP, RATES, apply_codec, inverse_mdct, mdct
from seldfuse.synth.recording_chain import apply_chain, compute_agc, encode_aac
from seldfuse.synth.scene import RecordingChain
from seldfuse.synth.sounds.soundbank import read_sound

SAMPLES = 3 * 24_000


def noise(seed: int = 0, rows: int = 1, level: float = 0.1, samples: int = SAMPLES) -> torch.Tensor:
    return level * torch.randn(rows, 2, samples, generator=torch.Generator().manual_seed(seed))


def from_azimuth(sound: np.ndarray, azimuth_deg: float) -> np.ndarray:
    sine = np.sin(np.radians(azimuth_deg))
    return np.stack([sound * (1 + sine), sound * (1 - sine)]).astype(np.float32)


def level_difference_db(audio: np.ndarray) -> float:
    left, right = np.square(audio).sum(axis=1)
    return float(10 * np.log10(left / right))


def test_without_wear_nothing_changes() -> None:
    audio = noise(rows=2)
    assert torch.equal(apply_chain(audio, [RecordingChain(), RecordingChain()]), audio)


def test_gain_comes_before_clipping_and_leaves_the_input_alone() -> None:
    audio = torch.tensor([[[0.1, -0.6], [0.5, 0.0]]])
    assert apply_chain(audio, [RecordingChain(gain_db=6.0206)]).tolist() == [
        [[pytest.approx(0.2), -1.0], [pytest.approx(1.0), 0.0]]
    ]
    assert audio.tolist() == [[[pytest.approx(0.1), pytest.approx(-0.6)], [0.5, 0.0]]]


def test_clipping_comes_before_the_band_limit_which_rounds_it_off() -> None:
    time_s = torch.arange(24_000) / 24_000
    tone = torch.sin(2 * torch.pi * 1000 * time_s).expand(1, 2, -1)
    audio = apply_chain(tone, [RecordingChain(gain_db=30.0, lowpass_hz=1000.0)])
    power = torch.fft.rfft(audio[0, 0]).abs().square()
    # A square wave's third harmonic, −9.5 dB, and what the limit takes at 3 kHz more than at 1 kHz.
    assert 10 * torch.log10(power[3000] / power[1000]).item() == pytest.approx(-9.5 - 38.2 + 3.0, abs=0.3)


def test_what_overshoots_after_a_band_limit_is_clipped() -> None:
    time_s = torch.arange(24_000) / 24_000
    tone = torch.sin(2 * torch.pi * 1000 * time_s).expand(1, 2, -1)
    assert apply_chain(tone, [RecordingChain(gain_db=30.0, lowpass_hz=2000.0)]).abs().max() == 1.0


@pytest.mark.parametrize(
    ("chain", "gains_db"),
    [
        (RecordingChain(lowpass_hz=4000.0), {500: 0.0, 4000: -3.0, 8000: -24.1}),
        (RecordingChain(highpass_hz=200.0), {100: -24.1, 200: -3.0, 2000: 0.0}),
        (RecordingChain(highpass_hz=200.0, lowpass_hz=4000.0), {100: -24.1, 1000: 0.0, 8000: -24.1}),
    ],
)
def test_band_limits_fall_by_24_db_an_octave(chain: RecordingChain, gains_db: dict[int, float]) -> None:
    time_s = torch.arange(SAMPLES) / 24_000
    tones = sum(0.1 * torch.sin(2 * torch.pi * hz * time_s) for hz in gains_db)
    audio = apply_chain(tones.expand(1, 2, -1), [chain])
    power = torch.fft.rfft(audio[0, 1] * torch.hann_window(SAMPLES)).abs().square()
    reference = torch.fft.rfft(tones * torch.hann_window(SAMPLES)).abs().square()
    for hz, gain_db in gains_db.items():
        at = hz * SAMPLES // 24_000
        assert 10 * torch.log10(power[at] / reference[at]).item() == pytest.approx(gain_db, abs=0.1)


CHAINS = [
    RecordingChain(),
    RecordingChain(-3.0, lowpass_hz=5000.0),
    RecordingChain(3.0, codec_kbps=32),
    RecordingChain(-6.0, 80.0, 9000.0, 64),
    RecordingChain(-6.5, codec_kbps=64),
]


def test_a_scene_does_not_depend_on_the_others_of_its_batch() -> None:
    audio = noise(rows=len(CHAINS))
    together = apply_chain(audio, CHAINS)
    for row, chain in enumerate(CHAINS):
        assert torch.allclose(together[row], apply_chain(audio[row : row + 1], [chain])[0], atol=1e-6)


def test_chance_in_the_codec_follows_from_the_chain_alone() -> None:
    audio = noise().expand(3, -1, -1)
    one, same, other = apply_chain(
        audio,
        [RecordingChain(0.0, codec_kbps=48), RecordingChain(0.0, codec_kbps=48), RecordingChain(1e-6, codec_kbps=48)],
    )
    assert torch.equal(one, same)
    assert (one - other).square().mean() > 0.1 * one.square().mean()


def test_the_same_chain_has_had_the_same_chance_since_the_first_version(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(recording_chain, "apply_codec", lambda audio, _kbps, starts: (asked.extend(starts), audio)[1])
    apply_chain(noise(rows=2), [RecordingChain(codec_kbps=64), RecordingChain(1.5, None, 9000.0, 48)])
    assert asked == [769789905, 2088263805]


def test_the_left_microphone_can_be_more_sensitive() -> None:
    left, right = apply_chain(noise(), [RecordingChain(gain_db=-3.0, mismatch_db=0.8)])[0] / noise()[0]
    assert 20 * torch.log10(left.median()).item() == pytest.approx(-2.6, abs=1e-3)
    assert 20 * torch.log10(right.median()).item() == pytest.approx(-3.4, abs=1e-3)


def levels_db(audio: torch.Tensor) -> torch.Tensor:
    """Of every 100 ms of a pair."""
    return 10 * torch.log10(audio.reshape(2, -1, 2_400).square().mean(dim=(0, 2)))


def test_automatic_gain_brings_scenes_to_a_level_and_keeps_left_to_right() -> None:
    soft = noise(level=0.01)
    soft[:, 1] *= 0.5
    audio = apply_chain(soft, [RecordingChain(agc_db=-26.0)])[0]
    assert levels_db(audio)[5:].median().item() == pytest.approx(-26.0, abs=1.0)
    assert level_difference_db(audio.numpy()) == pytest.approx(level_difference_db(soft[0].numpy()), abs=0.01)
    # 20 dB is the most that it does.
    faint = apply_chain(noise(level=1e-4), [RecordingChain(agc_db=-26.0)])[0]
    assert levels_db(faint).median().item() == pytest.approx(-60.0, abs=0.5)


def test_automatic_gain_falls_at_once_and_rises_by_10_db_in_its_time() -> None:
    audio = noise(level=0.01)
    audio[..., 24_000:26_400] *= 10.0  # 20 dB louder for 100 ms
    gain_db = 20 * torch.log10(compute_agc(audio[0], -30.0, release_s=0.5))
    before, during = gain_db[20_000], gain_db[25_800]
    assert (before - during).item() == pytest.approx(20.0, abs=1.0)
    assert (gain_db[26_400 + 12_000] - during).item() == pytest.approx(10.0, abs=1.0)


def test_a_limiter_holds_peaks_and_leaves_the_rest_alone() -> None:
    audio = noise(level=0.02)
    audio[..., 36_000] = 0.9
    out = apply_chain(audio, [RecordingChain(limiter_db=-12.0)])[0]
    assert out.abs().max().item() <= 10 ** (-12 / 20) * 1.001
    assert torch.equal(out[:, :30_000], audio[0, :, :30_000])
    assert torch.equal(out[:, -10_000:], audio[0, :, -10_000:])


def test_an_unknown_bit_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="expected bit rates of 32, 48, 64, 96, 128, 192 kb/s, got 80"):
        apply_chain(noise(), [RecordingChain(codec_kbps=80)])


@pytest.mark.parametrize("kbps", list(RATES))
def test_silence_and_full_scale_pass_the_codec(kbps: int) -> None:
    audio = torch.zeros(2, 2, 24_000)
    audio[1] = noise(level=3.0, samples=24_000)[0].clamp(-1, 1)
    out = apply_chain(audio, [RecordingChain(codec_kbps=kbps)] * 2)
    assert out[0].abs().max() == 0
    assert out[1].abs().max() == 1
    assert out.isfinite().all()


def test_the_fast_transform_is_the_one_in_the_book() -> None:
    """X[k] = √(2/N) Σ w[n] x[n] cos(π/N (n + ½ + N/2) (k + ½)), written out."""
    samples = torch.randn(5000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    n, k = torch.arange(2 * HOP, dtype=torch.float64), torch.arange(HOP, dtype=torch.float64).unsqueeze(1)
    book = (2 / HOP) ** 0.5 * torch.cos(torch.pi / HOP * (n + 0.5 + HOP / 2) * (k + 0.5))
    book = book * torch.sin(torch.pi * (n + 0.5) / (2 * HOP))
    lines = mdct(samples.float())
    assert lines.shape == (6, HOP)
    padded = torch.nn.functional.pad(samples, (HOP, 6 * HOP - 5000))
    for frame in range(6):
        piece = padded[frame * HOP : (frame + 2) * HOP]
        assert torch.allclose(lines[frame].double(), book @ piece, atol=2e-5)


@pytest.mark.parametrize("count", [1, 1023, 1024, 5000])
def test_the_transform_can_be_undone(count: int) -> None:
    samples = torch.randn(3, count, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(inverse_mdct(mdct(samples), count), samples, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 1000, 1024, 30_001])
def test_real_aac_comes_back_in_time_and_length(samples: int) -> None:
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal((2, samples))).astype(np.float32)
    got = encode_aac(audio, 192)
    assert got.shape == audio.shape
    assert got.dtype == np.float32
    if samples > HOP:
        lags = [
            float(np.sum(audio[:, 2000:-2000] * got[:, 2000 + lag : len(got[0]) - 2000 + lag])) for lag in (-1, 0, 1)
        ]
        assert lags[1] > 0.95 * np.sum(np.square(audio[:, 2000:-2000]))
        assert max(abs(lags[0]), abs(lags[2])) < 0.1 * lags[1]


@pytest.mark.parametrize(("kbps", "differences_db"), [(32, (1.1, 4.3)), (64, (2.0, 5.2)), (192, (2.9, 6.0))])
def test_noise_moves_to_the_middle_as_in_real_aac(kbps: int, differences_db: tuple[float, float]) -> None:
    """White noise from 10° and 20° goes in with 3.05 and 6.19 dB; from 30° nothing moves."""
    white = 0.05 * np.random.default_rng(5).standard_normal(SAMPLES)
    for azimuth_deg, expected_db in zip((10, 20, 30), (*differences_db, 9.54), strict=True):
        audio = from_azimuth(white, azimuth_deg)
        real_db = level_difference_db(encode_aac(audio, kbps))
        rough_db = level_difference_db(apply_codec(torch.from_numpy(audio).unsqueeze(0), [kbps], [0])[0].numpy())
        assert real_db == pytest.approx(expected_db, abs=0.5)
        assert rough_db == pytest.approx(real_db, abs=0.8)


@pytest.mark.parametrize("kbps", [32, 48])
def test_above_the_cutoff_nothing_is_left_by_either(kbps: int) -> None:
    audio = noise()
    for out in (apply_codec(audio, [kbps], [0])[0].numpy(), encode_aac(audio[0].numpy(), kbps)):
        power = np.square(np.abs(np.fft.rfft(out[0])))
        frequency_hz = np.fft.rfftfreq(SAMPLES, 1 / 24_000)
        below = power[frequency_hz < RATES[kbps].cutoff_hz - 200].mean()
        assert power[frequency_hz > RATES[kbps].cutoff_hz + 400].mean() < 1e-3 * below


# None of these was fitted to.
HELD_OUT = (
    "00_female_speech/cmu_an4_fwxs_181.ogg",
    "03_telephone/linphone_oldphone-mono-wav_012.ogg",
    "06_footsteps/presence_footsteps_wood_066.ogg",
    "08_music/lomiri_Wooden-Drive-ogg_029.ogg",
    "10_water_tap/kitchen20-water-flowing_fs85109_037.ogg",
    "12_knock/sharwin24_sharwin-small_042.ogg",
)
AZIMUTHS_DEG = (-65, -40, -15, 10, 30, 55)
RANGES_HZ = ((0, 1000), (1000, 2000), (2000, 4000), (4000, 8000), (8000, 12_000))


@cache
def held_out(bank: Path) -> np.ndarray:
    """Six sounds, each from its azimuth, in diffuse noise 20 dB below."""
    rng = np.random.default_rng(0)
    scenes = []
    for name, azimuth_deg in zip(HELD_OUT, AZIMUTHS_DEG, strict=True):
        sound = np.resize(read_sound(0, "", bank / name).samples, SAMPLES)
        around = 0.005 * rng.standard_normal((2, SAMPLES)) * np.array([[1.0], [3**-0.5]])
        scenes.append(from_azimuth(sound, azimuth_deg) + np.stack([around[0] + around[1], around[0] - around[1]]))
    return np.clip(scenes, -1, 1).astype(np.float32)


def mel_db(audio: np.ndarray) -> np.ndarray:
    return 10 * np.log10(make_batch(torch.from_numpy(audio))["mel_power"].numpy() + 1e-10)


def compared(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Per range of frequencies: slope of the level difference on the one before, scatter around it, change of level.

    Over the cells of the mel spectrogram that lie within 50 dB of the loudest.
    """
    one, two = mel_db(before), mel_db(after)
    centre_hz = _mel_filters().argmax(dim=0).numpy() * 12_000 / 512
    level = one.max(axis=1)
    loud = level > level.max(axis=(1, 2), keepdims=True) - 50
    rows = []
    for low_hz, high_hz in RANGES_HZ:
        cells = loud & (centre_hz >= low_hz) & (centre_hz < high_hz)
        x, y = (one[:, 0] - one[:, 1])[cells], (two[:, 0] - two[:, 1])[cells]
        slope = (x @ y) / (x @ x)
        rows.append((slope, np.sqrt(np.mean((y - slope * x) ** 2)), np.median((two.max(axis=1) - level)[cells])))
    return np.array(rows)


@pytest.mark.shared
@pytest.mark.parametrize("kbps", list(RATES))
def test_on_sounds_it_does_what_real_aac_does(shared: Path, kbps: int) -> None:
    scenes = held_out(shared / "data" / "soundbank")
    real = compared(scenes, np.stack([encode_aac(scene, kbps) for scene in scenes]))
    rough = compared(scenes, apply_codec(torch.from_numpy(scenes), [kbps] * 6, range(0, 600, 100)).numpy())
    whole = [high_hz <= RATES[kbps].cutoff_hz for _, high_hz in RANGES_HZ]
    assert np.abs(rough - real)[whole, 0].max() < 0.06
    assert np.abs(np.log(rough[whole, 1] / real[whole, 1])).max() < np.log(1.5)
    assert np.abs(rough - real)[whole, 2].max() < 1.0
