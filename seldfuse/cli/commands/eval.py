"""`seldfuse eval`: how good predictions are."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from seldfuse.cli.console import print_json, print_note, print_result
from seldfuse.cli.labels import Labels
from seldfuse.errors import UsageError
from seldfuse.storage.text import format_count, name_some

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.catalogue.values import Score
    from seldfuse.evaluation import Predictions, Reference
    from seldfuse.metrics.counts import Counts
    from seldfuse.metrics.evaluated import EvaluatedScores
    from seldfuse.metrics.event_scores import EventScores
    from seldfuse.metrics.jackknife import Interval
    from seldfuse.metrics.scores import Average, Scores
    from seldfuse.metrics.skill import Skill

NAMED = 3
"""Clips that an error names before it counts the rest."""


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of predicted CSV files.", show_default=False)],
    reference: Annotated[Path, typer.Argument(help="Folder of reference CSV files.", show_default=False)],
    mode: Annotated[
        Literal["official", "strict"],
        typer.Option(help="Count like the challenge's scorer, or every frame of every clip."),
    ] = "official",
    average: Annotated[
        Literal["macro", "micro"], typer.Option(help="Mean over classes, or all classes pooled.")
    ] = "macro",
    against: Annotated[
        Path | None, typer.Option(help="Folder of another system's CSV files, to be compared with.")
    ] = None,
    azimuth_threshold: Annotated[
        float | None,
        typer.Option(metavar="DEG", help="Add f_limits, an F score: azimuth off by at most DEG.", show_default=False),
    ] = None,
    distance_threshold: Annotated[
        float | None,
        typer.Option(
            metavar="RATIO",
            help="Add f_limits, an F score: distance off by at most RATIO of the true one.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="PLACE", help="Make a page of it, too: in a folder, or one file NAME.html to send."),
    ] = None,
    labels: Labels = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Score predicted events against a reference.

    Files are paired by their path, else by their name where it is unique; intervals are at a level of 95 %. Below the
    scores stands the skill: what is known beyond the side and the usual distance of each class; then how many whole
    events are right, those of the JSON files where they lie beside the CSV files. Both thresholds together are one
    score. With --against skill and events are compared, too.
    """
    from seldfuse.checks.agreement import check_agreement
    from seldfuse.core.label_sets import resolve_labels
    from seldfuse.core.labels import DCASE2025
    from seldfuse.evaluation import Reference, choose_scores
    from seldfuse.metrics.event_scores import compare_event_scores
    from seldfuse.metrics.jackknife import compare_systems
    from seldfuse.metrics.skill import compare_skill

    scores = choose_scores(azimuth_threshold, distance_threshold)
    truth = Reference(reference, mode, print_note, resolve_labels(labels) or DCASE2025)
    names = truth.labels.names
    systems = [_evaluate_system(truth, folder, average, scores) for folder in (predictions, against) if folder]
    result, compared, skill_compared, events_compared = systems[0].scores, None, None, None
    pairs = (result.matches.truth.azimuth_deg, result.matches.prediction.azimuth_deg)
    for finding in check_agreement(*pairs, "the prediction", "note"):
        print_note(finding.describe())
    if against:
        _require_same_clips(systems[0], systems[1], mode)
        other = systems[1].scores
        compared = compare_systems(result.counts, other.counts, average)
        skill_compared = compare_skill(result.matches, other.matches, average)
        events_compared = compare_event_scores(result.event_matches, other.event_matches, average)
    if report:
        differences = {**(compared or {}), **(skill_compared or {}), **(events_compared or {})}
        print_note(f"open {_write_report(truth, systems, differences, average, report)} in a browser")
    skill, events = result.skill, result.events
    if as_json:
        document = _document(
            result, result.intervals, compared, names, mode=mode, average=average, clips=len(truth.files)
        )
        document["skill"] = _skill_document(skill, skill_compared)
        print_json(document | {"events": _event_document(events, events_compared, names)})
    else:
        print_result(
            f"{format_count(len(truth.files), 'clip')}, {mode} counting, {average} average",
            *([result.coverage.describe(names)] if average == "macro" else []),
            _score_table(result.counts.scores, result.intervals, compared),
            "",
            _class_table(result, result.counts, names),
            "",
            _skill_table(skill, skill_compared),
            "",
            _azimuth_table(skill),
            "",
            _event_table(events, events_compared),
            "",
            _event_class_table(events, names),
        )


class _System(NamedTuple):
    """A folder of predictions, read and matched once for tables, JSON and the page."""

    folder: Path
    guess: "Predictions"
    scores: "EvaluatedScores"


def _evaluate_system(truth: "Reference", folder: Path, average: "Average", scores: "Sequence[Score]") -> _System:
    from seldfuse.metrics.evaluated import EvaluatedScores

    guess = truth.read(folder, print_note)
    matches, event_matches = truth.match(guess), truth.match_events(guess, print_note)
    return _System(folder, guess, EvaluatedScores(matches, event_matches, average, scores))


def _require_same_clips(one: _System, other: _System, mode: str) -> None:
    """Raise UsageError where systems are not of the same clips; in strict counting all are those of the reference."""
    mine, theirs = one.guess.files, other.guess.files
    if mode == "strict" or mine.keys() == theirs.keys():
        return
    lacks = [
        f"{format_count(len(names), 'clip')} ({name_some(names, NAMED)}) not in {folder}"
        for names, folder in (
            (sorted(mine.keys() - theirs.keys()), other.folder),
            (sorted(theirs.keys() - mine.keys()), one.folder),
        )
        if names
    ]
    raise UsageError(
        "--against compares two systems on the same clips, for official counting leaves out those without a "
        f"prediction: {'; '.join(lacks)}. Give both the same clips, or count with --mode strict"
    )


def _write_report(
    truth: "Reference",
    systems: Sequence[_System],
    differences: Mapping[str, "Interval"],
    average: "Average",
    place: Path,
) -> Path:
    """Make the page of one system, or of two side by side; return its path."""
    from seldfuse.report.eval_page import write_evaluation
    from seldfuse.report.eval_report import EvaluatedSystem, EvaluationReport

    shown = tuple(
        EvaluatedSystem(
            folder=one.folder,
            files={name: file.path for name, file in one.guess.files.items()},
            counts=one.scores.counts,
            matches=one.scores.matches,
            intervals=one.scores.intervals,
            skill=one.scores.skill,
            events=one.scores.events,
            event_matches=one.scores.event_matches,
            confusions=truth.count_confusions(one.guess),
        )
        for one in systems
    )
    clips = tuple(truth.list_event_clips(systems[0].guess))
    report = EvaluationReport(truth.mode, average, truth.labels.names, clips, truth.folder, shown, differences)
    return write_evaluation(report, place)


def _document(
    result: "Scores",
    bounds: Mapping[str, "Interval"],
    compared: Mapping[str, "Interval"] | None,
    names: Sequence[str],
    **settings: Any,
) -> dict[str, Any]:
    classes = {
        label: {name: _plain(score[index]) for name, score in result.classes.items()}
        for index, label in enumerate(names)
    }
    document: dict[str, Any] = {name: _plain(value) for name, value in result.items()}
    coverage = {
        "classes_present": int(result.coverage.present.sum()),
        "classes_absent": [names[cls] for cls in result.coverage.absent],
    }
    document |= {**settings, **coverage, "classes": classes, "intervals": _plain_bounds(bounds, "value")}
    return document | ({"against": _plain_bounds(compared, "difference")} if compared else {})


def _skill_document(skill: "Skill", compared: Mapping[str, "Interval"] | None) -> dict[str, Any]:
    bins = [
        {
            "low_deg": part.low_deg,
            "high_deg": part.high_deg,
            "pairs": part.pairs,
            "true_deg": _plain(part.true_deg),
            "predicted_deg": _plain_bound(part.predicted_deg, "value"),
        }
        for part in skill.azimuth_bins
    ]
    document = {**_plain_bounds(skill.values, "value"), "azimuth_bins": bins}
    return document | ({"against": _plain_bounds(compared, "difference")} if compared else {})


def _event_document(
    events: "EventScores", compared: Mapping[str, "Interval"] | None, names: Sequence[str]
) -> dict[str, Any]:
    classes = {
        label: {"event_f": _plain(f_score), "true": int(true), "predicted": int(predicted)}
        for label, f_score, true, predicted in _list_event_classes(events, names)
    }
    numbers = {"true": int(events.true.sum()), "predicted": int(events.predicted.sum())}
    document = {**_plain_bounds(events.values, "value"), **numbers, "classes": classes}
    return document | ({"against": _plain_bounds(compared, "difference")} if compared else {})


def _list_event_classes(events: "EventScores", names: Sequence[str]) -> list[tuple[str, float, float, float]]:
    columns = (values.tolist() for values in (events.f_classes, events.true, events.predicted))
    return list(zip(names, *columns, strict=True))


def _plain_bounds(bounds: Mapping[str, "Interval"], value: str) -> dict[str, Any]:
    return {name: _plain_bound(bound, value) for name, bound in bounds.items()}


def _plain_bound(bound: "Interval", value: str) -> dict[str, Any]:
    return {
        value: _plain(bound.value),
        "estimate": _plain(bound.estimate),
        "low": _plain(bound.low),
        "high": _plain(bound.high),
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _score_table(
    scores: Sequence["Score"], bounds: Mapping[str, "Interval"], compared: Mapping[str, "Interval"] | None
) -> "Table":
    from rich.table import Table

    from seldfuse.metrics.registered import with_unit

    table = Table("score", "", box=None, pad_edge=False)
    for heading in ("value", "95 % interval", *(("difference", "95 % interval") if compared else ())):
        table.add_column(heading, justify="right")
    for score in scores:
        difference = _cells(score, compared[score.name], sign="+") if compared else ()
        table.add_row(score.name, with_unit(score.meaning, score), *_cells(score, bounds[score.name]), *difference)
    return table


def _cells(score: "Score", bound: "Interval", sign: str = "") -> tuple[str, str]:
    from seldfuse.metrics.registered import format_score

    value, low, high = (format_score(score, number, sign) for number in (bound.value, bound.low, bound.high))
    return value, f"{low} … {high}"


def _class_table(result: "Scores", counts: "Counts", names: Sequence[str]) -> "Table":
    from rich.table import Table

    from seldfuse.metrics.registered import format_score

    # One blank between the columns: there are many.
    table = Table("class", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("frames", *result):
        table.add_column(heading, justify="right")
    frames = (counts.pairs + counts.misses).sum(axis=0)
    for index, label in enumerate(names):
        cells = [format_score(score, result.classes[score.name][index]) for score in counts.scores]
        table.add_row(label, f"{frames[index]:.0f}", *cells)
    return table


def _skill_table(skill: "Skill", compared: Mapping[str, "Interval"] | None) -> "Table":
    from rich.table import Table

    from seldfuse.metrics.skill import MEANINGS

    table = Table("skill", "", box=None, pad_edge=False)
    for heading in ("value", "95 % interval", *(("difference", "95 % interval") if compared else ())):
        table.add_column(heading, justify="right")
    for name, bound in skill.values.items():
        difference = _skill_cells(name, compared[name], sign="+") if compared else ()
        table.add_row(name, MEANINGS[name], *_skill_cells(name, bound), *difference)
    return table


def _skill_cells(name: str, bound: "Interval", sign: str = "") -> tuple[str, str]:
    from seldfuse.metrics.skill import format_value

    value, low, high = (format_value(name, number, sign) for number in (bound.value, bound.low, bound.high))
    return value, f"{low} … {high}"


def _azimuth_table(skill: "Skill") -> "Table":
    from rich.table import Table

    from seldfuse.metrics.skill import format_degrees

    table = Table("true |azimuth| (°)", box=None, pad_edge=False)
    for heading in ("pairs", "median", "predicted, median", "95 % interval"):
        table.add_column(heading, justify="right")
    for part in skill.azimuth_bins:
        bound = part.predicted_deg
        true, value, low, high = map(format_degrees, (part.true_deg, bound.value, bound.low, bound.high))
        table.add_row(f"{part.low_deg:g} … {part.high_deg:g}", f"{part.pairs}", true, value, f"{low} … {high}")
    return table


def _event_table(events: "EventScores", compared: Mapping[str, "Interval"] | None) -> "Table":
    from rich.table import Table

    from seldfuse.metrics.event_scores import MEANINGS

    table = Table("events", "", box=None, pad_edge=False)
    for heading in ("value", "95 % interval", *(("difference", "95 % interval") if compared else ())):
        table.add_column(heading, justify="right")
    for name, bound in events.values.items():
        difference = _event_cells(compared[name], sign="+") if compared else ()
        table.add_row(name, MEANINGS[name], *_event_cells(bound), *difference)
    return table


def _event_cells(bound: "Interval", sign: str = "") -> tuple[str, str]:
    from seldfuse.metrics.registered import UNKNOWN

    numbers = (bound.value, bound.low, bound.high)
    value, low, high = (UNKNOWN if math.isnan(number) else f"{number:{sign}.3f}" for number in numbers)
    return value, f"{low} … {high}"


def _event_class_table(events: "EventScores", names: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table("class", box=None, pad_edge=False)
    for heading in ("true events", "predicted", "event_f"):
        table.add_column(heading, justify="right")
    for label, f_score, true, predicted in _list_event_classes(events, names):
        table.add_row(label, f"{true:.0f}", f"{predicted:.0f}", f"{f_score:.3f}")
    return table
