"""Which class was heard as which."""

import numpy as np

from seldfuse.metrics.confusion import count_confusions, count_onscreen
from seldfuse.metrics.event_matches import EventSpans, pair_events
from seldfuse.metrics.matches import find_matches

NOTHING = 13


def scene(*rows: tuple[float, ...]) -> np.ndarray:
    """Rows of frame, class, azimuth."""
    return np.array([[frame, cls, 0, azimuth, 1.0, 1.0] for frame, cls, azimuth in rows]).reshape(-1, 6)


def test_right_confused_missed_and_made_up() -> None:
    truth = [scene((0, 1, 10), (0, 2, -50), (1, 3, 0), (2, 4, 0)), scene((5, 0, 0))]
    heard = [scene((0, 1, 80), (0, 5, -40), (1, 6, 0), (1, 7, 60)), scene((6, 0, 0))]
    found = count_confusions(truth, heard, mode="strict")
    expected = {(1, 1): 1, (2, 5): 1, (3, 6): 1, (4, NOTHING): 1, (NOTHING, 7): 1, (0, NOTHING): 1, (NOTHING, 0): 1}
    assert {tuple(map(int, cell)): int(found[tuple(cell)]) for cell in np.argwhere(found)} == expected


def test_what_is_left_is_paired_by_azimuth() -> None:
    truth = [scene((0, 1, 40), (0, 2, -40))]
    heard = [scene((0, 5, -30), (0, 6, 30))]
    found = count_confusions(truth, heard, mode="strict")
    assert (found[1, 6], found[2, 5]) == (1, 1)


def test_the_second_of_two_alike_is_confused() -> None:
    found = count_confusions([scene((0, 1, 0), (0, 1, 0))], [scene((0, 1, 0), (0, 9, 0))], mode="strict")
    assert (found[1, 1], found[1, 9], found.sum()) == (1, 1, 2)


def test_official_counting_leaves_out_the_end_and_missing_clips() -> None:
    found = count_confusions([scene((0, 1, 0), (1, 1, 0)), scene((0, 2, 0), (3, 2, 0))], [scene((0, 1, 0)), None])
    assert (found[1, 1], found.sum()) == (1, 1)


def test_margins_are_the_numbers_of_rows() -> None:
    rng = np.random.default_rng(0)
    sides = [[rng.integers(0, (30, 13, 3, 90, 3, 2), (80, 6)).astype(float) for _ in range(3)] for _ in range(2)]
    found = count_confusions(*sides, mode="strict")
    for axis, side in ((1, sides[0]), (0, sides[1])):
        rows = np.bincount(np.concatenate(side)[:, 1].astype(int), minlength=13)
        assert found.sum(axis=axis)[:13].tolist() == rows.tolist()
    pairs = find_matches(*sides, mode="strict")
    assert np.diag(found)[:13].tolist() == pairs.sum_pairs(np.ones(len(pairs.truth.cls))).sum(axis=0).tolist()


def test_on_screen_is_counted_where_both_sides_know() -> None:
    truth, heard = (
        np.array([[0, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1]]),
        np.array([[0, 1, 0, 0, 1, 0], [1, 1, 0, 0, 1, np.nan]]),
    )
    assert count_onscreen(find_matches([truth * 1.0], [heard], mode="strict")).tolist() == [[0, 0], [1, 0]]


def test_pairs_of_events_are_one_to_one() -> None:
    def spans(*starts: float) -> EventSpans:
        zeros = np.zeros(len(starts), dtype=np.int64)
        return EventSpans(zeros, zeros, np.array(starts), np.array(starts) + 1.0, np.zeros(len(starts)))

    assert pair_events(spans(0.0, 0.4, 9.0), spans(0.4, 0.8), 13).tolist() == [0, 1, -1]
    assert pair_events(spans(0.0), spans(), 13).tolist() == [-1]
