"""The page of all clips: search, sort, and the worst first where there is a reference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seldfuse.report.clip_report import FALSE_ALARM, MATCH, ClipReport, Layer
from seldfuse.report.render import PageAssets, render
from seldfuse.storage.text import format_count


@dataclass(frozen=True)
class SystemLine:
    """How a result's events of one clip compare with the true ones."""

    name: str
    matches: int
    misses: int
    false_alarms: int

    @property
    def f_score(self) -> float:
        """F of whole events; NaN where there are none on either side."""
        total = 2 * self.matches + self.misses + self.false_alarms
        return 2 * self.matches / total if total else math.nan


@dataclass(frozen=True)
class ClipLine:
    """A clip in the list: the address of its page, what it holds, how doubtful and how right that is."""

    name: str
    address: str
    duration_s: float
    events: int
    classes: tuple[str, ...]
    doubt: float
    systems: tuple[SystemLine, ...]

    @classmethod
    def summarize(cls, report: ClipReport, address: str) -> "ClipLine":
        truth = report.truth
        classes = sorted(set(report.result.events["cls"].tolist()))
        return cls(
            report.name,
            address,
            report.duration_s,
            report.result.size,
            tuple(report.labels[one].replace("_", " ") for one in classes),
            report.doubt,
            tuple(_count(layer, truth) for layer in report.layers if layer is not truth) if truth else (),
        )


def write_index(lines: Sequence[ClipLine], path: Path, assets: PageAssets, title: str) -> None:
    """Write the page of all clips. Raises UsageError where `path` cannot be written."""
    with_truth = any(line.systems for line in lines)
    several = any(len(line.systems) > 1 for line in lines)
    ordered = sorted(lines, key=_worst_first if with_truth else _doubtful_first)
    render(
        "index.html",
        path,
        assets,
        {},
        with_plots=False,
        title=title,
        columns=_list_columns(ordered, with_truth, several),
        rows=[_make_cells(line, with_truth, several) for line in ordered],
        lines=ordered,
        summary=f"{format_count(len(lines), 'clip')}, {format_count(sum(line.events for line in lines), 'event')}",
        first_by="the worst first" if with_truth else "the most doubtful first",
    )


def _count(layer: Layer, truth: Layer) -> SystemLine:
    matches = layer.count(MATCH)
    return SystemLine(layer.name, matches, truth.size - matches, layer.count(FALSE_ALARM))


def _worst_first(line: ClipLine) -> tuple[float, int]:
    """By F, then by the number of errors; clips without truth or events come last."""
    score = line.systems[0].f_score if line.systems else math.nan
    errors = line.systems[0].misses + line.systems[0].false_alarms if line.systems else 0
    return (math.inf if math.isnan(score) else score, -errors)


def _doubtful_first(line: ClipLine) -> float:
    return math.inf if math.isnan(line.doubt) else -line.doubt


def _list_columns(lines: Sequence[ClipLine], with_truth: bool, several: bool) -> list[dict[str, Any]]:
    """The columns behind the name: heading, whether numbers stand in it, and what sorts the list at first."""
    found: list[dict[str, Any]] = [
        {"title": "length (s)", "number": True},
        {"title": "events", "number": True},
        {"title": "classes", "number": False},
        {"title": "doubt", "number": True, "sorted": "" if with_truth else "descending"},
    ]
    if with_truth:
        found += [
            {"title": "event F", "number": True, "sorted": "ascending"},
            *({"title": title, "number": True} for title in ("matches", "misses", "false alarms")),
        ]
    if several:
        other = next(line.systems[1].name for line in lines if len(line.systems) > 1)
        found += [{"title": f"event F, {other}", "number": True}, {"title": "difference", "number": True}]
    return [{"sorted": "", **column} for column in found]


def _make_cells(line: ClipLine, with_truth: bool, several: bool) -> list[dict[str, str]]:
    cells: list[tuple[str, float | str]] = [
        (f"{line.duration_s:.1f}", line.duration_s),
        (str(line.events), line.events),
        (", ".join(line.classes), ", ".join(line.classes)),
        _known(line.doubt),
    ]
    if with_truth:
        mine = line.systems[0] if line.systems else None
        score = mine.f_score if mine else math.nan
        counts = (mine.matches, mine.misses, mine.false_alarms) if mine else ("–", "–", "–")
        cells += [_known(score), *((str(count), count if mine else "") for count in counts)]
        if several:
            other = line.systems[1].f_score if len(line.systems) > 1 else math.nan
            cells += [_known(other), _known(score - other, "+.2f")]
    return [{"text": text, "value": str(value)} for text, value in cells]


def _known(value: float, form: str = ".2f") -> tuple[str, float | str]:
    return ("–", "") if math.isnan(value) else (f"{value:{form}}", value)
