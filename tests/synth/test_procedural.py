"""Sounds made from a seed: what they are made of, and the banks they fill."""

import pickle

import numpy as np
import pytest

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.errors import UsageError
from seldfuse.synth.sounds.procedural import MODELS, PEAK, _modes, add_procedural, build_procedural_bank, synthesize
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank

BELL, KNOCK, LAUGHTER = (DCASE2025.index(name) for name in ("bell", "knock", "laughter"))
SEEDS = range(5)


def envelope(samples: np.ndarray, window_s: float) -> np.ndarray:
    """Level of consecutive windows, the loudest at 1."""
    window = round(window_s * SAMPLE_RATE_HZ)
    level = np.sqrt(np.square(samples[: samples.size // window * window].reshape(-1, window)).mean(axis=1))
    return np.asarray(level / level.max())


def onsets_s(samples: np.ndarray) -> np.ndarray:
    """Times at which the level doubles at once and comes to a fifth of its maximum, 80 ms apart at least."""
    level = envelope(samples, 0.005)
    before = np.concatenate([[0.0], level[:-1]])
    times_s: list[float] = []
    for step in np.flatnonzero((level > 0.2) & (level > 2 * before)):
        if not times_s or step * 0.005 - times_s[-1] > 0.08:
            times_s.append(step * 0.005)
    return np.array(times_s)


def flatness_db(samples: np.ndarray) -> float:
    """How much a spectrum is like that of noise: 0 dB where it is flat, far below where it has lines."""
    power = np.square(np.abs(np.fft.rfft(samples * np.hanning(samples.size)))) + 1e-12
    return float(10 * (np.log10(power).mean() - np.log10(power.mean())))


def power_between(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Share of the power in a band."""
    power = np.square(np.abs(np.fft.rfft(samples)))
    frequencies_hz = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE_HZ)
    return float(power[(low_hz <= frequencies_hz) & (frequencies_hz < high_hz)].sum() / power.sum())


@pytest.mark.parametrize("name", MODELS)
def test_every_model_gives_a_sound_of_one_to_five_seconds_that_does_not_clip(name: str) -> None:
    for seed in SEEDS:
        samples = synthesize(name, seed)
        assert samples.dtype == np.float32
        assert 1.0 <= samples.size / SAMPLE_RATE_HZ <= 5.0
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() == pytest.approx(PEAK, rel=1e-5)
        assert samples[-1] == 0


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_gives_one_sound_and_no_two_seeds_the_same(name: str) -> None:
    sounds = [synthesize(name, seed) for seed in SEEDS]
    np.testing.assert_array_equal(synthesize(name, 3), sounds[3])
    for one in SEEDS:
        for other in range(one):
            size = min(sounds[one].size, sounds[other].size)
            assert abs(np.corrcoef(sounds[one][:size], sounds[other][:size])[0, 1]) < 0.9


def test_knocks_come_in_groups_of_two_to_five_with_the_timing_of_a_hand() -> None:
    counts, unevenness = [], []
    for seed in range(60):
        times_s = onsets_s(synthesize("knock", seed))
        counts.append(times_s.size)
        intervals_s = np.diff(times_s)
        assert ((intervals_s > 0.08) & (intervals_s < 0.45)).all()
        if times_s.size > 3:
            unevenness.append(intervals_s.std() / intervals_s.mean())
    assert set(counts) == {2, 3, 4, 5}
    assert 0.02 < np.mean(unevenness) < 0.12


def test_a_bell_rings_on_a_few_lines_for_a_long_time() -> None:
    """Half of a bell's power stands in a hundredth of its spectrum, long after the stroke."""
    for seed in range(20):
        samples = synthesize("bell", seed)
        loudest = int(envelope(samples, 0.05).argmax()) * round(0.05 * SAMPLE_RATE_HZ)
        ringing = samples[loudest : loudest + SAMPLE_RATE_HZ // 2]
        power = np.sort(np.square(np.abs(np.fft.rfft(ringing * np.hanning(ringing.size)))))
        assert power[-power.size // 100 :].sum() > 0.5 * power.sum()


def test_modes_are_damped_sines() -> None:
    """The slow twin adds one sine after the other."""
    frequencies_hz, decays_s, gains = (
        np.array([440.0, 1213.7, 11_500.0]),
        np.array([0.3, 2.0, 1.0]),
        np.array([1, 0.5, 9]),
    )
    slow = np.zeros(round(0.4 * SAMPLE_RATE_HZ))
    for sample in range(slow.size):
        time_s = sample / SAMPLE_RATE_HZ
        for mode in (0, 1):  # The third is too high to be heard.
            fall = 10 ** (-3 * time_s / decays_s[mode])
            slow[sample] += gains[mode] * fall * np.sin(2 * np.pi * frequencies_hz[mode] * time_s)
    fast = _modes(frequencies_hz, decays_s, gains.astype(float), 0.4)
    faded = round(0.02 * SAMPLE_RATE_HZ)
    np.testing.assert_allclose(fast[:-faded], slow[:-faded], atol=2e-3)
    assert fast[-1] == 0


def test_what_rings_has_lines_and_what_rushes_has_none() -> None:
    ringing = ("bell", "telephone", "musical_instrument", "music")
    median_db = {
        name: np.median([flatness_db(synthesize(name, seed)) for seed in SEEDS]) for name in (*ringing, "water_tap")
    }
    assert all(median_db[name] < median_db["water_tap"] - 8 for name in ringing), median_db


def test_telephones_pause_between_rings() -> None:
    paused = 0
    for seed in range(20):
        quiet = envelope(synthesize("telephone", seed), 0.1) < 0.05
        paused += bool(quiet[: np.flatnonzero(~quiet)[-1]].sum() >= 3)
    assert paused >= 5


def test_a_tap_runs_steadily_once_it_is_open() -> None:
    for seed in SEEDS:
        level = envelope(synthesize("water_tap", seed), 0.25)[2:-1]
        assert level.std() < 0.3 * level.mean()


def test_claps_and_steps_are_hits_with_pauses() -> None:
    for name, slowest_hz, fastest_hz in (("clapping", 1.4, 30.0), ("footsteps", 1.0, 7.0)):
        for seed in range(10):
            samples = synthesize(name, seed)
            rate_hz = onsets_s(samples).size / (samples.size / SAMPLE_RATE_HZ)
            assert slowest_hz < rate_hz < fastest_hz, (name, seed)


def test_doors_boom_or_creak() -> None:
    """A slam is low, a creak is not; over many doors there are both."""
    low = [power_between(synthesize("door", seed), 0, 400) for seed in range(30)]
    assert max(low) > 0.8
    assert min(low) < 0.3


def test_domestic_sounds_are_of_many_kinds() -> None:
    """Dishes are mostly silence and high, a vacuum cleaner is neither."""
    sounds = [synthesize("domestic_sounds", seed) for seed in range(30)]
    loud = [float((envelope(samples, 0.05) > 0.3).mean()) for samples in sounds]
    assert max(loud) > 0.95
    assert min(loud) < 0.3
    high = [power_between(samples, 3000, 12_000) for samples in sounds]
    assert max(high) > 0.7
    assert min(high) < 0.1


def test_a_class_without_a_model_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"expected a class that has a model of its sound \(clapping, .*got 'laughter'"
    ):
        synthesize("laughter", 0)


def test_a_bank_needs_no_files() -> None:
    bank = build_procedural_bank(DCASE2025, held_out=False, count=3)
    assert {DCASE2025.names[cls] for cls in bank.present} == set(MODELS)
    key = bank.draw(BELL, np.random.default_rng(0))
    assert key.startswith("procedural/bell/")
    sound = bank.read_sound(key)
    assert (sound.cls, sound.group) == (BELL, key)
    assert bank.is_same_group(key) == (key,)
    assert len(bank.hash_sound(key)) == 64
    assert len({bank.hash_sound(key) for key in bank.keys}) == len(bank.keys)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(bank)).read_sound(key).samples, sound.samples)


def test_the_sides_of_the_split_share_no_seed() -> None:
    kept, held = (set(build_procedural_bank(DCASE2025, side).keys) for side in (False, True))
    assert len(kept) == len(held) == 40 * len(MODELS)
    assert not kept & held


def test_labels_without_a_model_make_no_bank() -> None:
    with pytest.raises(UsageError, match="there is no sound for any class of birds"):
        build_procedural_bank(LabelSet("birds", (Label("owl", "Owl"),)), held_out=False)


def few_bells_many_knocks(held_out: bool = False) -> SoundBank:
    def sound(cls: int, group: int) -> BankSound:
        return BankSound(cls, str(group), np.full(2400, 0.05, np.float32), np.ones(1, bool))

    sounds = {f"knock/{group}": sound(KNOCK, group) for group in range(12)} | {"bell": sound(BELL, 0)}
    bank = SoundBank.from_sounds(DCASE2025, sounds)
    return SoundBank(DCASE2025, bank.entries, "held" if held_out else "train")


def test_classes_with_few_groups_are_topped_up() -> None:
    bank = add_procedural(few_bells_many_knocks(), 5)
    assert len(bank.classes[BELL]) == 1 + 5
    assert len(bank.classes[KNOCK]) == 12
    assert len(bank.classes[DCASE2025.index("door")]) == 5
    assert len(bank.classes[LAUGHTER]) == 0


def test_only_the_classes_asked_for_are_topped_up() -> None:
    bank = add_procedural(few_bells_many_knocks(), 5, classes=[KNOCK])
    assert [len(bank.classes[cls]) for cls in (BELL, KNOCK)] == [1, 17]
    assert bank.present == [BELL, KNOCK]
    with pytest.raises(UsageError, match="got 'laughter'"):
        add_procedural(bank, 5, classes=[LAUGHTER])


def test_the_held_out_side_is_topped_up_with_seeds_of_its_own() -> None:
    kept, held = (add_procedural(few_bells_many_knocks(side), 5) for side in (False, True))
    made = [{key for key in bank.keys if key.startswith("procedural/")} for bank in (kept, held)]
    assert made[0]
    assert made[1]
    assert not made[0] & made[1]
