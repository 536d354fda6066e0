"""Scenes: the stereo law, the room, the labels, and the split of sounds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import THREE, one_source, write_sounds

from seldfuse.errors import MediaError, UsageError
from seldfuse.features import ClipBatch
from seldfuse.features.stack import stack
from seldfuse.labels import DCASE2025
from seldfuse.media.encode import write_wav
from seldfuse.synth.bank import SceneBank
from seldfuse.synth.render import render
from seldfuse.synth.scene import LANES, Placed, Scene, draw_scene
from seldfuse.synth.sounds import Sound, SoundBank, load_bank

NO_ROOM_M = 1e6


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> SoundBank:
    return load_bank(write_sounds(tmp_path_factory.mktemp("sounds")), THREE, held_out=False)


def hiss() -> Sound:
    samples = np.random.default_rng(3).standard_normal(5 * 24_000).astype(np.float32) * 0.05
    return Sound(0, "hiss", samples, np.ones(50, dtype=bool))


def heard_azimuth_deg(audio: torch.Tensor) -> float:
    left, right = audio.double()
    mid, side = left + right, left - right
    return float(torch.rad2deg(torch.asin((side * mid).sum() / mid.square().sum())))


@pytest.mark.parametrize(
    ("azimuth_deg", "folded_deg"), [(0, 0), (30, 30), (-75, -75), (150, 30), (-120, -60), (80, 80)]
)
def test_without_a_room_the_levels_give_the_folded_azimuth_exactly(azimuth_deg: int, folded_deg: int) -> None:
    audio = one_source(hiss(), float(azimuth_deg), critical_distance_m=NO_ROOM_M, noise_db=-200.0)
    assert heard_azimuth_deg(audio) == pytest.approx(folded_deg, abs=0.05)


def test_elevation_draws_the_azimuth_to_the_middle() -> None:
    audio = one_source(hiss(), -55.0, elevation_deg=20.0, critical_distance_m=NO_ROOM_M, noise_db=-200.0)
    assert heard_azimuth_deg(audio) == pytest.approx(-50.3, abs=0.2)


def test_the_direct_sound_falls_with_distance() -> None:
    near, far = (one_source(hiss(), 0.0, distance, critical_distance_m=NO_ROOM_M) for distance in (1.0, 3.0))
    assert (near.square().mean() / far.square().mean()).sqrt().item() == pytest.approx(3.0, rel=0.01)


def test_a_room_shrinks_the_sine_by_the_share_of_direct_energy() -> None:
    """At the critical distance direct and reverberant energy are equal."""
    sines = [
        np.sin(np.radians(heard_azimuth_deg(one_source(hiss(), 60.0, 2.0, critical_distance_m=2.0, seed=s))))
        for s in range(8)
    ]
    assert np.mean(sines) == pytest.approx(np.sin(np.radians(60.0)) / 2, abs=0.06)


def test_the_noise_has_its_level_and_correlates_left_and_right_by_one_half() -> None:
    scene = Scene((), 2.0, 0.3, noise_db=-40.0, noise_slope=0.0, gain_db=0.0, lowpass_hz=None)
    audio, truth = render([scene], THREE, np.random.default_rng(0))
    left, right = audio[0]
    assert ((left + right) / 2).square().mean().sqrt().item() == pytest.approx(0.01, rel=0.02)
    assert ((left * right).mean() / (left.std() * right.std())).item() == pytest.approx(0.5, abs=0.03)
    assert truth.activity.sum() == 0


def test_a_band_limit_takes_away_what_lies_above() -> None:
    scene = Scene((), 2.0, 0.3, noise_db=-40.0, noise_slope=0.0, gain_db=0.0, lowpass_hz=4000.0)
    audio, _ = render([scene], THREE, np.random.default_rng(0))
    power = torch.fft.rfft(audio[0, 0]).abs().square()
    cut = int(len(power) * 4500 / 12_000)
    assert power[cut:].sum() < 1e-4 * power[:cut].sum()


def test_labels_say_what_was_placed(bank: SoundBank) -> None:
    sound = Sound(2, "x", np.ones(24_000, np.float32) * 0.1, np.array([1, 1, 0, 1, 1, 1, 1, 1, 1, 1], dtype=bool))
    first = Placed(0, sound, 4, 0, 10, 150.0, 10.0, 2.5, 0.0)
    second = Placed(2, sound, 6, 3, 4, -20.0, 0.0, 1.0, 0.0)
    _, truth = render([Scene((first, second), 2.0, 0.3, -60.0, 0.0, 0.0, None)], THREE, np.random.default_rng(0))
    assert truth.activity[0, :, 2, 0].nonzero().flatten().tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert truth.activity[0, :, 2, 1].nonzero().flatten().tolist() == [7, 8, 9]
    assert truth.activity[0, :, :2].sum() == 0
    # Where the first source pauses the second moves up: tracks are filled from the first.
    assert truth.distance[0, [5, 6], 2, 0].tolist() == [2.5, 1.0]
    assert truth.direction[0, 5, 2, 0].tolist() == pytest.approx([np.cos(np.pi / 6), 0.5, 0.0], abs=1e-6)


def test_drawn_scenes_keep_to_their_lanes_and_their_length(bank: SoundBank) -> None:
    rng = np.random.default_rng(0)
    scenes = [draw_scene(bank, rng) for _ in range(50)]
    audio, truth = render(scenes, THREE, rng)
    assert audio.shape == (50, 2, 120_000)
    assert audio.abs().max() <= 0.99 + 1e-6
    assert (truth.activity.sum(dim=(2, 3)) <= LANES).all()
    assert {placed.sound.cls for scene in scenes for placed in scene.placed} == {0, 1, 2}


def test_the_same_seed_renders_the_same_scene(bank: SoundBank) -> None:
    one, two = (
        render([draw_scene(bank, rng)], THREE, rng)[0] for rng in (np.random.default_rng(5), np.random.default_rng(5))
    )
    assert torch.equal(one, two)


def test_no_group_is_on_both_sides_of_the_split(tmp_path: Path) -> None:
    write_sounds(tmp_path, groups=6, seconds=0.2)
    kept, held = (load_bank(tmp_path, THREE, held_out=side) for side in (False, True))
    for cls in range(3):
        names = [{group[0].group for group in bank.classes[cls]} for bank in (kept, held)]
        assert not names[0] & names[1]
        assert [len(side) for side in names] == [5, 1]


def test_a_manifest_names_class_group_and_path(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.full((1, 4800), 0.1, np.float32))
    (tmp_path / "manifest.csv").write_text("class,group,path\nKnock,anna,a.wav\n")
    bank = load_bank(tmp_path, DCASE2025, held_out=False)
    assert bank.present == [12]
    assert bank.classes[12][0][0].group == "/anna"


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("class,path\n", r"the manifest lacks the columns \['group'\]"),
        ("class,group,path\ngong,a,b.wav\n", "'gong' is no class of dcase2025"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, manifest: str, message: str) -> None:
    (tmp_path / "manifest.csv").write_text(manifest)
    with pytest.raises(UsageError, match=message):
        load_bank(tmp_path, DCASE2025, held_out=False)


@pytest.mark.parametrize(
    ("content", "message"), [(b"no sound", "expected a sound that FFmpeg reads"), (None, "the sound is silent")]
)
def test_an_unusable_sound_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "hiss" / "x.wav"
    path.parent.mkdir()
    path.write_bytes(content) if content else write_wav(path, np.zeros((1, 4800), np.float32))
    with pytest.raises(MediaError, match=rf"{message}.*x\.wav"):
        load_bank(tmp_path, THREE, held_out=False)


def test_an_empty_folder_has_no_sounds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no sound for any class"):
        load_bank(tmp_path, THREE, held_out=False)


def test_the_bank_swaps_channels_and_azimuth_together(bank: SoundBank) -> None:
    names = ("logmel", "intensity")
    scenes = SceneBank(bank, names, size=8, fresh=2, seed=0)
    features, truth = scenes.draw(8)
    # Energy-weighted side, per scene: its sign must be the sign of what sounds.
    checked = 0
    for row in range(8):
        active = truth.activity[row] > 0
        sides = truth.direction[row][active][:, 1]
        if len(sides) and (sides.sign() == sides[0].sign()).all() and sides.abs().mean() > 0.4:
            loud = features[row, 0] > features[row, :2].amax() - 30
            assert features[row, 2][loud].mean().sign() == sides[0].sign()
            checked += 1
    assert checked


def test_fresh_scenes_replace_the_oldest(bank: SoundBank) -> None:
    scenes = SceneBank(bank, ("logmel",), size=8, fresh=2, seed=0)
    before = scenes.features.clone()
    scenes.draw(4)
    changed = [not torch.equal(scenes.features[row], before[row]) for row in range(8)]
    assert changed == [True, True, False, False, False, False, False, False]


def test_stacked_features_have_five_columns_per_frame() -> None:
    assert stack(ClipBatch(torch.zeros(2, 2, 24_000)), ("logmel", "stpacc")).shape == (2, 3, 50, 64)
