"""Rendering the scenes of a bank ahead of training."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seldfuse.synth.bank import SceneSupply
from seldfuse.synth.dataset.workers import run_workers


class ChunkOrder(NamedTuple):
    """A chunk to store: the place of its supply among those of a maker, and its number."""

    supply: int
    number: int


@dataclass(frozen=True)
class ChunkMaker:
    """All that a process needs to store chunks of scenes."""

    supplies: tuple[SceneSupply, ...]

    def make(self, order: ChunkOrder) -> ChunkOrder:
        """Store a chunk, unless it is there. Raises MediaError, PluginError and UsageError."""
        self.supplies[order.supply].store_chunk(order.number)
        return order


def list_missing(supplies: Sequence[SceneSupply], chunks: Sequence[range]) -> list[ChunkOrder]:
    """List which of some chunks of each supply are not in its folder yet."""
    return [
        ChunkOrder(place, number)
        for place, (supply, numbers) in enumerate(zip(supplies, chunks, strict=True))
        for number in numbers
        if not supply.find_file(number).exists()
    ]


def store_chunks(
    supplies: Sequence[SceneSupply], orders: Sequence[ChunkOrder], jobs: int
) -> Generator[ChunkOrder, None, None]:
    """Store chunks with `jobs` processes; yield each one once it is there.

    Close the iterator to stop early. Raises what `ChunkMaker.make` does, and SeldfuseError where a process dies.
    """
    return run_workers(orders, ChunkMaker(tuple(supplies)), jobs)
