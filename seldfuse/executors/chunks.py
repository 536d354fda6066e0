"""Items in chunks that are worth sending."""

from collections.abc import Callable, Iterable, Iterator

from seldfuse.executors.job import AnyItem

MOST = 16
"""Clips of a chunk: as many as short clips share a batch, so that a cluster computes what one process does."""

HEAVY_BYTES = 256 * 2**20
"""A chunk that holds so much is closed: an hour of sound is work enough."""


def cut_clips(items: Iterable[AnyItem], weigh: Callable[[AnyItem], int]) -> Iterator[list[AnyItem]]:
    """Cut clips, or what stands for them, into chunks, by their bytes as `weigh` tells them."""
    chunk, weight = list[AnyItem](), 0
    for item in items:
        chunk.append(item)
        weight += weigh(item)
        if len(chunk) == MOST or weight >= HEAVY_BYTES:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk
