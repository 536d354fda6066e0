"""The study of the visual correction as tables of `docs/results.md`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.pages.eyes import headings
from benchmarks.pages.results import measured_scores
from benchmarks.pages.scores import spread, title
from benchmarks.pages.tables import ABOVE, Row, table
from benchmarks.studies.eyes import ASKED
from seldfuse.catalogue.values import Score
from seldfuse.metrics.registered import UNKNOWN

BEGIN = "<!-- made by make results: post -->"
WITHOUT_PEOPLE = "F20/1/on, pooled, in scenes without people"

Document = Mapping[str, Any]


def tables(document: Document) -> str:
    """Format all that was measured as Markdown."""
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
            scores = measured_scores(system["heard"])
            heads, gained = [title(score.name) for score in scores], headings(ASKED)
            yield table(("detections", "post", "mode", *heads), _rows(system, scores))
            yield f"Gain over the uncorrected posterior; {ABOVE} where the interval lies above 0:"
            yield table(("detections", "post", "mode", *gained, *_closed_headings(), WITHOUT_PEOPLE), _gains(system))
            yield f"`bayes` less `rules`; {ABOVE} where the interval lies above 0:"
            yield table(("detections", "post", *gained), _against(system))


def _closed_headings() -> list[str]:
    first, *others = [f"of {title(name)}{pooled}" for pooled in ("", ", pooled") for name in ASKED]
    return [f"closed {first}", *others]


def _rows(system: Document, scores: Sequence[Score]) -> Iterator[Row]:
    yield "–", "none", "–", *_spreads(system["heard"], scores)
    for row in system["seen"]:
        yield row["detections"], row["post"], row["mode"], *_spreads(row, scores)


def _spreads(row: Document, scores: Sequence[Score]) -> Iterator[str]:
    yield from (spread(score.name, row["scores"][score.name]) for score in scores)


def _gains(system: Document) -> Iterator[Row]:
    for row in system["seen"]:
        shares = (row["closed"][average][name] for average in ("alike", "pooled") for name in ASKED)
        closed = (UNKNOWN if share is None else f"{share:.0%}" for share in shares)
        without_people = spread("f20_1_on", row["without_people"]["f20_1_on"], "+")
        yield row["detections"], row["post"], row["mode"], *_marked(row["gain"]), *closed, without_people


def _against(system: Document) -> Iterator[Row]:
    for row in system["bayes_over_rules"]:
        yield row["detections"], row["post"], *_marked(row)


def _marked(gain: Document) -> Iterator[str]:
    for name, one in (*((name, gain[name]) for name in ASKED), *((name, gain["pooled"][name]) for name in ASKED)):
        yield spread(name, one, "+")
        yield ABOVE if one["low"] is not None and one["low"] > 0 else ""
