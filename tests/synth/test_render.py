"""Rendered scenes: the stereo law, the labels, the ambience, and the bank that training draws from."""

import dataclasses
import functools
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worlds import THREE, one_source, place, plain_room, standing, write_sounds

from seldfuse.core.labels import DCASE2025
from seldfuse.errors import PluginError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.features.stack import stack_features
from seldfuse.synth import bank as bank_module
from seldfuse.synth.bank import CARD, SceneBank, SceneStream, SceneSupply
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.draw_acoustics import RT60_S
from seldfuse.synth.render import PEAK, render_scenes
from seldfuse.synth.scene import Ambience, RecordingChain, Room, ScenePlan, ScenePlanSource, SoundTake
from seldfuse.synth.scene import SourcePath as Walk
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank, load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> SceneIngredients:
    sounds = load_bank(write_sounds(tmp_path_factory.mktemp("sounds")), THREE, "train")
    return SceneIngredients(sounds, SceneStatistics.load(), evenness=1.0)


@functools.cache
def hiss() -> BankSound:
    samples = np.random.default_rng(3).standard_normal(5 * 24_000).astype(np.float32) * 0.05
    return BankSound(0, "hiss", samples, np.ones(50, dtype=bool))


def heard_azimuth_deg(audio: torch.Tensor) -> float:
    left, right = audio.double()
    mid, side = left + right, left - right
    return float(torch.rad2deg(torch.asin((side * mid).sum() / mid.square().sum())))


@pytest.mark.parametrize(
    ("azimuth_deg", "folded_deg"), [(0, 0), (30, 30), (-75, -75), (150, 30), (-120, -60), (80, 80)]
)
def test_in_the_open_the_levels_give_the_folded_azimuth_exactly(azimuth_deg: int, folded_deg: int) -> None:
    audio = one_source(hiss(), float(azimuth_deg), rt60_s=None, noise_db=None)
    assert heard_azimuth_deg(audio) == pytest.approx(folded_deg, abs=0.05)


def test_elevation_draws_the_azimuth_to_the_middle() -> None:
    audio = one_source(hiss(), -55.0, elevation_deg=20.0, rt60_s=None, noise_db=None)
    assert heard_azimuth_deg(audio) == pytest.approx(-50.3, abs=0.2)


def test_the_direct_sound_falls_with_distance() -> None:
    near, far = (one_source(hiss(), 0.0, distance, rt60_s=None, noise_db=None) for distance in (1.0, 3.0))
    assert (near.square().mean() / far.square().mean()).sqrt().item() == pytest.approx(3.0, rel=0.01)


def test_a_room_shrinks_the_sine_by_the_share_of_direct_energy() -> None:
    """W of the same source in the open and in the room tells the share D / (D + R)."""
    for rt60_s in (0.2, 0.6):
        sines, shares = [], []
        for start in range(4):
            dry, wet = (one_source(hiss(), 50.0, 2.0, 0.0, t, None, tail_start=99_991 * start) for t in (None, rt60_s))
            shares.append(float(dry.sum(dim=0).square().sum() / wet.sum(dim=0).square().sum()))
            sines.append(np.sin(np.radians(heard_azimuth_deg(wet))))
        assert np.mean(sines) == pytest.approx(np.sin(np.radians(50.0)) * np.mean(shares), abs=0.08)


def test_noise_has_its_level_its_colour_and_correlates_left_and_right_by_one_half() -> None:
    bank = SoundBank.from_sounds(THREE, {"sound": hiss()})
    scenes = [ScenePlan((), None, Ambience(-40.0, slope, 1_000_000)) for slope in (0.0, 2.0)]
    audio, truth = render_scenes(scenes, bank)
    for left, right in audio:
        assert ((left + right) / 2).square().mean().sqrt().item() == pytest.approx(0.01, rel=0.1)
        assert ((left * right).mean() / (left.std() * right.std())).item() == pytest.approx(0.5, abs=0.1)
    power = torch.fft.rfft(audio[:, 0]).abs().square()
    # From 100 Hz to 1 kHz and on to 10 kHz: 10·slope dB a decade.
    for row, slope in enumerate((0.0, 2.0)):
        low, high = (power[row, int(5 * hz) : int(5.5 * hz)].mean() for hz in (300.0, 3_000.0))
        assert 10 * torch.log10(low / high).item() == pytest.approx(10 * slope, abs=1.5)
    assert truth.to_posterior().activity.sum() == 0


def test_babble_has_its_level_and_no_label() -> None:
    bank = SoundBank.from_sounds(THREE, {"sound": hiss()})
    ambience = Ambience(-200.0, babble=(SoundTake("sound", 0.0, 5.0),), babble_db=-50.0)
    audio, truth = render_scenes([ScenePlan((), plain_room(0.4), ambience), ScenePlan((), None, None)], bank)
    assert audio[0].sum(dim=0).square().mean().sqrt().item() / 2 == pytest.approx(10 ** (-50 / 20), rel=0.05)
    assert audio[1].abs().max() == 0
    assert not truth.to_events()[0].table.size


def test_labels_say_what_was_planned() -> None:
    samples = np.repeat(np.array([1, 1, 0, 0, 0, 0, 1, 1, 1, 1], np.float32), 2400) * 0.1
    sound = BankSound(2, "x", samples, samples[::2400] > 0)
    bank = SoundBank.from_sounds(THREE, {"x": sound})
    first = ScenePlanSource(2, (SoundTake("x", 0.4, 1.0),), standing(150.0, 2.5, 10.0))
    second = ScenePlanSource(2, (SoundTake("x", 0.6, 0.4, offset_s=0.6),), standing(-20.0, 1.0))
    _, truth = render_scenes([ScenePlan((), plain_room(0.3)), ScenePlan((first, second), plain_room(0.3))], bank)
    posterior = truth.to_posterior()
    assert posterior.activity[1, :, 2, 0].nonzero().flatten().tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert posterior.activity[1, :, 2, 1].nonzero().flatten().tolist() == []
    # Where the first source pauses the second stands on the first track.
    assert posterior.distance[1, [5, 7, 10], 2, 0].tolist() == pytest.approx([2.5, 1.0, 2.5])
    assert posterior.direction[1, 5, 2, 0].tolist() == pytest.approx([np.cos(np.pi / 6), 0.5, 0.0], abs=1e-5)
    assert posterior.onscreen[1, [5, 7], 2, 0].tolist() == [0.0, 1.0]
    empty, events = truth.to_events()
    assert len(empty) == 0
    assert sorted(set(zip(events.table["frame"], events.table["source"], strict=True))) == [
        (frame, 0) for frame in (4, 5)
    ] + [(frame, 1) for frame in (6, 7, 8, 9)] + [(frame, 0) for frame in (10, 11, 12, 13)]
    assert events.table["azimuth_deg"].round(3).unique().tolist() == [30.0, -20.0]


def test_short_pauses_are_closed_and_long_ones_are_not() -> None:
    for pause, closed in ((2, True), (3, False)):
        samples = np.repeat(np.array([1] + [0] * pause + [1], np.float32), 2400) * 0.1
        bank = SoundBank.from_sounds(THREE, {"x": BankSound(0, "x", samples, samples[::2400] > 0)})
        source = ScenePlanSource(0, (SoundTake("x", 1.0, len(samples) / 24_000),), standing(0.0))
        _, truth = render_scenes([ScenePlan((source,), None)], bank)
        assert bool(truth.active[0, 11]) is closed


def test_a_fourth_source_of_one_class_is_in_the_labels_and_not_in_the_posterior() -> None:
    bank = SoundBank.from_sounds(THREE, {"sound": hiss()})
    sources = tuple(
        ScenePlanSource(0, (SoundTake("sound", 0.0, 5.0),), standing(azimuth)) for azimuth in (-60.0, -20.0, 20.0, 60.0)
    )
    _, truth = render_scenes([ScenePlan(sources, None)], bank)
    assert truth.to_posterior().activity.sum(dim=-1).max() == 3
    assert truth.to_events()[0].table["source"].nunique() == 4


def test_a_mover_is_labelled_where_it_is_mid_frame() -> None:
    bank = SoundBank.from_sounds(THREE, {"sound": hiss()})
    path = Walk(place(60.0, 2.0), place(-60.0, 2.0), 0.0, 5.0)
    audio, truth = render_scenes(
        [ScenePlan((ScenePlanSource(0, (SoundTake("sound", 0.0, 5.0),), path),), plain_room(0.2))], bank
    )
    y = 2.0 * np.sin(np.radians(60.0))
    azimuth_deg = np.degrees(np.arctan2(y - 2 * y * (np.arange(50) + 0.5) / 50, 1.0))
    assert truth.azimuth_deg[0] == pytest.approx(azimuth_deg)
    assert truth.distance_m[0] == pytest.approx(np.hypot(1.0, np.tan(np.radians(azimuth_deg))))
    # And it is heard to pass from left to right.
    early, late = (heard_azimuth_deg(audio[0][:, part]) for part in (slice(0, 24_000), slice(-24_000, None)))
    assert early > 20.0
    assert late < -20.0


def test_a_source_that_moves_and_stands_is_as_loud_as_its_stand_in() -> None:
    """Reflections and late room are there for those who move, too."""
    bank = SoundBank.from_sounds(THREE, {"sound": hiss()})
    there = place(30.0, 2.0)
    barely = (there[0] + 0.01, *there[1:])
    energies = []
    for path in (Walk(there, there), Walk(there, barely, 0.0, 5.0)):
        scene = ScenePlan((ScenePlanSource(0, (SoundTake("sound", 0.0, 5.0),), path),), plain_room(0.5))
        energies.append(render_scenes([scene], bank).audio.square().sum(dim=-1))
    assert torch.allclose(energies[0], energies[1], rtol=0.03)


def test_scenes_of_one_batch_do_not_touch_each_other(stage: SceneIngredients) -> None:
    rng = np.random.default_rng(4)
    scenes = [draw_scene(stage, rng) for _ in range(4)]
    together = render_scenes(scenes, stage.bank)
    for row, scene in enumerate(scenes):
        alone = render_scenes([scene], stage.bank)
        assert torch.allclose(together.audio[row], alone.audio[0], atol=2e-5)
        assert together.truth.to_events()[row].table.equals(alone.truth.to_events()[0].table)


def test_drawn_scenes_are_plans_that_keep_to_their_bounds(stage: SceneIngredients) -> None:
    rng = np.random.default_rng(0)
    scenes = [draw_scene(stage, rng) for _ in range(60)]
    assert all(ScenePlan.from_json(scene.to_json()) == scene for scene in scenes)
    for scene in scenes:
        assert isinstance(scene.room, Room)
        for source in scene.sources:
            for point in scene.room.locate(np.array([source.path.start_m, source.path.end_m])):
                assert (point > 0).all()
                assert (point < scene.room.size_m).all()
            assert np.linalg.norm(source.path.compute_position(np.linspace(0, 5, 100)), axis=1).min() > 0.45
            assert all(0 <= take.start_s < 5 for take in source.takes)
    assert {source.cls for scene in scenes for source in scene.sources} == {0, 1, 2}
    assert any(source.path.moves for scene in scenes for source in scene.sources)
    audio = render_scenes(scenes[:12], stage.bank).audio
    assert audio.shape == (12, 2, 120_000)
    assert audio.isfinite().all()
    assert audio.abs().max() <= 1.0
    assert RT60_S == (0.15, 1.2)


def test_loud_scenes_are_turned_down_before_they_meet_the_equipment() -> None:
    loud = dataclasses.replace(hiss(), samples=hiss().samples * 50)
    assert one_source(loud, 0.0).abs().max().item() == pytest.approx(PEAK, abs=1e-5)


def test_the_same_plan_renders_the_same_scene(stage: SceneIngredients) -> None:
    scene = draw_scene(stage, np.random.default_rng(5))
    assert torch.equal(
        render_scenes([scene], stage.bank).audio,
        render_scenes([ScenePlan.from_json(scene.to_json())], stage.bank).audio,
    )


def test_wear_is_applied() -> None:
    bank = SoundBank.from_sounds(THREE, {"sound": hiss()})
    scene = ScenePlan(
        (ScenePlanSource(0, (SoundTake("sound", 0.0, 5.0),), standing(0.0)),),
        None,
        None,
        RecordingChain(lowpass_hz=4000.0),
    )
    power = torch.fft.rfft(render_scenes([scene], bank).audio[0, 0]).abs().square()
    cut = int(len(power) * 8_000 / 12_000)
    assert power[cut:].sum() < 1e-2 * power[:cut].sum()


def test_scenes_of_different_lengths_are_refused() -> None:
    bank = SoundBank.from_sounds(THREE, {"sound": hiss()})
    with pytest.raises(ValueError, match=r"must be of one length, got \[20, 50\] frames"):
        render_scenes([ScenePlan(()), ScenePlan((), frames=20)], bank)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_a_gpu_renders_what_the_cpu_renders(stage: SceneIngredients) -> None:
    rng = np.random.default_rng(6)
    scenes = [draw_scene(stage, rng) for _ in range(8)]
    here, there = render_scenes(scenes, stage.bank), render_scenes(scenes, stage.bank, device="cuda")
    assert torch.allclose(here.audio, there.audio.cpu(), atol=1e-3)
    assert np.array_equal(here.truth.active, there.truth.active)


def supply(stage: SceneIngredients, folder: Path | None = None, seed: int = 3) -> SceneSupply:
    return SceneSupply(stage, ("logmel",), seed, folder)


@contextmanager
def bank_of(stage: SceneIngredients, *settings: int, folder: Path | None = None, **more: int) -> Iterator[SceneBank]:
    with closing(SceneBank(supply(stage, folder), *settings, **more)) as bank:
        yield bank


def which(bank: SceneBank, count: int) -> list[int]:
    """The numbers of the scenes that come next, without rendering them."""
    numbers = bank._scenes(np.arange(bank.place, bank.place + count)).tolist()
    bank.place += count
    return numbers


def test_every_round_has_all_scenes_once_and_then_the_oldest_make_room(
    stage: SceneIngredients, here_and_now: None
) -> None:
    with bank_of(stage, 40, 5) as bank:
        rounds = [which(bank, 40) for _ in range(12)]
    assert [sorted(numbers) for numbers in rounds] == [list(range(8 * turn, 8 * turn + 40)) for turn in range(12)]
    assert rounds[0] != sorted(rounds[0])
    uses = np.bincount(np.concatenate(rounds))
    assert uses.max() == 5
    assert (uses[32:88] == 5).all()


def test_a_bank_hands_out_the_scenes_that_it_says(stage: SceneIngredients, here_and_now: None) -> None:
    chunks = [supply(stage).load_chunk(number)[0].float() for number in range(1, 9)]
    scenes = torch.cat(chunks)
    with bank_of(stage, 16, 2) as bank, bank_of(stage, 16, 2) as twin:
        for count in (5, 7, 9, 3, 16):  # rounds end within batches
            assert torch.equal(bank.draw(count)[0], scenes[which(twin, count)])


def test_what_the_bank_hands_out_depends_on_the_seed_and_the_place_alone(
    stage: SceneIngredients, here_and_now: None
) -> None:
    with bank_of(stage, 8, 2, workers=1) as one, bank_of(stage, 8, 2, workers=3) as other:
        there = torch.cat([one.draw(8)[0] for _ in range(4)])
        assert torch.equal(there, torch.cat([other.draw(16)[0] for _ in range(2)]))
        other.seek(13)
        assert torch.equal(there[13:], other.draw(19)[0])


def test_processes_that_train_together_have_scenes_of_their_own(stage: SceneIngredients, here_and_now: None) -> None:
    with bank_of(stage, 8, 1, 0, 2) as first, bank_of(stage, 8, 1, 1, 2) as second, bank_of(stage, 16, 1) as alone:
        both = torch.cat([first.draw(8)[0], second.draw(8)[0]])
        together = alone.draw(16)[0]
    assert (both.flatten(1)[:, None] == together.flatten(1)).all(-1).any(0).all()


def test_a_folder_keeps_scenes_for_others(
    stage: SceneIngredients, here_and_now: None, tmp_path: Path, monkeypatch
) -> None:
    both = SceneSupply(stage, ("intensity", "logmel"), 3, tmp_path)
    with closing(SceneBank(both, 8, 1)) as bank:
        drawn = bank.draw(8)
    assert json.loads((tmp_path / CARD).read_text())["features"] == ["intensity", "logmel"]
    monkeypatch.setattr(bank_module, "render_scenes", None)
    with bank_of(stage, 8, 1, folder=tmp_path) as bank:
        bank._workers = 0
        again = bank.draw(8)
    assert torch.equal(again[0], drawn[0][:, 1:])
    assert all(torch.equal(tensor, again[1].tensors()[name]) for name, tensor in drawn[1].tensors().items())
    with pytest.raises(UsageError, match=r"from other sounds, another seed, .* \(seed: 3 there, 4 here\); name a new"):
        SceneSupply(stage, ("logmel",), 4, tmp_path)
    with pytest.raises(UsageError, match="scenes with intensity, logmel, not with spectrum; name a new one"):
        SceneSupply(stage, ("logmel", "spectrum"), 3, tmp_path)


@pytest.mark.parametrize("largest", [65_504.0, 65_536.0])
def test_what_half_precision_cannot_hold_is_refused(
    largest: float, stage: SceneIngredients, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bank_module.stack_features

    def stack(*arguments: Any) -> torch.Tensor:
        features = real(*arguments)
        features[0, -1, 3, 3] = -largest
        return features

    monkeypatch.setattr(bank_module, "stack_features", stack)
    source = SceneSupply(stage, ("logmel", "ild"), 3)
    if largest < 65_505.0:
        assert source.load_chunk(1).features.isfinite().all()
        return
    with pytest.raises(PluginError) as caught:
        source.load_chunk(1)
    assert str(caught.value) == (
        "feature 'ild' has values up to 65,536, but random scenes are stored in half precision, whose largest number "
        "is 65,504; scale it down, or give it in dB"
    )


def test_other_processes_fill_the_bank(stage: SceneIngredients) -> None:
    with bank_of(stage, 8, 1, workers=1) as bank:
        drawn = bank.draw(8)
    assert drawn.features.shape[:2] == (8, 2)
    assert drawn.truth.activity.shape == (8, 50, 3, 3)


def test_a_bank_of_worn_out_scenes_is_refused(stage: SceneIngredients) -> None:
    with pytest.raises(ValueError, match="uses must be 1 to 10, got 11"):
        SceneBank(supply(stage), 640, 11)


def test_a_stream_renders_every_scene_anew(stage: SceneIngredients) -> None:
    stream = SceneStream(supply(stage), "cpu")
    one, two = stream.draw(2)[0], stream.draw(2)[0]
    assert one.shape == (2, 2, 250, 64)
    assert not torch.equal(one, two)
    stream.seek(2)
    assert torch.equal(stream.draw(2)[0], two)
    other = SceneStream(supply(stage), "cpu", rank=1, processes=2)
    assert not torch.equal(other.draw(2)[0], one)


def test_stacked_features_have_five_columns_per_frame() -> None:
    assert stack_features(make_batch(torch.zeros(2, 2, 24_000)), ("logmel", "stpacc")).shape == (2, 3, 50, 64)


def test_the_development_sounds_make_scenes(shared: Path) -> None:
    sounds = load_bank(shared / "data" / "soundbank", DCASE2025, "held")
    scene = draw_scene(SceneIngredients(sounds, SceneStatistics.load()), np.random.default_rng(1))
    assert render_scenes([scene], sounds).audio.isfinite().all()
