"""Windows cover the sound without a hole, on the 100 ms grid, in memory that does not grow."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seldfuse.core.grid import SAMPLES_PER_FRAME, WINDOW_FRAMES, WINDOW_SAMPLES
from seldfuse.media.windows import HOP_FRAMES, cut_windows


def pieces(samples: np.ndarray, sizes: list[int]):
    start = 0
    while start < samples.shape[1]:
        for size in sizes:
            yield samples[:, start : start + size]
            start += size


def all_windows(samples, sizes):
    return list(cut_windows(pieces(samples, sizes)))


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 4 * WINDOW_SAMPLES),
    sizes=st.lists(st.integers(1000, 300_000), min_size=1, max_size=3),
)
def test_laid_side_by_side_windows_give_the_sound_back(length, sizes):
    samples = np.random.default_rng(length).standard_normal((2, length)).astype(np.float32)
    windows = all_windows(samples, sizes)
    starts, end_frame = [window.start_frame for window in windows], windows[-1].end_frame

    laid = np.full((2, end_frame * SAMPLES_PER_FRAME), np.nan, np.float32)
    for window in windows:
        start = window.start_frame
        # Past the end of a short clip there is only padding.
        stop = min((start + WINDOW_FRAMES) * SAMPLES_PER_FRAME, laid.shape[1])
        laid[:, start * SAMPLES_PER_FRAME : stop] = window.samples[:, : stop - start * SAMPLES_PER_FRAME]
    assert np.array_equal(laid[:, :length], samples)
    assert not laid[:, length:].any()

    assert end_frame == -(-length // SAMPLES_PER_FRAME)
    assert starts[:-1] == [HOP_FRAMES * number for number in range(len(starts) - 1)]
    assert [window.end_frame for window in windows[:-1]] == [start + WINDOW_FRAMES for start in starts[:-1]]


@pytest.mark.parametrize(
    ("length", "starts", "end_frame"),
    [
        (0, [0], 1),
        (240, [0], 1),
        (WINDOW_SAMPLES - 1, [0], 50),
        (WINDOW_SAMPLES, [0], 50),
        (WINDOW_SAMPLES + 1, [0, 1], 51),
        (WINDOW_SAMPLES + SAMPLES_PER_FRAME, [0, 1], 51),
        (90 * SAMPLES_PER_FRAME, [0, 40], 90),
        (90 * SAMPLES_PER_FRAME + 1, [0, 40, 41], 91),
        (100 * SAMPLES_PER_FRAME, [0, 40, 50], 100),
    ],
)
def test_the_last_window_ends_with_the_sound(length, starts, end_frame):
    windows = all_windows(np.ones((2, length), np.float32), [7000])
    assert [window.start_frame for window in windows] == starts
    assert windows[-1].end_frame == end_frame
    assert {window.samples.shape for window in windows} == {(2, WINDOW_SAMPLES)}
    assert np.count_nonzero(windows[-1].samples[0]) == min(length, WINDOW_SAMPLES - -length % SAMPLES_PER_FRAME)


def test_each_window_says_how_far_the_sound_reaches():
    windows = all_windows(np.ones((2, 100 * SAMPLES_PER_FRAME), np.float32), [24000])
    assert [window.end_frame for window in windows] == [50, 90, 100]


def peak_bytes(minutes: int) -> int:
    second = np.zeros((2, 24000), np.float32)
    tracemalloc.start()
    for _ in cut_windows(second for _ in range(60 * minutes)):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_twenty_minutes_need_no_more_memory_than_two():
    assert peak_bytes(20) < 1.05 * peak_bytes(2)


def test_one_large_block_is_not_copied_whole():
    samples = np.zeros((2, 24000 * 600), np.float32)
    tracemalloc.start()
    for _ in cut_windows(iter([samples])):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < samples.nbytes / 4
