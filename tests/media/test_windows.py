"""Windows cover the sound without a hole, on the 100 ms grid, in memory that does not grow."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seldfuse.media.windows import FRAME_SAMPLES, HOP_FRAMES, WINDOW_FRAMES, WINDOW_SAMPLES, cut_windows


def pieces(samples: np.ndarray, sizes: list[int]):
    start = 0
    while start < samples.shape[1]:
        for size in sizes:
            yield samples[:, start : start + size]
            start += size


def all_windows(samples, sizes, batch_size=16):
    batches = list(cut_windows(pieces(samples, sizes), batch_size))
    starts = [start for batch in batches for start in batch.start_frame]
    return np.concatenate([batch.samples for batch in batches]), starts, batches[-1].end_frame, batches


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 4 * WINDOW_SAMPLES),
    sizes=st.lists(st.integers(1000, 300_000), min_size=1, max_size=3),
    batch_size=st.integers(1, 5),
)
def test_laid_side_by_side_windows_give_the_sound_back(length, sizes, batch_size):
    samples = np.random.default_rng(length).standard_normal((2, length)).astype(np.float32)
    cut, starts, end_frame, batches = all_windows(samples, sizes, batch_size)

    laid = np.full((2, end_frame * FRAME_SAMPLES), np.nan, np.float32)
    for window, start in zip(cut, starts, strict=True):
        # Past the end of a short clip there is only padding.
        stop = min((start + WINDOW_FRAMES) * FRAME_SAMPLES, laid.shape[1])
        laid[:, start * FRAME_SAMPLES : stop] = window[:, : stop - start * FRAME_SAMPLES]
    assert np.array_equal(laid[:, :length], samples)
    assert not laid[:, length:].any()

    assert end_frame == -(-length // FRAME_SAMPLES)
    assert starts[:-1] == [HOP_FRAMES * number for number in range(len(starts) - 1)]
    assert all(len(batch.start_frame) == batch_size for batch in batches[:-1])


@pytest.mark.parametrize(
    ("length", "starts", "end_frame"),
    [
        (0, [0], 1),
        (240, [0], 1),
        (WINDOW_SAMPLES - 1, [0], 50),
        (WINDOW_SAMPLES, [0], 50),
        (WINDOW_SAMPLES + 1, [0, 1], 51),
        (WINDOW_SAMPLES + FRAME_SAMPLES, [0, 1], 51),
        (90 * FRAME_SAMPLES, [0, 40], 90),
        (90 * FRAME_SAMPLES + 1, [0, 40, 41], 91),
        (100 * FRAME_SAMPLES, [0, 40, 50], 100),
    ],
)
def test_the_last_window_ends_with_the_sound(length, starts, end_frame):
    cut, got, end, _ = all_windows(np.ones((2, length), np.float32), [7000]) if length else all_windows_of_nothing()
    assert (got, end) == (starts, end_frame)
    assert cut.shape[1:] == (2, WINDOW_SAMPLES)
    assert np.count_nonzero(cut[-1, 0]) == min(length, WINDOW_SAMPLES - (-length % FRAME_SAMPLES) * (length > 0))


def all_windows_of_nothing():
    (batch,) = cut_windows(iter([]))
    return batch.samples, list(batch.start_frame), batch.end_frame, [batch]


def test_each_batch_says_how_far_its_sound_reaches():
    _, _, _, batches = all_windows(np.ones((2, 100 * FRAME_SAMPLES), np.float32), [24000], batch_size=1)
    assert [batch.end_frame for batch in batches] == [50, 90, 100]


def peak_bytes(minutes: int) -> int:
    second = np.zeros((2, 24000), np.float32)
    tracemalloc.start()
    for _ in cut_windows((second for _ in range(60 * minutes)), batch_size=4):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_twenty_minutes_need_no_more_memory_than_two():
    assert peak_bytes(20) < 1.05 * peak_bytes(2)


def test_one_large_block_is_not_copied_whole():
    samples = np.zeros((2, 24000 * 600), np.float32)
    tracemalloc.start()
    for _ in cut_windows(iter([samples]), batch_size=4):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < samples.nbytes / 4
