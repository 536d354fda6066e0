"""Augmentation: what it does to the sound it does to the labels, and to nothing else."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from worlds import THREE

from seldfuse.catalogue.host import load_registry
from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.errors import PluginError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.features.stack import stack_features
from seldfuse.synth.codec import RATES
from seldfuse.synth.recording_chain import apply_chain
from seldfuse.synth.scene import RecordingChain
from seldfuse.train.augment.amounts import complete_amounts
from seldfuse.train.augment.apply import augment_batch
from seldfuse.train.augment.band_filter import filter_bands
from seldfuse.train.augment.band_limit import limit_bandwidth
from seldfuse.train.augment.band_shift import shift_bands
from seldfuse.train.augment.channel_swap import swap_channels
from seldfuse.train.augment.codec import encode_lossy
from seldfuse.train.augment.foreign_picture import exchange_pictures
from seldfuse.train.augment.gain import change_gain
from seldfuse.train.augment.mixup import mix_clips
from seldfuse.train.augment.overlay import overlay_clips
from seldfuse.train.augment.spec_mask import mask_bands_and_time
from seldfuse.train.batch import TrainingBatch

NAMES = ("stpacc", "logmel", "ild", "intensity")
STPACC, LEFT, RIGHT, ILD, INTENSITY = range(5)
COLUMNS, MELS = 50, 64

Augmentation = Callable[[TrainingBatch, float, np.random.Generator], TrainingBatch]
ALL: dict[str, Augmentation] = {
    "swap": swap_channels, "shift": shift_bands, "filters": filter_bands, "band_limit": limit_bandwidth,
    "gain": change_gain, "masks": mask_bands_and_time, "mixup": mix_clips, "overlay": overlay_clips
}  # fmt: skip
SHARED = {name: function for name, function in ALL.items() if name != "gain"}


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(count: int, seconds: float = 1.0, level: float = 0.1, seed: int = 0) -> torch.Tensor:
    return level * torch.randn(count, 2, int(24_000 * seconds), generator=torch.Generator().manual_seed(seed))


def some_truth(count: int, frames: int = 10, tracks: int = 3) -> Posterior:
    """Each class sounds on no, one or more tracks, filled from the first."""
    dice = torch.Generator().manual_seed(1)
    shape = (count, frames, len(THREE), tracks)
    activity = (torch.rand(shape, generator=dice) < 0.4).float().sort(dim=-1, descending=True).values
    azimuth_deg, distance, onscreen = (torch.rand(shape, generator=dice) for _ in range(3))
    return Posterior(
        activity, direction_from_azimuth(180 * azimuth_deg - 90), 5 * distance, onscreen.round(), labels=THREE
    )


def heard(audio: torch.Tensor) -> TrainingBatch:
    """The features of some audio, and any truth."""
    return TrainingBatch(
        stack_features(make_batch(audio), NAMES), NAMES, some_truth(len(audio), audio.shape[-1] // 2400)
    )


def made_up(count: int) -> TrainingBatch:
    """Features in which no two cells are alike."""
    features = torch.randn(count, 5, COLUMNS, MELS, generator=torch.Generator().manual_seed(2)) - 30.0
    return TrainingBatch(features, NAMES, some_truth(count))


def same(one: TrainingBatch, other: TrainingBatch) -> bool:
    mine, yours = one.target.tensors(), other.target.tensors()
    return torch.equal(one.features, other.features) and all(torch.equal(mine[name], yours[name]) for name in mine)


def touched(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return (before != after).flatten(1).any(dim=1)


def test_swapped_features_are_those_of_swapped_audio() -> None:
    audio = noise(3) * torch.tensor([1.0, 0.3]).reshape(2, 1)
    swapped = swap_channels(heard(audio), 1.0, chance())
    assert torch.allclose(swapped.features, heard(audio.flip(1)).features, atol=1e-3)


def test_swapped_labels_lie_on_the_other_side() -> None:
    batch = made_up(3)
    truth = swap_channels(batch, 1.0, chance()).target
    azimuths = [azimuth_from_direction(direction) for direction in (batch.target.direction, truth.direction)]
    assert torch.equal(azimuths[1], -azimuths[0])
    for name in ("activity", "distance", "onscreen"):
        assert torch.equal(getattr(truth, name), getattr(batch.target, name))


def test_to_swap_twice_is_the_identity() -> None:
    batch = made_up(3)
    assert same(swap_channels(swap_channels(batch, 1.0, chance()), 1.0, chance()), batch)


def test_labels_are_swapped_in_just_the_clips_whose_sound_is() -> None:
    batch = made_up(40)
    after = swap_channels(batch, 0.5, chance())
    moved = touched(batch.features, after.features)
    assert torch.equal(moved, touched(batch.target.direction, after.target.direction))
    assert 10 < moved.sum() < 30


def test_a_truth_without_directions_can_be_swapped() -> None:
    batch = made_up(2)
    batch = replace(batch, target=replace(batch.target, direction=None))
    assert swap_channels(batch, 1.0, chance()).target is batch.target


@pytest.mark.parametrize("level", [0.9, 0.01, 1e-5])
def test_gain_gives_the_features_of_amplified_audio(level: float) -> None:
    # The silent half lies 80 dB below the loudest cell, at −100 dB until a gain raises the loudest above −20, or there.
    audio = level * noise(1, level=1.0).expand(8, -1, -1).clone()
    audio[..., 12_000:] = 0.0
    before = heard(audio)
    after = change_gain(before, 9.0, chance())
    loudest = [batch.features[:, LEFT : RIGHT + 1].amax(dim=(1, 2, 3)) for batch in (before, after)]
    change_db = (loudest[1] - loudest[0]).reshape(-1, 1, 1)
    expected = heard(audio * 10 ** (change_db / 20))
    known = before.features > -100.0
    known[:, :, 30:] = True
    assert known[:, LEFT].float().mean() > 0.5
    assert (after.features - expected.features)[:, LEFT : RIGHT + 1][known[:, LEFT : RIGHT + 1]].abs().max() < 2e-3
    assert after.target is before.target


def test_gain_differs_from_clip_to_clip_within_its_bounds() -> None:
    before = made_up(200)
    after = change_gain(before, 6.0, chance())
    change_db = (after.features - before.features)[:, LEFT : RIGHT + 1].flatten(1)
    assert (change_db - change_db[:, :1]).abs().max() < 1e-4
    assert change_db.min() == pytest.approx(-6.0, abs=0.2)
    assert change_db.max() == pytest.approx(6.0, abs=0.2)
    others = [STPACC, ILD, INTENSITY]
    assert torch.equal(after.features[:, others], before.features[:, others])


@pytest.mark.parametrize("change", [change_gain, filter_bands])
def test_silence_stays_silent_and_nothing_falls_below_it(change: Augmentation) -> None:
    audio = torch.cat([torch.zeros(20, 2, 24_000), noise(20, level=3e-6)])
    after = change(heard(audio), 1.0 if change is filter_bands else 6.0, chance()).features[:, LEFT : RIGHT + 1]
    assert (after[:20] == -100.0).all()
    assert after[20:].min() >= -100.0
    assert after[20:].max() > -95.0


def test_the_loudest_clips_have_no_cell_more_than_80_decibels_below_their_loudest() -> None:
    audio = noise(20, level=0.5)
    audio[..., 12_000:] = 0.0
    after = change_gain(heard(audio), 12.0, chance()).features[:, LEFT : RIGHT + 1].flatten(1)
    lowest, loudest = after.amin(dim=1), after.amax(dim=1)
    assert torch.allclose(lowest, (loudest - 80.0).clamp_min(-100.0), atol=1e-3)
    assert lowest.max() > -100.0


def test_masks_take_the_same_bands_and_moment_from_every_channel() -> None:
    before = made_up(100)
    after = mask_bands_and_time(before, 1.0, chance())
    assert after.target is before.target
    gone = after.features != before.features
    moment, bands = gone[:, STPACC].all(dim=-1), gone[:, LEFT].all(dim=-2)
    assert torch.equal(gone[:, STPACC], moment.unsqueeze(-1).expand(-1, -1, MELS))
    for channel in (LEFT, RIGHT, ILD, INTENSITY):
        assert torch.equal(gone[:, channel], moment.unsqueeze(-1) | bands.unsqueeze(-2))
    for stretch, longest in ((moment, 30), (bands, 8)):
        assert (stretch.int().diff(dim=-1, prepend=torch.zeros(100, 1, dtype=torch.int)) == 1).sum(dim=-1).eq(1).all()
        assert stretch.sum(dim=-1).min() == 1
        assert stretch.sum(dim=-1).max() == longest
        assert stretch.any(dim=0).all()


def test_what_is_masked_is_the_mean_of_the_clips_channel() -> None:
    before = made_up(3)
    before = replace(before, features=before.features * torch.tensor([1.0, 2.0, 3.0]).reshape(-1, 1, 1, 1))
    after = mask_bands_and_time(before, 1.0, chance()).features
    mean = before.features.mean(dim=(2, 3), keepdim=True).expand_as(after)
    assert torch.allclose(after[after != before.features], mean[after != before.features])


def test_filters_keep_the_level_difference() -> None:
    audio = noise(20)
    audio[:, 1] *= 0.1
    audio[10:, 1] = 0.0  # the right channel lies at the floor
    before = heard(audio)
    after = filter_bands(before, 1.0, chance())
    differences = [batch.features[:, LEFT] - batch.features[:, RIGHT] for batch in (before, after)]
    assert (differences[1] - differences[0]).abs().max() < 1e-4
    assert touched(before.features[:, [LEFT]], after.features[:, [LEFT]]).all()
    others = [STPACC, ILD, INTENSITY]
    assert torch.equal(after.features[:, others], before.features[:, others])
    assert after.target is before.target


def test_filters_run_straight_between_a_few_edges() -> None:
    before = made_up(200)
    curve_db = (filter_bands(before, 1.0, chance()).features - before.features)[:, LEFT].double()
    assert (curve_db - curve_db[:, :1]).abs().max() < 1e-4
    curve_db = curve_db[:, 0]
    assert curve_db.min() == pytest.approx(-6.0, abs=0.2)
    assert curve_db.max() == pytest.approx(6.0, abs=0.2)
    # An edge between two bands bends the line at both.
    bends = (curve_db.diff(n=2, dim=-1).abs() > 1e-4).sum(dim=-1)
    assert bends.min() >= 1
    assert bends.max() == 8
    # Twelve decibels over six bands, at most.
    assert curve_db.diff(dim=-1).abs().max() < 2.0 + 1e-4


def test_shift_moves_a_tone_by_whole_bands_in_both_channels() -> None:
    time_s = torch.arange(4800) / 24_000
    audio = 0.3 * torch.sin(2 * torch.pi * 2000.0 * time_s) * torch.tensor([1.5, 0.5]).reshape(2, 1)
    before = heard(audio.expand(100, -1, -1))
    after = shift_bands(before, 1.0, chance())
    peak = [batch.features[:, LEFT : RIGHT + 1].mean(dim=2).argmax(dim=-1) for batch in (before, after)]
    bands = peak[1] - peak[0]
    assert torch.equal(bands[:, 0], bands[:, 1])
    assert set(bands[:, 0].tolist()) == {-4, -3, -2, -1, 1, 2, 3, 4}
    assert after.target is before.target


def test_shift_repeats_the_bands_at_the_edge_and_leaves_lags_alone() -> None:
    before = made_up(30)
    after = shift_bands(before, 1.0, chance()).features
    assert torch.equal(after[:, STPACC], before.features[:, STPACC])
    for old, new in zip(before.features[:, LEFT:], after[:, LEFT:], strict=True):
        fitting = [
            bands
            for bands in (-4, -3, -2, -1, 1, 2, 3, 4)
            if torch.equal(new, old[..., (torch.arange(MELS) - bands).clamp(0, MELS - 1)])
        ]
        assert len(fitting) == 1


Tracks = list[tuple[float, float]]
"""Activity and azimuth in degrees, track by track."""


def scenes_of(first: Tracks, second: Tracks, tracks: int = 3) -> TrainingBatch:
    """Two scenes in which hisses sound as told; the azimuth stands in for the distance too. Features are 0 and 1."""
    activity, azimuth_deg = torch.zeros(2, 1, 3, tracks), torch.zeros(2, 1, 3, tracks)
    for row, scene in enumerate((first, second)):
        for track, cell in enumerate(scene):
            activity[row, 0, 0, track], azimuth_deg[row, 0, 0, track] = cell
    seen = (azimuth_deg.abs() < 15).float()
    truth = Posterior(activity, direction_from_azimuth(azimuth_deg), azimuth_deg.abs(), seen, labels=THREE)
    features = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, 5, MELS)
    return TrainingBatch(features, ("intensity",), truth)


def mixed_hisses(first: Tracks, second: Tracks, tracks: int = 3) -> tuple[float, list[tuple[float, float]]]:
    """λ and the active hisses of the first scene mixed with the second; checks that a track's fields stay together."""
    after = mix_clips(scenes_of(first, second, tracks), 1.0, chance())
    activity, distance, onscreen = (
        getattr(after.target, name)[0, 0, 0] for name in ("activity", "distance", "onscreen")
    )
    azimuth_deg = azimuth_from_direction(after.target.direction[0, 0, 0])
    assert torch.allclose(distance, azimuth_deg.abs(), atol=1e-4)
    assert torch.equal(onscreen, (azimuth_deg.abs() < 15).float())
    found = [(a, round(d)) for a, d in zip(activity.tolist(), azimuth_deg.tolist(), strict=True) if a > 0]
    return 1.0 - after.features[0, 0, 0, 0].item(), found


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([], [], []),
        ([(1, 10)], [], [("λ", 10)]),
        ([], [(1, 20)], [("1-λ", 20)]),
        ([(1, 10), (1, 30)], [], [("λ", 10), ("λ", 30)]),
        ([(1, 10)], [(1, 20)], [("1", 10), ("1-λ", 20)]),
        ([(1, 10)], [(1, 20), (1, 40)], [("1", 10), ("1-λ", 20), ("1-λ", 40)]),
        ([(1, 10), (1, 30)], [(1, 20), (1, 40)], [("1", 10), ("λ", 30), ("1-λ", 20)]),
        ([(1, 10), (1, 30), (1, 50)], [(1, 20)], [("1", 10), ("λ", 30), ("λ", 50)]),
    ],
)
def test_mixtures_hold_the_tracks_of_both_scenes(
    first: Tracks, second: Tracks, expected: list[tuple[str, int]]
) -> None:
    weight, found = mixed_hisses(first, second)
    assert 0.5 < weight < 1.0
    known = {"λ": weight, "1-λ": 1 - weight, "1": 1.0}
    assert [azimuth_deg for _, azimuth_deg in found] == [azimuth_deg for _, azimuth_deg in expected]
    assert [activity for activity, _ in found] == pytest.approx([known[name] for name, _ in expected])


def test_one_track_holds_the_class_and_the_direction_of_the_louder_scene() -> None:
    assert mixed_hisses([(1, 10)], [(1, 20)], tracks=1)[1] == [(1.0, 10)]
    weight, found = mixed_hisses([], [(1, 20)], tracks=1)
    assert found == [(pytest.approx(1 - weight), 20)]


def test_where_the_softer_scene_is_surer_its_direction_leads() -> None:
    """Scenes that were mixed before have activities below 1."""
    weight, found = mixed_hisses([(0.1, 10)], [(1, 20)])
    assert 0.1 * weight < 1 - weight
    assert found == [(pytest.approx(0.1 * weight + 1 - weight), 20), (pytest.approx(0.1 * weight), 10)]


def test_different_classes_sound_beside_each_other() -> None:
    batch = scenes_of([(1, 10)], [])
    batch.target.activity[1, 0, 2, 0] = 1.0
    after = mix_clips(batch, 1.0, chance())
    for row, other in ((0, 1), (1, 0)):
        own = after.features[row, 0, 0, 0].item() if row else 1 - after.features[row, 0, 0, 0].item()
        classes = after.target.activity[row, 0].amax(dim=-1)
        assert classes[[2 * row, 1, 2 * other]].tolist() == pytest.approx([own, 0.0, 1 - own])


def test_the_first_track_is_the_soft_label_and_tracks_are_sorted() -> None:
    batch = made_up(40)
    # One cell tells each clip, so that it shows in the mixture who was mixed.
    batch.features[:, INTENSITY, 0, :40] = torch.eye(40)
    after = mix_clips(batch, 1.0, chance())
    weights = after.features[:, INTENSITY, 0, :40]
    assert torch.allclose(weights.sum(dim=1), torch.ones(40))
    assert (weights.diagonal() >= 0.5).all()
    assert ((weights > 0).sum(dim=1) == 2).all()
    assert torch.allclose(after.features, torch.einsum("ab,bctm->actm", weights, batch.features), atol=1e-4)
    expected = torch.einsum("ab,bfk->afk", weights, batch.target.activity[..., 0])
    assert torch.allclose(after.target.activity[..., 0], expected, atol=1e-6)
    assert (after.target.activity.diff(dim=-1) <= 0).all()
    assert after.target.activity.max() == 1.0


def test_mixing_is_often_slight() -> None:
    """The median of Beta(½, ½), folded, is sin²(3π/8)."""
    batch = TrainingBatch.concat([scenes_of([], [])] * 1000)
    after = mix_clips(batch, 1.0, chance())
    other = (after.features - batch.features)[:, 0, 0, 0].abs()
    # Half of the clips were mixed with one of the same features.
    assert 1 - other[other > 0].median().item() == pytest.approx(np.sin(3 * np.pi / 8) ** 2, abs=0.03)


def test_labels_are_mixed_in_just_the_clips_whose_sound_is() -> None:
    batch = made_up(40)
    after = mix_clips(batch, 0.5, chance())
    mixed = touched(batch.features, after.features)
    assert torch.equal(mixed, touched(batch.target.activity, after.target.activity))
    assert 10 < mixed.sum() < 30


@pytest.mark.parametrize("mix", [mix_clips, overlay_clips])
def test_a_clip_alone_is_not_mixed(mix: Augmentation) -> None:
    batch = made_up(1)
    assert mix(batch, 1.0, chance()) is batch


def two_places(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise from the left, and other, duller noise from the right that comes and goes and has an echo."""
    left = noise(1, seed=seed)[:, :1]
    right = noise(1, seed=seed + 1)[:, :1].unfold(-1, 9, 1).mean(-1)
    right = torch.nn.functional.pad(right, (4, 4)) * (torch.arange(24_000) // 3_000 % 2)
    right = right + right.roll(200, dims=-1)
    return (
        torch.cat([gain * sound for gain in gains], dim=1) for sound, gains in ((left, (0.8, 0.2)), (right, (0.2, 0.8)))
    )


def test_an_overlay_has_the_features_of_both_sounds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["seldfuse.train.augment.overlay"], "MOST_DB", 0.0)
    one, two = two_places()
    before = heard(torch.cat([one, two]))
    whole = 10 ** (before.features[:, LEFT : RIGHT + 1] / 10)
    louder = (whole[0].mean() / whole[1].mean()).sqrt()
    after, expected = overlay_clips(before, 1.0, chance()), heard(one + louder * two)
    for channel, most in ((LEFT, 1.0), (RIGHT, 1.0), (ILD, 1.0), (INTENSITY, 0.05), (STPACC, 0.05)):
        off, alone = ((batch.features - expected.features)[0, channel].abs().mean() for batch in (after, before))
        assert off < most, channel
        assert off < alone * (0.6 if channel == STPACC else 1.0 if channel == LEFT else 0.1), channel


def test_an_overlay_comes_from_the_scene_that_shares_most_and_is_out_of_the_picture() -> None:
    batch = heard(noise(4))
    activity = torch.zeros(4, 10, len(THREE), 3)
    for clip, cls in enumerate((0, 1, 0, 2)):
        activity[clip, :, cls, 0] = 1.0
    onscreen = torch.ones_like(activity)
    batch = replace(batch, target=replace(batch.target, activity=activity, onscreen=onscreen))
    after = overlay_clips(batch, 1.0, chance()).target
    for clip, other in ((0, 2), (2, 0)):
        assert after.activity[clip, :, 0].unique(dim=0).tolist() == [[1.0, 1.0, 0.0]]
        assert after.onscreen[clip, :, 0, :2].unique(dim=0).tolist() == [[1.0, 0.0]]
        assert torch.equal(after.direction[clip, :, 0, 1], batch.target.direction[other, :, 0, 0])
    # Who shares nothing with anybody sounds together with anybody.
    assert after.activity[1, 0].sum() == 2.0


def test_an_overlay_is_heard_by_encoders_and_not_seen() -> None:
    batch = heard(noise(2))
    tokens = torch.rand(2, 10, 1, 4)
    batch = replace(
        batch, embeddings={"seen": EncoderTokens(tokens, tokens.flip(2)), "heard": EncoderTokens(tokens, input="audio")}
    )
    after = overlay_clips(batch, 1.0, chance()).embeddings
    assert after["seen"] is batch.embeddings["seen"]
    assert torch.allclose(after["heard"].plain, tokens.mean(dim=0).expand(2, -1, -1, -1))


def test_codec_wears_just_the_chosen_clips() -> None:
    audio = noise(40, level=0.3)
    before = audio.clone()
    after = encode_lossy(audio, 0.5, chance())
    assert torch.equal(audio, before)
    assert after.shape == audio.shape
    assert 10 < touched(audio, after).sum() < 30
    assert encode_lossy(audio, 0.0, chance()) is audio


def test_codec_takes_every_bit_rate_and_overshoots_nowhere() -> None:
    audio = noise(1, level=0.6).clamp(-1, 1)
    after = encode_lossy(audio.expand(60, -1, -1), 1.0, chance())
    assert after.abs().max() == 1.0
    high = torch.fft.rfft(after[:, 0]).abs().square()
    # Chance gives clips other noise at the middle rates, the rate itself the band that is left: to 4, 8.2 or 12 kHz.
    assert len(after.unique(dim=0)) > 30
    to_4_khz, to_8_khz = (high[:, hz:].sum(dim=1) < 0.05 * high[:, : hz - 500].sum(dim=1) for hz in (4500, 8700))
    assert 0 < to_4_khz.sum() < to_8_khz.sum() < 60
    assert to_8_khz.sum() / 60 == pytest.approx(sum(rate.cutoff_hz < 12_000 for rate in RATES.values()) / 6, abs=0.15)


@pytest.mark.parametrize("name", ALL)
def test_the_same_numbers_give_the_same_batch_and_leave_the_input_alone(name: str) -> None:
    batch, untouched = made_up(6), made_up(6)
    first, again, other = (ALL[name](batch, 0.7, chance(seed)) for seed in (3, 3, 4))
    assert same(batch, untouched)
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("name", ALL)
def test_a_share_of_nothing_is_the_same_object_and_draws_no_number(name: str) -> None:
    batch, rng = made_up(2), chance()
    assert ALL[name](batch, 0.0, rng) is batch
    assert rng.random() == chance().random()


@pytest.mark.parametrize("name", SHARED)
def test_about_the_share_of_the_clips_is_touched(name: str) -> None:
    batch = made_up(200)
    after = SHARED[name](batch, 0.25, chance())
    assert touched(batch.features, after.features).sum().item() == pytest.approx(50, abs=20)


@pytest.mark.parametrize("change", [change_gain, filter_bands, overlay_clips])
def test_without_levels_there_is_nothing_to_change(change: Augmentation) -> None:
    batch = made_up(2)
    batch = TrainingBatch(batch.features[:, [INTENSITY]], ("intensity",), batch.target)
    assert change(batch, 1.0, chance()) is batch


def test_all_of_them_one_after_the_other() -> None:
    given = {"channel_swap": 0.5, "mixup": 0.4, "gain_db": 6.0, "spec_mask": 0.6, "band_filter": 0.7, "band_shift": 0.3}
    batch = heard(noise(8))
    rng = chance()
    expected = change_gain(filter_bands(shift_bands(swap_channels(batch, 0.5, rng), 0.3, rng), 0.7, rng), 6.0, rng)
    expected = mix_clips(mask_bands_and_time(expected, 0.6, rng), 0.4, rng)
    assert same(augment_batch(batch, complete_amounts(given), chance()), expected)
    assert not same(augment_batch(batch, complete_amounts(given), chance(1)), expected)


def test_by_default_only_sides_change() -> None:
    batch = made_up(20)
    assert same(augment_batch(batch, complete_amounts({}), chance()), swap_channels(batch, 0.5, chance()))
    assert augment_batch(batch, complete_amounts({"channel_swap": 0.0}), chance()) is batch


@pytest.mark.parametrize(
    "name", ["channel_swap", "mixup", "overlay", "spec_mask", "band_filter", "band_shift", "codec"]
)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_share_lies_between_nothing_and_all(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"augmentation {name} must be a share of the clips, from 0 to 1, got {value}"):
        complete_amounts({name: value})


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_a_gain_is_not_negative(value: float) -> None:
    with pytest.raises(UsageError, match=f"augmentation gain_db must be 0 dB or more, got {value}"):
        complete_amounts({"gain_db": value})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mixupp", "augment.mixupp: there is no augmentation 'mixupp'; did you mean 'mixup'? Known: band_filter, "),
        ("swaps", "augment.swaps: there is no augmentation 'swaps'; Known: band_filter, band_limit, "),
        ("", "augment.: there is no augmentation ''; Known: "),
    ],
)
def test_an_augmentation_that_nobody_has_is_told_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        complete_amounts({name: 0.0})
    assert str(caught.value).startswith(message)


def test_amounts_are_complete_and_in_the_order_of_the_recipes() -> None:
    assert complete_amounts({"Band-Shift": 1.0, "mixup": 0.25}) == {
        "channel_swap": 0.5, "mixup": 0.25, "overlay": 0.0, "gain_db": 0.0, "spec_mask": 0.0, "band_filter": 0.0,
        "band_limit": 0.0, "band_shift": 1.0, "drop_picture": 0.0, "foreign_picture": 0.0, "codec": 0.0
    }  # fmt: skip
    assert list(complete_amounts({"codec": 1.0})) == list(complete_amounts({}))
    with pytest.raises(UsageError, match=r"augment\.mixup and augment\.Mixup are one setting; give augment\.mixup"):
        complete_amounts({"mixup": 0.1, "Mixup": 0.2})


def test_they_happen_in_the_order_that_their_values_state() -> None:
    values = [entry.value for entry in load_registry().augmentations.values() if entry.value.stage == "batch"]
    assert [value.name for value in sorted(values, key=lambda value: value.order)] == [
        "channel_swap", "overlay", "band_shift", "band_filter", "band_limit", "gain_db", "spec_mask", "mixup",
        "foreign_picture", "drop_picture"
    ]  # fmt: skip


def test_the_picture_of_another_clip_shows_nothing_that_sounds() -> None:
    batch = made_up(4)
    onscreen = torch.ones_like(batch.target.activity)
    onscreen[0] = torch.nan
    pictures = EncoderTokens(torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 10, 2, 3))
    sound = EncoderTokens(pictures.plain, input="audio")
    batch = replace(
        batch, target=replace(batch.target, onscreen=onscreen), embeddings={"picture": pictures, "sound": sound}
    )
    changed = exchange_pictures(batch, 1.0, np.random.default_rng(0))
    assert changed.embeddings["picture"].plain[:, 0, 0, 0].tolist() == [3.0, 0.0, 1.0, 2.0]
    assert torch.equal(changed.embeddings["sound"].plain, sound.plain)
    assert changed.target.onscreen is not None
    assert changed.target.onscreen[0].isnan().all()
    assert (changed.target.onscreen[1:] == 0).all()
    assert exchange_pictures(batch, 0.0, np.random.default_rng(0)) is batch


def test_a_band_limit_gives_the_features_of_sound_that_was_band_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["seldfuse.train.augment.band_limit"]
    monkeypatch.setattr(module, "EDGE_HZ", (4000.0, 4000.0))
    monkeypatch.setattr(module, "ORDER", (4.0, 4.0))
    audio = noise(2, seconds=5.0)
    limited = apply_chain(audio.clone(), [RecordingChain(gain_db=0.0, lowpass_hz=4000.0)] * 2)
    got, expected = limit_bandwidth(heard(audio), 1.0, chance()), heard(limited)
    levels = [LEFT, RIGHT]
    assert (expected.features - heard(audio).features)[:, levels, :, 55:].amax() < -20
    inside = slice(2, -2)  # at the ends the sound is cut off, which makes treble
    assert torch.allclose(got.features[:, levels, inside], expected.features[:, levels, inside], atol=1.5)
    assert (got.features - expected.features)[:, levels].abs().mean() < 0.3
    assert torch.equal(got.features[:, [STPACC, ILD, INTENSITY]], heard(audio).features[:, [STPACC, ILD, INTENSITY]])
    assert got.target is not None


def test_a_band_limit_raises_nothing_and_keeps_the_range() -> None:
    batch = heard(noise(8, level=0.1))
    limited = limit_bandwidth(batch, 1.0, chance(3)).features[:, [LEFT, RIGHT]]
    before = batch.features[:, [LEFT, RIGHT]]
    assert (limited <= before).all()
    loudest = limited.amax(dim=(1, 2, 3), keepdim=True)
    assert (limited.minimum(before) >= (loudest - 80.0).minimum(before) - 1e-3).all()
    assert ((before - limited)[..., -1].amax(dim=(1, 2)) > 3.0).all()
    assert ((before - limited)[..., 0].amax(dim=(1, 2)) < 0.1).all()


def test_an_augmentation_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> TrainingBatch:
        raise ZeroDivisionError("no clip is that long")

    monkeypatch.setattr("seldfuse.train.augment.mixup.mix_clips", fail)
    amounts = complete_amounts({"channel_swap": 0.0, "mixup": 1.0})
    with pytest.raises(PluginError, match=r"'mixup' failed in .*mix_clips .*no clip is that long.*augment.mixup=0"):
        augment_batch(made_up(2), amounts, np.random.default_rng(0))
