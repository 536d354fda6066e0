"""What systems know beyond the side of a source and the usual distance of its class, as tables and pictures."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.pages.svg import Axis, SpreadPoint, plot_series
from benchmarks.pages.tables import ABOVE, Document, Row, table
from seldfuse.metrics.registered import UNKNOWN
from seldfuse.metrics.skill import BIN_EDGES_DEG, MEANINGS, format_value

TITLES = {
    "doae_deg": "DOAE (°)",
    "doae_side_deg": "the side only (°)",
    "doae_skill": "skill of azimuth",
    "rde": "RDE",
    "rde_constant": "one distance per class",
    "rde_skill": "skill of distance",
    "distance_slope": "slope of log distance",
    "distance_rank": "rank correlation of distance",
}
"""What each value of a skill is called over a column."""
FIELDS = ("azimuth", "distance")

AZIMUTH = Axis("true azimuth, left or right (°)", 0, 90, (0, 15, 30, 45, 60, 75, 90))
HEARD_AZIMUTH = Axis("heard towards that side (°)", -30, 90, (-30, 0, 30, 60, 90))
DISTANCES_M = (0.5, 1, 2, 4, 8)
DISTANCE = Axis("true distance (m)", 0.4, 8, DISTANCES_M, log=True)
HEARD_DISTANCE = Axis("heard (m)", 0.4, 8, DISTANCES_M, log=True)


def list_blocks(name: str, measured: Document) -> Iterator[str]:
    """List what a set's part of the page says of skill."""
    yield f"### {name}: skill"
    yield table(("system", *TITLES.values()), _skill_rows(measured["skill"]))
    yield (
        "Azimuth that is heard, medians in degrees towards the true side, and how often the other side is, by the\n"
        "true azimuth; here and in the pictures of frames with one source of the class:"
    )
    yield table(("system", *_list_bins()), _heard_rows(measured["heard"]))
    for field in FIELDS:
        yield f"![{field} heard over {field} true: medians and quartiles](images/{_picture(name, field)})"


def list_differences(measured: Document) -> Iterator[str]:
    """List how much more an ensemble knows than one of its members; errors should be lower."""
    answers = measured["skill_differences"]
    if answers:
        yield table(("ensemble", "less", "skill", "difference", ""), _difference_rows(answers))


def write_pictures(document: Document, shown: Mapping[str, str], folder: Path) -> None:
    """Write the pictures of each set; `shown` maps systems to their names in them."""
    for name, measured in document["sets"].items():
        pictures = (_plot_azimuths(measured, shown), _plot_distances(measured, shown))
        for field, picture in zip(FIELDS, pictures, strict=True):
            (folder / _picture(name, field)).write_text(picture, encoding="utf-8")


def format_bound(name: str, bounds: Document, sign: str = "") -> str:
    """Format a value of a skill with its interval, a dash where it is not known."""
    if bounds["value"] is None:
        return UNKNOWN
    value = format_value(name, bounds["value"], sign)
    if bounds["low"] is None:
        return value
    return f"{value} ({format_value(name, bounds['low'], sign)} to {format_value(name, bounds['high'], sign)})"


def _picture(name: str, field: str) -> str:
    return f"results-{name}-{field}.svg"


def _skill_rows(skill: Document) -> Iterator[Row]:
    for system, values in skill.items():
        yield system, *(format_bound(name, values[name]) for name in MEANINGS)


def _list_bins() -> list[str]:
    return [f"{low:g}–{high:g}°" for low, high in pairwise(BIN_EDGES_DEG)]


def _heard_rows(heard: Document) -> Iterator[Row]:
    """The truth first: its medians differ but little from system to system, which find other sources."""
    known = {system: found["azimuth_deg"] for system, found in heard.items() if found["azimuth_deg"]}
    if not known:
        return
    first = next(iter(known.values()))
    yield "*true*", *_cells(first, lambda part: f"{part['true']:.0f}")
    for system, parts in known.items():
        yield system, *_cells(parts, lambda part: f"{part['median']:.0f} ({part['wrong_side']:.0%})")


def _cells(parts: Any, form: Any) -> list[str]:
    """A cell for each bin, a dash where it has too few pairs."""
    by_bin = {min(int(part["true"] // 15), 5): form(part) for part in parts}
    return [by_bin.get(number, UNKNOWN) for number in range(len(BIN_EDGES_DEG) - 1)]


def _difference_rows(answers: Any) -> Iterator[Row]:
    for answer in answers:
        name, bounds = answer["skill"], answer["difference"]
        # Less is better of errors, in degrees or relative to the distance.
        ahead = -(bounds["high"] or 0) if name in ("doae_deg", "rde") else bounds["low"] or 0
        mark = ABOVE if ahead > 0 else ""
        yield answer["system"], answer["minus"], TITLES[name], format_bound(name, bounds, "+"), mark


def _plot_azimuths(measured: Document, shown: Mapping[str, str]) -> str:
    side_deg = measured["guesses"]["side_deg"] or 0.0
    guides = {"as it is": [(0.0, 0.0), (90.0, 90.0)], "the side only": [(0.0, side_deg), (90.0, side_deg)]}
    return plot_series(AZIMUTH, HEARD_AZIMUTH, _series(measured, shown, "azimuth_deg"), guides)


def _plot_distances(measured: Document, shown: Mapping[str, str]) -> str:
    constant_m = measured["guesses"]["constant_m"] or 1.0
    guides = {
        "as it is": [(DISTANCE.low, DISTANCE.low), (DISTANCE.high, DISTANCE.high)],
        "the best constant": [(DISTANCE.low, constant_m), (DISTANCE.high, constant_m)],
    }
    return plot_series(DISTANCE, HEARD_DISTANCE, _series(measured, shown, "distance_m"), guides)


def _series(measured: Document, shown: Mapping[str, str], field: str) -> dict[str, list[SpreadPoint]]:
    return {
        name: [SpreadPoint(part["true"], part["lower"], part["median"], part["upper"]) for part in found]
        for system, name in shown.items()
        if (found := measured["heard"][system][field])
    }
