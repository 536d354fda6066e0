"""Counts without tables of events, and cells that are left out of a fit."""

import numpy as np
import pytest
import torch
from tuning_worlds import draw_data

from seldfuse.fusion import DecodeSettings, decode_frames
from seldfuse.metrics.counts import count_matches
from seldfuse.tune.counting import count_posteriors
from seldfuse.tune.subsample import subsample


@pytest.mark.parametrize("mode", ["official", "strict"])
def test_counts_are_those_of_the_decoded_events(mode) -> None:
    data = draw_data(20)
    estimate, settings = data.members["sharp"], DecodeSettings(0.6, 0.4, 2, 2)
    estimate.activity[3] = 0.0  # a clip without events
    found = count_posteriors(data.references, estimate, settings, mode)
    expected = count_matches(data.references, decode_frames(estimate, settings), mode=mode)
    for name in ("pairs", "false_alarms", "misses"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    for got, values in ((found.hits, expected.hits), (found.sums, expected.sums)):
        assert got.keys() == values.keys()
        assert all(np.array_equal(got[name], value) for name, value in values.items())


def test_of_many_cells_every_nth_is_taken_and_of_few_all() -> None:
    chosen = torch.rand(5, 7, generator=torch.Generator().manual_seed(0)) < 0.6
    cells = torch.stack(subsample(chosen, 100), 1)
    assert torch.equal(cells, chosen.nonzero())
    assert torch.equal(torch.stack(subsample(chosen, 8), 1), cells[:: -(-len(cells) // 8)])
    assert len(subsample(chosen, 8)[0]) <= 8
    assert [len(axis) for axis in subsample(torch.zeros(2, 3, dtype=torch.bool), 8)] == [0, 0]
