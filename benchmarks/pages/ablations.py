"""What the parts of SED-SCE bring, as tables of `docs/training.md`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.pages.scores import spread, title
from benchmarks.pages.skill import TITLES, format_bound
from benchmarks.pages.tables import Document, Row, table
from benchmarks.studies.ablations import SCORES, SHOWN

BEGIN = "<!-- made by python -m benchmarks ablations -->"
ABOUT = {"heard": "", "told": ", told which classes sound"}


def tables(document: Document) -> str:
    """Format all that was measured as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield table(("network", "what it is", "steps", "core-seconds a step", "scenes"), _arm_rows(document["arms"]))
    for name, measured in document["sets"].items():
        for way, shown in SHOWN.items():
            heads = [TITLES[score] if score in TITLES else title(score) for score in shown]
            yield f"{name}, {measured['clips']} scenes{ABOUT[way]}:"
            yield table(("network", *heads), _score_rows(measured[way]["scores"], shown))
            yield f"Differences on {name}{ABOUT[way]}; **bold** where the interval leaves out 0:"
            yield table(("network", "less", *heads), _difference_rows(document["arms"], measured[way], shown))


def _arm_rows(arms: Document) -> Iterator[Row]:
    for name, arm in arms.items():
        yield f"`{name}`", arm["about"], str(arm["steps"]), str(arm["step_s"]), f"{arm['scenes']:,}"


def _score_rows(scores: Document, shown: Sequence[str]) -> Iterator[Row]:
    for name, values in scores.items():
        yield f"`{name}`", *(_format(score, values[score]) for score in shown)


def _difference_rows(arms: Document, measured: Document, shown: Sequence[str]) -> Iterator[Row]:
    for name, values in measured["differences"].items():
        yield f"`{name}`", f"`{arms[name]['against']}`", *(_mark(score, values[score]) for score in shown)


def _mark(score: str, bounds: Mapping[str, Any]) -> str:
    text, low, high = _format(score, bounds, "+"), bounds["low"], bounds["high"]
    return f"**{text}**" if low is not None and (low > 0 or high < 0) else text


def _format(score: str, bounds: Mapping[str, Any], sign: str = "") -> str:
    return spread(score, bounds, sign) if score in SCORES else format_bound(score, bounds, sign)
