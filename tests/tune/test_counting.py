"""Counts without tables of events, and cells that are left out of a fit."""

import numpy as np
import pytest
import torch
from tuning_worlds import material

from seldfuse.fusion import DecodeSettings, decode_events
from seldfuse.metrics.counts import count_matches
from seldfuse.tune.counting import count_posteriors
from seldfuse.tune.subsample import subsample


@pytest.mark.parametrize("mode", ["official", "strict"])
def test_counts_are_those_of_the_decoded_events(mode) -> None:
    given = material(20)
    said, settings = given.members["sharp"], DecodeSettings(0.6, 0.4, 2, 2)
    said.activity[3] = 0.0  # a clip without events
    found = count_posteriors(given.references, said, settings, mode)
    expected = count_matches(given.references, decode_events(said, settings), mode=mode)
    for name in ("pairs", "false_alarms", "misses"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    for got, wanted in ((found.hits, expected.hits), (found.sums, expected.sums)):
        assert got.keys() == wanted.keys()
        assert all(np.array_equal(got[name], value) for name, value in wanted.items())


def test_every_nth_place_is_kept_and_of_few_all() -> None:
    chosen = torch.rand(5, 7, generator=torch.Generator().manual_seed(0)) < 0.6
    places = torch.stack(subsample(chosen, 100), 1)
    assert torch.equal(places, chosen.nonzero())
    assert torch.equal(torch.stack(subsample(chosen, 8), 1), places[:: -(-len(places) // 8)])
    assert len(subsample(chosen, 8)[0]) <= 8
    assert [len(place) for place in subsample(torch.zeros(2, 3, dtype=torch.bool), 8)] == [0, 0]
