"""Pairing in batches, against SciPy one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from seldfuse.metrics.assignment import assign_pairs

shapes = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
few_values = st.integers(0, 3).map(float)


@settings(deadline=None)
@given(shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=few_values)))
def test_every_cell_is_assigned_as_scipy_does_ties_included(cost: np.ndarray) -> None:
    row, column = assign_pairs(cost)
    for cell, group in enumerate(cost):
        expected = set(zip(*map(list, linear_sum_assignment(group)), strict=True))
        assert set(zip(row[cell], column[cell], strict=True)) == expected


@settings(deadline=None)
@given(arrays(np.float64, (5, 2, 2), elements=st.integers(0, 180).map(float)))
def test_two_by_two_is_assigned_as_scipy_does(cost: np.ndarray) -> None:
    _, column = assign_pairs(cost)
    assert column.tolist() == [linear_sum_assignment(group)[1].tolist() for group in cost]
