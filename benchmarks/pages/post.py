"""What looking is worth as the tables of `docs/results.md`."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.pages.results import ABOVE, UNKNOWN, Row, spread, table

BEGIN = "<!-- made by make results: post -->"

TITLES = {"f20_1": "F20/1", "f20_1_on": "F20/1/on", "doae_deg": "DOAE (°)", "rde": "RDE", "osa": "OSA"}
ASKED = ("f20_1_on", "osa")
GAINED = ("F20/1/on", "", "OSA", "", "F20/1/on, pooled", "", "OSA, pooled", "")
NOBODY = "F20/1/on, pooled, where nobody is to be seen"
CLOSED = ("closed of F20/1/on", "of OSA", "of F20/1/on, pooled", "of OSA, pooled")

Document = Mapping[str, Any]


def tables(document: Document) -> str:
    """All that was measured, as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield (
        "`python -m benchmarks post --sounds DIR --sprites DIR`, a step of `make results`, made these tables with\n"
        f"seldfuse {document['seldfuse']} on {document['clips']} scenes; all numbers are in "
        "[post.json](../benchmarks/results/post.json).\nF20/1 is F20/1/on with true on-screen flags. Counting is "
        "strict. Exact detections are those of the plans; degraded ones\nmiss a fifth, jitter by 8 px, and have false "
        f"people; {document['without_people']} scenes show nobody. *Closed* is the share of the gap between F20/1/on\n"
        "and F20/1, and of 1 − OSA, that is no longer there."
    )
    for system in document["systems"]:
        if system["seen"]:
            yield f"### {system['name']}: the mean of {', '.join(system['members'])}"
            yield table(("detections", "post", "mode", *TITLES.values()), _rows(system))
            yield f"More than without post-processing; {ABOVE} where the interval lies above 0:"
            yield table(("detections", "post", "mode", *GAINED, *CLOSED, NOBODY), _gains(system))
            yield f"`bayes` less `rules`; {ABOVE} where the interval lies above 0:"
            yield table(("detections", "post", *GAINED), _against(system))


def _rows(system: Document) -> Iterator[Row]:
    yield "–", "none", "–", *(spread(name, system["heard"]["scores"][name]) for name in TITLES)
    for row in system["seen"]:
        yield row["detections"], row["post"], row["mode"], *(spread(name, row["scores"][name]) for name in TITLES)


def _gains(system: Document) -> Iterator[Row]:
    for row in system["seen"]:
        shares = (row["closed"][average][name] for average in ("alike", "pooled") for name in ASKED)
        closed = (UNKNOWN if share is None else f"{share:.0%}" for share in shares)
        nobody = spread("f20_1_on", row["without_people"]["f20_1_on"], "+")
        yield row["detections"], row["post"], row["mode"], *_marked(row["gain"]), *closed, nobody


def _against(system: Document) -> Iterator[Row]:
    for row in system["bayes_over_rules"]:
        yield row["detections"], row["post"], *_marked(row)


def _marked(gain: Document) -> Iterator[str]:
    for name, one in (*((name, gain[name]) for name in ASKED), *((name, gain["pooled"][name]) for name in ASKED)):
        yield spread(name, one, "+")
        yield ABOVE if one["low"] is not None and one["low"] > 0 else ""
