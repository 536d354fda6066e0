"""Events as votes."""

import pandas as pd
import pytest
import torch

from seldfuse.core.events import Events
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings, build_vote_posterior, decode_frames, fuse_posteriors


def events(*rows):
    columns = ["frame", "cls", "source", "azimuth_deg", "distance_m", "onscreen"]
    return Events(pd.DataFrame(rows, columns=columns))


TABLE = events((0, 3, 0, 40.0, 2.0, 1), (2, 3, 4, -40.0, 1.5, 0), (2, 3, 7, 60.0, 3.0, 1), (2, 5, 0, 10.0, 1.0, 0))


def test_events_come_back_from_their_votes():
    posterior = build_vote_posterior(TABLE, 5)
    assert posterior.activity.shape == (1, 5, 13, 2)
    back = decode_frames(posterior)[0].table
    pd.testing.assert_frame_equal(
        back[["frame", "cls", "azimuth_deg", "distance_m", "onscreen"]],
        TABLE.table[["frame", "cls", "azimuth_deg", "distance_m", "onscreen"]],
        rtol=1e-5,
    )
    assert back["score"].eq(1).all()


def test_the_majority_decides():
    tables = {
        "a": TABLE,
        "b": events((0, 3, 0, 44.0, 2.0, 1), (1, 1, 0, 0.0, 1.0, 0)),
        "c": events((2, 3, 0, 64.0, 3.0, 1), (0, 3, 0, 42.0, 2.0, 1)),
    }
    fused = fuse_posteriors(
        {name: build_vote_posterior(table, 5, tracks=2) for name, table in tables.items()}, FusionSettings()
    )
    kept = decode_frames(fused)[0].table
    assert kept[["frame", "cls"]].to_numpy().tolist() == [[0, 3], [2, 3]]
    assert kept["azimuth_deg"].tolist() == pytest.approx([42.0, 62.0], abs=0.01)
    assert kept["score"].tolist() == pytest.approx([1.0, 2 / 3])


def test_what_no_event_tells_is_left_out_and_what_some_tell_is_nan_elsewhere():
    nan = float("nan")
    posterior = build_vote_posterior(events((0, 0, 0, 10.0, nan, nan), (1, 0, 0, 20.0, 2.0, nan)), 2)
    assert posterior.provides == ("activity", "direction", "distance")
    assert posterior.distance[0, :, 0, 0].isnan().tolist() == [True, False]


def test_a_vote_without_distance_leaves_the_distance_to_others():
    nan = float("nan")
    one = build_vote_posterior(events((0, 0, 0, 10.0, nan, nan), (1, 0, 0, 20.0, 2.0, nan)), 2)
    other = build_vote_posterior(events((0, 0, 0, 10.0, 3.0, 1)), 2)
    fused = fuse_posteriors({"one": one, "other": other}, FusionSettings())
    assert fused.distance[0, :, 0, 0].tolist() == pytest.approx([3.0, 2.0])


def test_an_empty_table_votes_for_silence():
    posterior = build_vote_posterior(Events.empty(), 3)
    assert posterior.provides == ("activity",)
    assert torch.equal(posterior.activity, torch.zeros(1, 3, 13, 1))


def test_events_beyond_the_clip_and_crowds_are_refused():
    with pytest.raises(UsageError, match="an event stands in frame 2 of a clip of 2 frames"):
        build_vote_posterior(TABLE, 2)
    crowd = events(*[(0, 0, source, 10.0 * source, 1.0, 0) for source in range(7)])
    with pytest.raises(UsageError, match="at most 6 events of one class in a frame can be fused, got 7"):
        build_vote_posterior(crowd, 2)
