"""Events that people read: fact by fact, in lanes of one class."""

import numpy as np
import pandas as pd
import pytest
import torch

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import DecodeSettings, EventSettings, decode_frames, find_events

PAIR = LabelSet("pair", (Label("cat", "Cat"), Label("dog", "Dog")))
PLAIN = EventSettings(offset_share=1.0, max_gap_s=0.0, min_duration_s=0.0, split_log_odds=50.0)


def posterior(*tracks: tuple[list[float], float | list[float]], cls: int = 0) -> Posterior:
    """One clip in which tracks of one class have an activity and an azimuth in each frame."""
    frames = len(tracks[0][0])
    activity, azimuth_deg = torch.zeros(2, 1, frames, 2, len(tracks))
    for track, (values, places) in enumerate(tracks):
        activity[0, :, cls, track] = torch.tensor(values)
        azimuth_deg[0, :, cls, track] = torch.as_tensor(places, dtype=torch.float32)
    return Posterior(activity, direction_from_azimuth(azimuth_deg), labels=PAIR)


def spans(said: Posterior, settings: EventSettings, frames: DecodeSettings = DecodeSettings()) -> list[tuple[int, ...]]:  # noqa: B008
    """Source, first frame and the frame after the last of every event."""
    (events,) = find_events(said, settings, frames)
    rows = events.segments()
    ends = (np.rint(rows[name] * 10).astype(int) for name in ("start_s", "end_s"))
    return list(zip(rows["source"], *ends, strict=True))


def test_by_plain_settings_events_are_the_stretches_of_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    said = Posterior(
        torch.rand(3, 40, 2, 1, generator=generator), torch.tensor([1.0, 0, 0]).expand(3, 40, 2, 1, 3), labels=PAIR
    )
    for events, frames in zip(find_events(said, PLAIN), decode_frames(said), strict=True):
        columns = ["cls", "source", "start_s", "end_s"]
        assert events.segments()[columns].equals(frames.segments()[columns])


def test_a_source_that_hops_from_track_to_track_is_one_event() -> None:
    hopping = [0.9, 0.0, 0.9, 0.0, 0.9, 0.0]
    said = posterior((hopping, 30.0), ([0.9 - value for value in hopping], 30.0))
    assert spans(said, EventSettings(min_duration_s=0.5)) == [(0, 0, 6)]
    assert len(decode_frames(said)[0].segments()) == 6


def test_two_sources_that_change_tracks_stay_themselves() -> None:
    swapped = [20.0] * 4 + [-60.0] * 4
    said = posterior(([0.9] * 8, swapped), ([0.9] * 8, [-60.0] * 4 + [20.0] * 4))
    (events,) = find_events(said)
    rows = events.segments()
    assert sorted(rows["azimuth_deg"].round().tolist()) == [-60.0, 20.0]
    assert rows["azimuth_high_deg"].tolist() == pytest.approx(rows["azimuth_low_deg"].tolist(), abs=0.01)


def test_where_the_azimuth_jumps_another_event_begins() -> None:
    said = posterior(([0.9] * 10, [50.0] * 5 + [-40.0] * 5))
    assert spans(said, EventSettings()) == [(0, 0, 5), (1, 5, 10)]
    assert spans(said, EventSettings(jump_deg=120.0)) == [(0, 0, 10)]
    assert find_events(said)[0].segments()["azimuth_deg"].round(1).tolist() == [50.0, -40.0]


def test_what_moves_has_a_range() -> None:
    said = posterior(([0.9] * 41, np.linspace(-40, 40, 41).tolist()))
    (row,) = find_events(said)[0].segments().to_dict("records")
    assert row["azimuth_deg"] == pytest.approx(0.0, abs=0.5)
    assert row["azimuth_low_deg"] == pytest.approx(-35.0, abs=1)
    assert row["azimuth_high_deg"] == pytest.approx(35.0, abs=1)


def test_one_stray_frame_neither_ends_an_event_nor_is_one() -> None:
    said = posterior(([0.9] * 9, [30.0] * 4 + [-60.0] + [30.0] * 4))
    assert spans(said, EventSettings()) == [(0, 0, 9)]
    (row,) = find_events(said)[0].segments().to_dict("records")
    assert row["azimuth_low_deg"] == pytest.approx(30.0, abs=0.01)


def test_a_source_has_its_number_again_after_a_pause() -> None:
    said = posterior(([0.9] * 3 + [0.0] * 8 + [0.9] * 3 + [0.0] * 4 + [0.9] * 3, [30.0] * 17 + [-50.0] * 4))
    assert spans(said, EventSettings()) == [(0, 0, 3), (0, 11, 14), (1, 18, 21)]


def test_pauses_are_closed_up_to_their_length_before_what_is_short_is_dropped() -> None:
    said = posterior(([0.9, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.9], 10.0))
    assert spans(said, EventSettings(max_gap_s=0.2, min_duration_s=0.3)) == [(0, 0, 4)]
    assert spans(said, EventSettings(max_gap_s=0.3, min_duration_s=0.3)) == [(0, 0, 8)]
    assert spans(said, EventSettings(max_gap_s=0.0, min_duration_s=0.2)) == []


def test_an_event_exceeds_the_threshold_once_and_a_share_of_it_always() -> None:
    quiet_and_loud = posterior(([0.2, 0.4, 0.7, 0.4, 0.4, 0.2, 0.4, 0.4], 0.0))
    settings = EventSettings(threshold=0.6, offset_share=0.5, max_gap_s=0.0)
    assert spans(quiet_and_loud, settings) == [(0, 1, 5)]


def test_the_threshold_is_that_of_frames_where_none_is_given() -> None:
    said = posterior(([0.4] * 4, 0.0))
    assert spans(said, EventSettings()) == []
    assert spans(said, EventSettings(), DecodeSettings({"cat": 0.3})) == [(0, 0, 4)]
    assert spans(said, EventSettings(threshold=0.5), DecodeSettings({"cat": 0.3})) == []


def test_a_deep_dip_ends_an_event_and_a_shallow_one_does_not() -> None:
    said = posterior(([0.95, 0.95, 0.6, 0.95, 0.95], 0.0))
    settings = EventSettings(split_log_odds=2.0, min_duration_s=0.1)
    assert spans(said, settings) == [(0, 0, 2), (0, 3, 5)]
    assert spans(said, EventSettings(split_log_odds=3.0)) == [(0, 0, 5)]
    fading = posterior(([0.95, 0.95, 0.6, 0.5, 0.4], 0.0))
    assert spans(fading, settings) == [(0, 0, 5)]


def test_limits_may_differ_by_class() -> None:
    settings = EventSettings(min_duration_s={"dog": 0.5, "default": 0.2})
    three = [0.9] * 3 + [0.0]
    assert spans(posterior((three, 0.0), cls=0), settings) == [(0, 0, 3)]
    assert spans(posterior((three, 0.0), cls=1), settings) == []
    with pytest.raises(UsageError, match="mouse"):
        find_events(posterior((three, 0.0)), EventSettings(min_duration_s={"mouse": 1.0}))


def test_without_directions_a_class_is_one_source() -> None:
    said = Posterior(posterior(([0.9] * 5, 0.0)).activity, labels=PAIR)
    assert spans(said, EventSettings()) == [(0, 0, 5)]
    assert find_events(said)[0].table["azimuth_deg"].isna().all()


@pytest.mark.parametrize("frames", [0, 1, 20])
def test_silence_has_no_events(frames: int) -> None:
    assert [len(events) for events in find_events(Posterior(torch.zeros(2, frames, 2, 3), labels=PAIR))] == [0, 0]


def test_a_batch_gives_what_its_clips_give_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    activity = torch.rand(4, 60, 2, 3, generator=generator) ** 0.7
    azimuth_deg = 180 * torch.rand(4, 60, 2, 3, generator=generator) - 90
    batch = Posterior(activity, direction_from_azimuth(azimuth_deg), labels=PAIR)
    for number, events in enumerate(find_events(batch)):
        (alone,) = find_events(batch.map(lambda value, number=number: value[number : number + 1]))
        pd.testing.assert_frame_equal(events.table, alone.table)
        rows = events.segments()
        assert (rows["end_s"] - rows["start_s"]).min() > 0.19
