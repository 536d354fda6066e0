"""The study of pictures as tables of `docs/results.md`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.pages.results import checkpoints
from benchmarks.pages.scores import list_columns, spread, title
from benchmarks.pages.tables import ABOVE, Row, table
from benchmarks.studies.eyes import ASKED, POOLED
from benchmarks.studies.two_sources import APART_DEG, AZIMUTH_LIMIT_DEG
from seldfuse.catalogue.values import Score

BEGIN = "<!-- made by make results: eyes -->"

Document = Mapping[str, Any]


def tables(document: Document) -> str:
    """Format all that was measured as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield (
        "`python -m benchmarks eyes --sounds DIR --sprites DIR`, a step of `make results`, made these tables with\n"
        f"seldfuse {document['seldfuse']} on {document['clips']} scenes; all numbers are in\n"
        "[eyes.json](../benchmarks/results/eyes.json). F20/1 is F20/1/on with true on-screen flags.\n"
        "Pooled scores count the events of all classes together; the others are means over classes, six of which\n"
        "are active for less than 25 s in all scenes together."
    )
    yield table(("backend", "checkpoint", "BLAKE2b of the weights"), checkpoints(document))
    for mode in ("strict", "official"):
        yield f"### audio-visual scenes: {mode} counting"
        rows = document[mode]["scores"]
        scores = list_columns(rows[0])
        pooled = (f"{title(name)}, pooled" for name in ASKED)
        yield table(("system", "picture", *(title(score.name) for score in scores), *pooled), _rows(rows, scores))
    yield f"### Own picture minus another condition, strict; {ABOVE} where the interval lies above 0"
    titles = headings(ASKED)
    yield table(("system", "less with picture", *titles), _control_rows(document["strict"]))
    yield f"### Systems compared, strict; {ABOVE} where the interval lies above 0"
    yield table(("system", "less", title("f20_1"), "", *titles), _member_rows(document["strict"]))
    yield (
        f"### Two sources of one class, more than {APART_DEG:.0f}° apart: frames in which both are detected within "
        f"{AZIMUTH_LIMIT_DEG:.0f}°"
    )
    yield (
        "*Two at once*: each scene mixed with the one that shares most classes with it, at the same level, without\n"
        "picture. A backend of one track can detect only one."
    )
    yield table(
        ("scenes", "system", "both found", "frames"),
        ((row["scenes"], row["system"], str(row["both"]), f"{row['of']:,}") for row in document["twins"]),
    )


def headings(names: Sequence[str]) -> list[str]:
    """List the titles of scores and of the same pooled, each before a column for marks."""
    titles = [title(name) for name in names]
    return [head for one in (*titles, *(f"{one}, pooled" for one in titles)) for head in (one, "")]


def _rows(rows: Sequence[Document], scores: Sequence[Score]) -> Iterator[Row]:
    for row in rows:
        yield row["system"], row["picture"], *_spreads(row, scores)


def _spreads(row: Document, scores: Sequence[Score]) -> Iterator[str]:
    yield from (spread(score.name, row[score.name]) for score in scores)
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
