"""One of several equal parts of the work, each done by a process that knows nothing of the others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from seldfuse.errors import UsageError

AnyItem = TypeVar("AnyItem")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, counted from 1: every `count`-th item of a list that all parts see alike.

    >>> Shard.parse("2/3").choose(["a", "b", "c", "d", "e"])
    ['b', 'e']
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse a text such as "3/8". Raises UsageError."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        shard = cls(int(found[1]), int(found[2])) if found else None
        if shard is None or not 1 <= shard.number <= shard.count:
            raise UsageError(f"--shard expects a part and how many there are, such as 1/8 … 8/8, got {text!r}")
        return shard

    def choose(self, items: Sequence[AnyItem]) -> list[AnyItem]:
        """Choose the items of this part."""
        return list(items[self.number - 1 :: self.count])

    def rename(self, name: str) -> str:
        """Put the part into a file's name: `manifest.jsonl` becomes `manifest-3-of-8.jsonl`."""
        stem, dot, suffix = name.partition(".")
        return f"{stem}-{self.number}-of-{self.count}{dot}{suffix}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
