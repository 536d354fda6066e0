"""What the parts of SED-SCE bring, as tables of `docs/training.md`."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.pages.scores import spread, title
from benchmarks.pages.skill import TITLES, format_bound
from benchmarks.pages.tables import Document, Row, table
from benchmarks.studies.ablations import SCORES, SHOWN

BEGIN = "<!-- made by python -m benchmarks ablations -->"


def tables(document: Document) -> str:
    """Format all that was measured as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield table(("network", "what it is", "steps", "core-seconds a step", "scenes"), _arm_rows(document["arms"]))
    heads = [TITLES[name] if name in TITLES else title(name) for name in SHOWN]
    for name, measured in document["sets"].items():
        yield f"{name}, {measured['clips']} scenes:"
        yield table(("network", *heads), _score_rows(measured["scores"]))
        yield f"Differences on {name}; **bold** where the interval leaves out 0:"
        yield table(("network", "less", *heads), _difference_rows(document["arms"], measured["differences"]))


def _arm_rows(arms: Document) -> Iterator[Row]:
    for name, arm in arms.items():
        yield f"`{name}`", arm["about"], str(arm["steps"]), str(arm["step_s"]), f"{arm['scenes']:,}"


def _score_rows(scores: Document) -> Iterator[Row]:
    for name, values in scores.items():
        yield f"`{name}`", *(_format(score, values[score]) for score in SHOWN)


def _difference_rows(arms: Document, differences: Document) -> Iterator[Row]:
    for name, values in differences.items():
        yield f"`{name}`", f"`{arms[name]['against']}`", *(_mark(score, values[score]) for score in SHOWN)


def _mark(score: str, bounds: Mapping[str, Any]) -> str:
    text, low, high = _format(score, bounds, "+"), bounds["low"], bounds["high"]
    return f"**{text}**" if low is not None and (low > 0 or high < 0) else text


def _format(score: str, bounds: Mapping[str, Any], sign: str = "") -> str:
    return spread(score, bounds, sign) if score in SCORES else format_bound(score, bounds, sign)
