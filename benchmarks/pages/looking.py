"""The study of looking on real pictures as tables of `docs/results.md`."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.pages.results import checkpoints
from benchmarks.pages.scores import spread, title
from benchmarks.pages.tables import ABOVE, Row, table
from benchmarks.studies.eyes import ASKED
from benchmarks.studies.looking import SCORES
from seldfuse.metrics.registered import UNKNOWN

BEGIN = "<!-- made by make results: looking -->"

Document = Mapping[str, Any]


def tables(document: Document) -> str:
    """Format all that was measured as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield (
        "`python -m benchmarks looking --sounds DIR --pictures DIR --backgrounds DIR`, a step of `make results`, made\n"
        f"these tables with seldfuse {document['seldfuse']} on the {document['clips']} scenes of `validation-v2-av`,"
        " whose sounds, people, things and\nrooms nobody trained on; all numbers are in"
        " [looking.json](../benchmarks/results/looking.json). Counting is strict, scores are\nmeans over classes,"
        f" intervals leave out {document['groups']} people, things and rooms in turn, and members are merged as\n"
        "`seldfuse run` merges them. F20/1 is F20/1/on with true on-screen flags."
    )
    yield table(("backend", "checkpoint", "BLAKE2b of the weights"), checkpoints(document))
    yield table(("system", "picture", "detections", *map(title, SCORES)), _rows(document))
    yield f"### Differences on real pictures; {ABOVE} where the interval lies above 0"
    heads = [head for name in ASKED for head in (title(name), "")]
    yield table(("system", "less", *heads, "closed of 1 − OSA"), _differences(document))
    yield "### On-screen accuracy by class"
    systems = [row for row in document["systems"] if row["picture"] == "own"]
    yield table(("system", "detections", *systems[0]["osa_of_class"]), map(_row_of_classes, systems))
    yield "### Mean error of azimuth over on-screen sources, degrees"
    yield table(
        ("system", "all, seen", "all, without picture", "speech, seen", "speech, without picture"),
        ((row["system"], *(_one_decimal(value) for key, value in row.items() if key != "system"))
         for row in document["onscreen_azimuth"]),
    )  # fmt: skip


def _rows(document: Document) -> Iterator[Row]:
    for row in document["systems"]:
        yield row["system"], row["picture"], row["post"] or "–", *(spread(name, row["scores"][name]) for name in SCORES)


def _differences(document: Document) -> Iterator[Row]:
    for row in document["differences"]:
        system = f"{row['system']}, {row['post']}" if row["post"] else row["system"]
        less = row["less"] if row["less_picture"] == "own" else f"{row['less']}, picture: {row['less_picture']}"
        cells = (cell for name in ASKED for cell in (spread(name, row[name], "+"), _mark(row[name])))
        yield system, less, *cells, UNKNOWN if row["closed"] is None else f"{row['closed']:.0%}"


def _mark(bounds: Document) -> str:
    return ABOVE if bounds["low"] is not None and bounds["low"] > 0 else ""


def _row_of_classes(row: Document) -> Row:
    return row["system"], row["post"] or "–", *map(_two_decimals, row["osa_of_class"].values())


def _one_decimal(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def _two_decimals(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"
