"""The page of an evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seldfuse.metrics import event_scores, skill
from seldfuse.metrics.confusion import count_onscreen
from seldfuse.metrics.jackknife import Interval
from seldfuse.metrics.registered import UNKNOWN, format_score, with_unit
from seldfuse.report.eval_figures import draw_azimuth, draw_class_frames, draw_classes, draw_confusions, draw_distance
from seldfuse.report.eval_report import EvaluationReport
from seldfuse.report.read import REPORT
from seldfuse.report.render import PageAssets, make_address, render
from seldfuse.report.write import find_page
from seldfuse.storage.text import format_count

PAGE = "eval.html"
WORST = 50
"""Clips that are listed; the page of all clips has them all."""


@dataclass(frozen=True)
class _Line:
    """A row of a table of scores, and how its numbers are written."""

    name: str
    meaning: str
    bounds: tuple[Interval, ...]
    write: Any


def write_evaluation(report: EvaluationReport, place: Path) -> Path:
    """Write the page of an evaluation: into a file that is whole in itself where `place` ends in `.html`, else into the
    folder `place`; return its path. Raises UsageError where it cannot be written.
    """
    is_file = place.suffix.lower() == ".html"
    path = place if is_file else place / PAGE
    assets = PageAssets(path.parent, embed=is_file)
    assets.write_library()
    figures: dict[str, Any] = {
        "classes": draw_classes(report),
        "frames": draw_class_frames(report),
        "azimuth": draw_azimuth(report),
        "distance": draw_distance(report),
        "confusions": [draw_confusions(system, report) for system in report.systems],
    }
    render(
        "eval.html",
        path,
        assets,
        {"figures": figures},
        report=report,
        headings=_list_headings(report),
        tables=[(title, [_make_cells(line, report) for line in lines]) for title, lines in _list_tables(report)],
        onscreen=[count_onscreen(system.matches).astype(int).tolist() for system in report.systems],
        worst=_list_worst(report, path),
        summary=f"{format_count(len(report.clips), 'clip')}, {report.mode} counting, {report.average} average",
    )
    return path


def _list_headings(report: EvaluationReport) -> list[str]:
    if len(report.systems) == 1:
        return ["value", "95 % interval"]
    each = [text for system in report.systems for text in (system.name, "95 % interval")]
    return [*each, "difference", "95 % interval"]


def _list_tables(report: EvaluationReport) -> list[tuple[str, list[_Line]]]:
    systems = report.systems
    scores = [
        _Line(
            score.name,
            with_unit(score.meaning, score),
            tuple(system.intervals[score.name] for system in systems),
            lambda value, sign, score=score: format_score(score, value, sign),
        )
        for score in systems[0].counts.scores
    ]
    events = [
        _Line(name, meaning, tuple(system.events.values[name] for system in systems), _write_plain)
        for name, meaning in event_scores.MEANINGS.items()
    ]
    known = [
        _Line(
            name,
            meaning,
            tuple(system.skill.values[name] for system in systems),
            lambda value, sign, name=name: skill.format_value(name, value, sign),
        )
        for name, meaning in skill.MEANINGS.items()
    ]
    return [("Scores of frames", scores), ("Scores of whole events", events), ("Skill", known)]


def _make_cells(line: _Line, report: EvaluationReport) -> dict[str, Any]:
    bounds = [(bound, "") for bound in line.bounds]
    if len(report.systems) > 1:
        bounds.append((report.differences[line.name], "+"))
    cells = [text for bound, sign in bounds for text in _write_bound(bound, sign, line.write)]
    return {"name": line.name, "meaning": line.meaning, "cells": cells}


def _write_bound(bound: Interval, sign: str, write: Any) -> tuple[str, str]:
    value, low, high = (write(number, sign) for number in (bound.value, bound.low, bound.high))
    return value, f"{low} … {high}"


def _write_plain(value: float, sign: str) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:{sign}.3f}"


def _list_worst(report: EvaluationReport, page: Path) -> list[dict[str, Any]]:
    """The clips of the lowest F of whole events first, then those of most errors, with the pages that there are."""
    system = report.systems[0]
    matches = system.event_matches
    hits, true, predicted = (counts.sum(axis=1) for counts in (matches.hits, matches.true, matches.predicted))
    lines = [
        {
            "name": clip,
            "address": _find_address(system.folder, system.files, clip, page),
            "f_score": 2 * hits[one] / (true[one] + predicted[one]),
            "matches": int(hits[one]),
            "misses": int(true[one] - hits[one]),
            "false_alarms": int(predicted[one] - hits[one]),
        }
        for one, clip in enumerate(report.clips)
        if true[one] + predicted[one] > 0
    ]
    lines.sort(key=lambda line: (line["f_score"], -line["misses"] - line["false_alarms"]))
    return lines[:WORST]


def _find_address(folder: Path, files: Mapping[str, Path], clip: str, page: Path) -> str:
    """The address of the page that `seldfuse report` made of a clip; empty where there is none."""
    if clip not in files:
        return ""
    name = files[clip].relative_to(folder).as_posix().removesuffix(".csv")
    found = find_page(folder / REPORT, name)
    return make_address(found, page) if found.is_file() else ""
