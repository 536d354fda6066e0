"""What is sent to the processes that work: a job, and chunks of its items."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import seldfuse.errors
from seldfuse.errors import SeldfuseError

AnyItem = TypeVar("AnyItem")
TakenItem = TypeVar("TakenItem", contravariant=True)
AnyDone = TypeVar("AnyDone", covariant=True)


@runtime_checkable
class Job(Protocol[TakenItem, AnyDone]):
    """Work on many items, alike for all of them; is sent to each process once, and items come in chunks."""

    def load(self) -> Callable[[Sequence[TakenItem]], AnyDone]:
        """Load what all chunks need, and return the function that does a chunk. Raises SeldfuseError."""
        ...

    def give_up(self, item: TakenItem, reason: str) -> AnyDone:
        """Say what becomes of an item that ends each process that takes it."""
        ...


def make_portable(error: SeldfuseError) -> SeldfuseError:
    """Make an error of a plain class of `seldfuse.errors` with the same text and exit code, which can be sent."""
    kind: type[SeldfuseError] = next(
        kind for kind in type(error).__mro__ if kind.__module__ == seldfuse.errors.__name__
    )
    return kind(str(error))
