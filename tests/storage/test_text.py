"""Counts and names in sentences."""

import pytest

from seldfuse.storage.text import format_count, name_some


def test_one_is_singular():
    assert [format_count(number, "clip") for number in (0, 1, 3)] == ["0 clips", "1 clip", "3 clips"]


@pytest.mark.parametrize(
    ("names", "counted", "unfinished"),
    [
        ("", "", ""),
        ("abc", "a, b, c", "a, b, c"),
        ("abcd", "a, b, c and 1 more", "a, b, c, …"),
        ("abcdefg", "a, b, c and 4 more", "a, b, c, …"),
    ],
)
def test_some_are_named_and_the_others_counted(names, counted, unfinished):
    assert name_some(list(names), 3) == counted
    assert name_some(dict.fromkeys(names), 3, count_rest=False) == unfinished
