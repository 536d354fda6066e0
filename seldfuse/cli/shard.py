"""The option `--shard`, by which many processes share the clips of a command."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import typer

from seldfuse.executors.shard import Shard
from seldfuse.storage.text import format_count

ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Take part I of N of the clips, such as 3/8, as one of N processes that write to one folder.",
        show_default=False,
    ),
]

AnyItem = TypeVar("AnyItem")


def take_shard(
    text: str | None, items: Sequence[AnyItem], note: Callable[[str], None]
) -> tuple[Shard | None, list[AnyItem]]:
    """Take the items of a shard, and tell how many they are; all of them without one. Raises UsageError."""
    if text is None:
        return None, list(items)
    shard = Shard.parse(text)
    chosen = shard.choose(items)
    note(f"shard {shard}: {len(chosen)} of {format_count(len(items), 'clip')}")
    return shard, chosen
