"""What a writer needs to know of a finished clip."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from seldfuse.events import Events


@runtime_checkable
class Result(Protocol):
    """A clip's name, what was heard in it, and how that was found out; `seldfuse.pipeline` makes them."""

    @property
    def name(self) -> str: ...

    @property
    def events(self) -> Events: ...

    @property
    def duration_s(self) -> float: ...

    @property
    def backends(self) -> tuple[str, ...]: ...

    @property
    def fusion(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def intervals(self) -> Mapping[str, Mapping[str, float]]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...
