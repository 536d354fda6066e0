"""Decoding: against a slow twin that walks along time, and fact by fact."""

import numpy as np
import pytest
import torch

from benchmarks.baseline import fusion
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, decode_frames
from seldfuse.fusion.decode import find_active

PAIR = LabelSet("pair", (Label("cat", "Cat"), Label("dog", "Dog")))


@pytest.mark.parametrize("low", [0.5, 0.3, 0.1])
@pytest.mark.parametrize("max_gap", [0, 1, 3])
@pytest.mark.parametrize("min_frames", [1, 2, 5])
def test_what_sounds_agrees_with_the_slow_twin(low, max_gap, min_frames):
    activity = torch.rand(3, 60, 2, 2, generator=torch.Generator().manual_seed(0)) ** 1.5
    settings = DecodeSettings({"cat": 0.5, "dog": 0.8}, low, {"dog": max_gap, "cat": 1}, min_frames)
    _, active = find_active(activity, settings, PAIR)
    for clip, cls, track in np.ndindex(3, 2, 2):
        lane = activity[clip, :, cls, track].double().numpy()
        _, expected = fusion.find_active_frames(lane, (0.5, 0.8)[cls], low, (1, max_gap)[cls], min_frames)
        np.testing.assert_array_equal(active[clip, :, cls, track].numpy(), expected)


@pytest.mark.parametrize(("low", "max_gap", "min_frames"), [(0.6, 0, 1), (0.3, 0, 1), (0.6, 2, 1), (0.6, 0, 3)])
@pytest.mark.parametrize("frames", [0, 1, 60])
def test_steps_that_no_class_asks_for_are_left_out_rightly(low, max_gap, min_frames, frames):
    activity = torch.rand(3, frames, 2, 2, generator=torch.Generator().manual_seed(1)) ** 1.5
    _, active = find_active(activity, DecodeSettings(0.6, low, max_gap, min_frames), PAIR)
    for clip, cls, track in np.ndindex(3, 2, 2):
        lane = activity[clip, :, cls, track].double().numpy()
        _, expected = fusion.find_active_frames(lane, 0.6, low, max_gap, min_frames)
        np.testing.assert_array_equal(active[clip, :, cls, track].numpy(), expected)


def lane(activity, azimuth_deg=0.0, cls=0, tracks=1, **fields):
    """A posterior in which one track of one class sounds, in one clip."""
    values = torch.zeros(1, len(activity), 2, tracks)
    values[0, :, cls, 0] = torch.tensor(activity)
    azimuth = torch.zeros_like(values)
    azimuth[0, :, cls, 0] = torch.as_tensor(azimuth_deg, dtype=torch.float32)
    return Posterior(values, direction_from_azimuth(azimuth), **fields, labels=PAIR)


def frames_of(events):
    return events.table["frame"].tolist()


def test_the_threshold_itself_is_silence():
    assert frames_of(decode_frames(lane([0.5, 0.5001, 0.4]))[0]) == [1]


def test_a_class_has_its_own_threshold():
    settings = DecodeSettings(threshold={"dog": 0.2})
    assert frames_of(decode_frames(lane([0.3, 0.6], cls=1), settings)[0]) == [0, 1]
    assert frames_of(decode_frames(lane([0.3, 0.6], cls=0), settings)[0]) == [1]


def test_hysteresis_keeps_the_quiet_ends_of_a_loud_stretch():
    quiet_and_loud = lane([0.3, 0.3, 0.0, 0.3, 0.7, 0.3, 0.1])
    assert frames_of(decode_frames(quiet_and_loud, DecodeSettings(offset_threshold=0.2))[0]) == [3, 4, 5]


def test_a_closed_pause_keeps_what_was_last_heard():
    posterior = lane([0.9, 0.1, 0.1, 0.9, 0.0], azimuth_deg=[30.0, -170.0, 90.0, 40.0, 0.0])
    table = decode_frames(posterior, DecodeSettings(max_gap_frames=2))[0].table
    assert table["frame"].tolist() == [0, 1, 2, 3]
    assert table["azimuth_deg"].tolist() == pytest.approx([30, 30, 30, 40], abs=1e-4)
    assert table["score"].tolist() == pytest.approx([0.9, 0.1, 0.1, 0.9])


def test_silence_before_and_after_a_source_is_no_pause():
    assert frames_of(decode_frames(lane([0.0, 0.9, 0.0]), DecodeSettings(max_gap_frames=5))[0]) == [1]


def test_near_sources_of_one_class_become_one():
    posterior = lane([0.7], tracks=3)
    posterior.activity[0, 0, 0] = torch.tensor([0.7, 0.9, 0.8])
    posterior.direction[0, 0, 0] = direction_from_azimuth(torch.tensor([0.0, 10.0, 60.0]))
    table = decode_frames(posterior)[0].table
    assert table["source"].tolist() == [0, 2]
    assert table["score"].tolist() == pytest.approx([0.9, 0.8])
    assert table["azimuth_deg"].tolist() == pytest.approx([5.63, 60.0], abs=0.01)


def test_one_table_comes_for_every_clip_even_an_empty_one():
    activity = torch.zeros(4, 3, 13, 2)
    activity[1, 2, 4, 1] = activity[3, 0, 5, 0] = 0.8
    tables = decode_frames(Posterior(activity))
    assert [len(events) for events in tables] == [0, 1, 0, 1]
    assert tables[1].table.loc[0, ["frame", "cls", "source"]].tolist() == [2, 4, 1]
    assert tables[3].table.loc[0, ["frame", "cls", "source"]].tolist() == [0, 5, 0]


def test_what_the_posterior_does_not_know_is_nan():
    row = decode_frames(Posterior(torch.full((1, 1, 13, 1), 0.9)))[0].table.iloc[0]
    assert row[["azimuth_deg", "distance_m", "onscreen", "azimuth_std_deg", "distance_std_m"]].isna().all()


def test_values_and_doubts_come_through():
    one = torch.ones(1, 1, 13, 1)
    posterior = Posterior(
        0.9 * one,
        direction_from_azimuth(-120.0 * one),
        distance=2.0 * one,
        onscreen=torch.linspace(0.5, 0.51, 13).reshape(one.shape),
        azimuth_std_deg=7.0 * one,
        distance_log_std=0.25 * one,
    )
    table = decode_frames(posterior)[0].table
    # Folded to the front, as files have it.
    assert table["azimuth_deg"].to_numpy() == pytest.approx(-60.0)
    assert table["distance_m"].to_numpy() == pytest.approx(2.0)
    assert table["onscreen"].tolist() == [0] + [1] * 12
    assert table["azimuth_std_deg"].to_numpy() == pytest.approx(7.0)
    assert table["distance_std_m"].to_numpy() == pytest.approx(0.5)


def test_half_precision_is_decoded():
    posterior = Posterior(torch.full((1, 2, 13, 1), 0.9, dtype=torch.float16))
    assert len(decode_frames(posterior)[0]) == 2 * len(DCASE2025)
