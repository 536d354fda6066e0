"""The skill of bundled checkpoints on the frozen scenes, as a part of their model cards."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.pages.results import WEIGHTS
from benchmarks.pages.skill import TITLES, format_bound
from benchmarks.pages.tables import Document, Row, table
from seldfuse.storage.digest import hash_file
from seldfuse.train.card import CARD

BEGIN, END = "<!-- made by python -m benchmarks cards -->", "<!-- end -->"


def renew_cards(document: Document, checkpoints: Path) -> list[Path]:
    """Write the skill of each backend that was measured into the card of its checkpoint, and return the cards.

    What else a card says stays. Raises ValueError where the weights are other ones than were measured.
    """
    written = []
    for backend, entry in document["backends"].items():
        for file, digest in entry["checkpoint"].items():
            if not file.endswith(WEIGHTS):
                continue
            found = hash_file(checkpoints / file, "blake2b-128")
            if found != digest:
                raise ValueError(
                    f"expected the weights that were measured, with BLAKE2b {digest}, got {found}; "
                    f"run `python -m benchmarks results` again: {checkpoints / file}"
                )
            card = (checkpoints / file).with_name(CARD)
            card.write_text(_renew(card.read_text(encoding="utf-8"), _tell(document, backend)), encoding="utf-8")
            written.append(card)
    return written


def _renew(card: str, section: str) -> str:
    """Replace the section between the marks; a card without them gets it at its end."""
    before, begin, rest = card.partition(BEGIN)
    after = rest.partition(END)[2] if begin else "\n"
    return f"{before.rstrip()}\n\n{BEGIN}\n\n{section}\n\n{END}{after}"


def _tell(document: Document, backend: str) -> str:
    sets = document["sets"]
    clips = ", ".join(f"{name} ({measured['clips']:,})" for name, measured in sets.items())
    return "\n".join(
        [
            "What it knows beyond the side of a source and the usual distance of its class, on the frozen scenes of",
            f"{clips}, which no training has; strict counting, macro over classes. In brackets are",
            "intervals at a level of 95 %, by leaving out one group of sounds (a speaker, a thing) at a time.",
            "`docs/results.md` has all scores.",
            "",
            table(("", *sets), _rows(document, backend)),
        ]
    )


def _rows(document: Document, backend: str) -> Iterator[Row]:
    skills = [measured["skill"][backend] for measured in document["sets"].values()]
    for name, title in TITLES.items():
        if any(skill[name]["value"] is not None for skill in skills):
            yield title, *(format_bound(name, skill[name]) for skill in skills)
    bins = [skill["azimuth_bins"] for skill in skills]
    for parts in zip(*bins, strict=True):
        if any(part["pairs"] for part in parts):
            edges = f"{parts[0]['low_deg']:g}–{parts[0]['high_deg']:g}°"
            yield (
                f"azimuth heard where {edges} is true, median (°)",
                *(format_bound("predicted_deg", part["predicted_deg"]) for part in parts),
            )
