"""Limits of what runs cost: broken is what is beyond by more than figures scatter."""

import pytest

from benchmarks.speed.limits import Limit, list_broken


@pytest.mark.parametrize(("value", "least", "broken"), [(0.9, False, False), (0.93, False, True), (0.69, True, True)])
def test_a_limit_is_broken_by_more_than_a_seventh(value: float, least: bool, broken: bool) -> None:
    assert Limit("", value, 0.8, least).broken is broken


def test_what_is_broken_is_named() -> None:
    rows = [{"name": "slow", "broken": True}, {"name": "fast", "broken": False}]
    assert list_broken({"limits": rows}) == ["slow"]
