"""What a check found: a name, a sentence, and what helps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from seldfuse.errors import UsageError
from seldfuse.storage.text import format_count, name_some

Severity = Literal["note", "error"]
"""A note may be as it should; an error cannot be right, and only `--force` goes on with it."""

NAMED = 3
"""Clips that a sentence names; it counts the others."""


@dataclass(frozen=True)
class Finding:
    """One thing that is odd about a data set.

    `reason` is the name by which the manual lists it, `message` what was measured and what was expected, `remedy` what
    to do. `clips` are those that it is about, all where it is empty.
    """

    reason: str
    severity: Severity
    message: str
    remedy: str
    clips: tuple[str, ...] = ()

    def describe(self) -> str:
        """Describe it in one line."""
        some = (
            f" ({format_count(len(self.clips), 'clip')}: {name_some(self.clips, NAMED, False)})" if self.clips else ""
        )
        return f"{self.reason}: {self.message}{some}; {self.remedy}"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "clips": list(self.clips)}


@dataclass(frozen=True)
class CheckReport:
    """All findings of a data set, and what was looked at: `skipped` says which checks were not made, and why."""

    findings: tuple[Finding, ...]
    clips: int
    measured: int
    skipped: tuple[str, ...] = field(default=())

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.severity == "error")

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "clips": self.clips,
            "clips_heard": self.measured,
            "findings": [one.to_json() for one in self.findings],
            "not_made": list(self.skipped),
        }


def count_clips(some: Sequence[object], heard: Sequence[object]) -> str:
    """Count clips among those that were heard: "3 of 400 clips"."""
    return f"{len(some)} of {format_count(len(heard), 'clip')}"


def merge_findings(parts: Iterable[Sequence[Finding]]) -> tuple[Finding, ...]:
    """Join findings, errors first; of one reason the first one stays."""
    found = {one.reason: one for one in sorted((one for part in parts for one in part), key=lambda one: one.severity)}
    return tuple(found.values())


def refuse(errors: Sequence[Finding], force: bool, note: Callable[[str], None], what: str) -> None:
    """Stop where something cannot be right, unless `force` has it go on with notes. Raises UsageError."""
    if errors and not force:
        listed = "\n  ".join(one.describe() for one in errors)
        raise UsageError(f"{what} cannot be right:\n  {listed}\n  `--force` goes on all the same")
    for one in errors:
        note(f"goes on by --force: {one.describe()}")
