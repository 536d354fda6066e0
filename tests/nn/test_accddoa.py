"""Multi-ACCDDOA heads: against the baseline's own decoding."""

import csv

import numpy as np
import pandas as pd
import pytest
import torch

from seldfuse.core.geometry import fold_azimuth
from seldfuse.fusion import decode_frames, merge_duplicate_tracks
from seldfuse.nn.accddoa import decode_accddoa, posterior_from_accddoa


@pytest.fixture(scope="module")
def raw(shared):
    return torch.from_numpy(np.load(shared / "golden/decode/logits.npz")["logits"])


def rows(path):
    with path.open() as file:
        return sorted(tuple(map(int, row.values())) for row in csv.DictReader(file))


def test_decoding_equals_the_baseline_row_by_row(shared, raw):
    for clip, events in enumerate(decode_accddoa(raw, onscreen=True)):
        table = events.table
        columns = [table["frame"], table["cls"], table["azimuth_deg"].round(), (table["distance_m"] * 100).round()]
        mine = sorted(
            tuple(map(int, (f, c, 0, a, d, o))) for f, c, a, d, o in zip(*columns, table["onscreen"], strict=True)
        )
        # The stored on-screen values are 0 or 1, where the baseline's truncation does no harm.
        assert mine == rows(shared / f"golden/decode/s/c{clip}.csv")


def test_the_route_through_posteriors_agrees_within_a_degree_and_a_centimetre(raw):
    posterior = posterior_from_accddoa(raw, onscreen=True)
    for exact, routed in zip(
        decode_accddoa(raw, onscreen=True), decode_frames(merge_duplicate_tracks(posterior)), strict=True
    ):
        one, other = (in_one_order(events.table) for events in (exact, routed))
        pd.testing.assert_frame_equal(one[["frame", "cls"]], other[["frame", "cls"]])
        apart = fold_azimuth(one["azimuth_deg"]) - other["azimuth_deg"]
        assert apart.abs().max() < 1.0
        assert (one["distance_m"] - other["distance_m"]).abs().max() < 0.01


def in_one_order(table):
    return table.sort_values(["frame", "cls", "distance_m"], ignore_index=True)


def head(*tracks, onscreen=True):
    """One clip, one frame; class 0 sounds on tracks of (azimuth, length, distance, on-screen)."""
    raw = torch.zeros(1, 1, 3, 4 if onscreen else 3, 13)
    for k, (azimuth_deg, length, distance_m, seen) in enumerate(tracks):
        azimuth = np.radians(azimuth_deg)
        values = [length * np.cos(azimuth), length * np.sin(azimuth), distance_m, seen]
        raw[0, 0, k, :, 0] = torch.tensor(values[: raw.shape[3]])
    return raw.flatten(2)


def decoded(*tracks):
    table = decode_accddoa(head(*tracks), onscreen=True)[0].table
    columns = table[["azimuth_deg", "distance_m", "onscreen"]]
    return [tuple(round(value, 2) for value in row) for row in columns.itertuples(index=False)]


SILENT = (0.0, 0.0, 0.0, 0.0)


def test_tracks_apart_stand_alone():
    assert decoded((0, 0.9, 1.0, 0.2), (90, 0.9, 2.0, 0.8), (-90, 0.9, 3.0, 0.8)) == [
        (0, 1, 0),
        (90, 2, 1),
        (-90, 3, 1),
    ]


@pytest.mark.parametrize(("first", "second", "named"), [(0, 1, 0), (1, 2, 1), (0, 2, 2)])
def test_a_similar_pair_becomes_its_mean_with_the_flag_of_the_first_named(first, second, named):
    tracks = [SILENT] * 3
    tracks[first], tracks[second] = (0, 0.8, 1.0, 0.2), (10, 0.8, 2.0, 0.2)
    tracks[named] = (*tracks[named][:3], 0.9)
    assert decoded(*tracks) == [(5, 1.5, 1)]


def test_three_tracks_in_a_chain_become_their_mean():
    assert decoded((0, 0.8, 1.0, 0.9), (12, 0.8, 2.0, 0.1), (24, 0.8, 3.0, 0.1)) == [(12, 2, 1)]


def test_a_silent_copy_is_not_averaged_in():
    assert decoded((0, 0.8, 1.0, 0.9), (10, 0.4, 9.0, 0.1), SILENT) == [(0, 1, 1)]


def test_on_screen_is_thresholded_not_truncated():
    assert decoded((0, 0.8, 1.0, 0.97), SILENT, SILENT) == [(0, 1, 1)]


def test_activity_is_the_length_and_at_most_one():
    posterior = posterior_from_accddoa(head((45, 0.6, 1.0, 0), (-135, 1.3, 2.0, 0), SILENT, onscreen=False))
    assert posterior.activity[0, 0, 0].tolist() == pytest.approx([0.6, 1.0, 0.0])
    assert posterior.direction.norm(dim=-1).numpy() == pytest.approx(1.0)
    assert posterior.provides == ("activity", "direction", "distance")


def test_a_head_of_another_size_is_refused():
    with pytest.raises(ValueError, match="a head of 3 tracks, 4 elements and 13 classes has 156 outputs, got 117"):
        posterior_from_accddoa(torch.zeros(1, 2, 117), onscreen=True)
