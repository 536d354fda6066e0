"""What pictures are worth as the tables of `docs/results.md`."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.pages.results import ABOVE, Row, checkpoints, spread, table
from benchmarks.studies.eyes import ASKED, POOLED
from benchmarks.studies.two_sources import APART_DEG
from seldfuse.metrics.counts import AZIMUTH_LIMIT_DEG

BEGIN = "<!-- made by make results: eyes -->"

TITLES = {
    "f20_1": "F20/1",
    "f20_1_on": "F20/1/on",
    "doae_deg": "DOAE (°)",
    "rde": "RDE",
    "osa": "OSA",
}

Document = Mapping[str, Any]


def tables(document: Document) -> str:
    """All that was measured, as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield (
        "`python -m benchmarks eyes --sounds DIR --sprites DIR`, a step of `make results`, made these tables with\n"
        f"seldfuse {document['seldfuse']} on {document['clips']} scenes; all numbers are in\n"
        "[eyes.json](../benchmarks/results/eyes.json). F20/1 is F20/1/on with true on-screen flags.\n"
        "Pooled scores count the sounds of all classes together; the others are means over classes, six of which\n"
        "sound for less than 25 s in all scenes together."
    )
    yield table(("backend", "checkpoint", "BLAKE2b of the weights"), checkpoints(document))
    for mode in ("strict", "official"):
        yield f"### audio-visual scenes: {mode} counting"
        pooled = (f"{TITLES[name]}, pooled" for name in ASKED)
        yield table(("system", "picture", *TITLES.values(), *pooled), _rows(document[mode]["scores"]))
    yield f"### With its own picture less the same network otherwise, strict; {ABOVE} where the interval lies above 0"
    titles = ("F20/1/on", "", "OSA", "", "F20/1/on, pooled", "", "OSA, pooled", "")
    yield table(("system", "less with picture", *titles), _control_rows(document["strict"]))
    yield f"### Systems compared, strict; {ABOVE} where the interval lies above 0"
    yield table(("system", "less", "F20/1", "", *titles), _member_rows(document["strict"]))
    yield (
        f"### Two sources of one class, more than {APART_DEG:.0f}° apart: frames in which both are found within "
        f"{AZIMUTH_LIMIT_DEG:.0f}°"
    )
    yield (
        "*Two at once*: each scene with the sound of the one that shares most classes with it at the same time, as\n"
        "loud, and no picture. A backend of one track can find only one."
    )
    yield table(
        ("scenes", "system", "both found", "frames"),
        ((row["scenes"], row["system"], str(row["both"]), f"{row['of']:,}") for row in document["twins"]),
    )


def _rows(scores: list[Document]) -> Iterator[Row]:
    for row in scores:
        yield row["system"], row["picture"], *_spreads(row)


def _spreads(row: Document) -> Iterator[str]:
    yield from (spread(name, row[name]) for name in TITLES)
    yield from (spread(name, row[POOLED][name]) for name in ASKED)


def _control_rows(measured: Document) -> Iterator[Row]:
    for row in measured["controls"]:
        yield row["system"], row["picture"], *_cells(row, ASKED), *_cells(row[POOLED], ASKED)


def _member_rows(measured: Document) -> Iterator[Row]:
    for row in measured["members"]:
        yield row["system"], row["less"], *_cells(row, ("f20_1", *ASKED)), *_cells(row[POOLED], ASKED)


def _cells(row: Document, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield spread(name, row[name], "+")
        yield ABOVE if (row[name]["low"] or 0) > 0 else ""
