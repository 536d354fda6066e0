"""Faults made on purpose are found by name, and nothing is said against what is as it should be."""

import numpy as np
import pytest

from benchmarks.studies.faults import (
    BOX_FAULTS,
    FAULTS,
    FOA_FAULTS,
    STRENGTHS,
    Fault,
    RawSet,
    draw_panned_set,
    find_box_fault,
    find_foa_fault,
    find_reasons,
    is_clean_box_set,
    is_clean_foa,
)

WEAK = {"mirrored azimuths": (2,), "channels exchanged": (2,), "labels of other clips": (2,)}
"""Where half of a set is right, the other half may hide; the strongest is found always."""


@pytest.fixture(scope="module")
def clean() -> RawSet:
    return draw_panned_set(np.random.default_rng(3))


def test_there_are_twenty_kinds_of_faults() -> None:
    assert len(FAULTS) + len(BOX_FAULTS) + len(FOA_FAULTS) > 35


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_by_name(fault: Fault, clean: RawSet) -> None:
    for strength in WEAK.get(fault.name, STRENGTHS):
        found = find_reasons(fault.change(clean, strength, np.random.default_rng(1)))
        assert {one.reason for one in found} & set(fault.reasons), (strength, [one.describe() for one in found])


def test_clean_sets_give_no_error() -> None:
    for seed in range(12):
        found = find_reasons(draw_panned_set(np.random.default_rng([8, seed]), 8))
        assert [one.describe() for one in found if one.severity == "error"] == []


@pytest.mark.parametrize("name", BOX_FAULTS)
def test_boxes_in_other_units_are_found_by_name(name: str) -> None:
    assert all(find_box_fault(name, strength, np.random.default_rng(n)) for strength in STRENGTHS for n in range(5))


@pytest.mark.parametrize("name", FOA_FAULTS)
def test_first_order_recordings_of_another_kind_are_found_by_name(name: str) -> None:
    for strength in (1, 2):
        assert find_foa_fault(name, strength, np.random.default_rng(5)), strength


def test_clean_boxes_and_recordings_give_nothing() -> None:
    assert all(is_clean_box_set(np.random.default_rng(n)) for n in range(30))
    assert all(is_clean_foa(strength, np.random.default_rng(n)) for strength in (1, 2) for n in range(3))
