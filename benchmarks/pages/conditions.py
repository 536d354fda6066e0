"""Where a system errs, and whether the doubts hold, as tables."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from benchmarks.pages.scores import number, spread, title
from benchmarks.pages.tables import Document, Row, table
from benchmarks.studies.doubt import NORMAL_SHARE
from seldfuse.metrics.registered import UNKNOWN

CONDITIONS = {
    "rt60_s": ("RT60", " s"),
    "snr_db": ("SNR", " dB"),
    "overlap": ("sources at once", ""),
    "distance_m": ("distance", " m"),
    "azimuth_deg": ("azimuth", "°"),
}
"""What conditions are called, and their units."""


def list_blocks(name: str, system: str, measured: Document) -> Iterator[str]:
    """List what a set's part of the page says of conditions, of one system, and of the doubts of all."""
    yield f"### {name}: by condition"
    yield (
        f"Of {system}, strict counting, all classes pooled. *Found* is the share of the true sources that have a\n"
        "partner within the limits of F20/1; false alarms have no true distance or azimuth: there is no F by these."
    )
    scores = (title("doae_deg"), title("rde"), "rank correlation of distance")
    yield table(
        ("condition", "sources", title("f20_1"), "found", *scores), _condition_rows(measured["conditions"][system])
    )
    yield f"### {name}: doubts"
    yield (
        "How many errors of events are within the standard deviation that a system states, of azimuth and of the\n"
        f"logarithm of the distance ({NORMAL_SHARE:.0%} where errors are normal), and how often happens what it says\n"
        "with some probability; what it says with less than 0.05 is left out:"
    )
    yield table(("system", "azimuth", "distance", "said → happens"), _doubt_rows(measured["doubt"]))


def _condition_rows(bins: Any) -> Iterator[Row]:
    for condition, parts in groupby(bins, lambda part: part["condition"]):
        name, unit = CONDITIONS[condition]
        for part in parts:
            yield (
                f"{name} {_range(part)}{unit}",
                f"{part['sources']:,}",
                spread("f20_1", part["f20_1"]),
                _plain(part["found"]),
                number("doae_deg", part["doae_deg"]),
                number("rde", part["rde"]),
                _plain(part["distance_rank"]),
            )


def _range(part: Document) -> str:
    low, high = part["low"], part["high"]
    if part["condition"] == "overlap":
        return f"{low:g}" if high is not None else f"{low:g} or more"
    if high is None:
        return f"from {low:g}"
    return f"to {high:g}" if not low else f"{low:g}–{high:g}"


def _doubt_rows(doubt: Document) -> Iterator[Row]:
    for system, found in doubt.items():
        within = [UNKNOWN if share is None else f"{share:.1%}" for share in found["within_std"].values()]
        said = ", ".join(f"{part['said']:.2f} → {part['happens']:.2f}" for part in found["activity"])
        yield system, *within, said


def _plain(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"
