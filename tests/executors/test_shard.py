"""Parts of the work, and chunks of it."""

from seldfuse.executors.chunks import HEAVY_BYTES, cut_clips
from seldfuse.executors.shard import Shard


def test_shards_together_have_each_item_once() -> None:
    items = list(range(23))
    parts = [Shard(number, 5).choose(items) for number in range(1, 6)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_chunks_are_closed_by_number_and_by_weight() -> None:
    assert [len(chunk) for chunk in cut_clips(range(40), lambda _: 1)] == [16, 16, 8]
    assert [len(chunk) for chunk in cut_clips(range(3), lambda _: HEAVY_BYTES)] == [1, 1, 1]
    assert list(cut_clips([], lambda _: 1)) == []
