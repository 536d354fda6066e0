"""What was measured as the tables of `docs/results.md`; what people write around them stays."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.pages.scores import list_columns, number, spread, title
from seldfuse.catalogue.values import Score

BEGIN, END = "<!-- made by make results -->", "<!-- end -->"

MODES = ("strict", "official")
ABOVE = "✓"
FEW = "\\*"
WEIGHTS = "model.safetensors"
DIGEST_DIGITS = 12

Row = Sequence[str]
Document = Mapping[str, Any]


def renew(page: str, tables: str, mark: str = BEGIN) -> str:
    """Replace the tables of a page between a mark and the next end. Raises ValueError where it lacks them."""
    before, begin, rest = page.partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the lines {mark} and {END} in the page, between which the tables go")
    return f"{before}{mark}\n\n{tables}\n{END}{after}"


def tables(document: Document) -> str:
    """Format all that was measured as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield (
        "`python -m benchmarks results --sounds DIR`, a step of `make results`, made these tables with\n"
        f"seldfuse {document['seldfuse']}; all numbers are in [results.json](../benchmarks/results/results.json)."
    )
    yield table(("backend", "checkpoint", "BLAKE2b of the weights"), checkpoints(document))
    for name, measured in document["sets"].items():
        for mode in MODES:
            yield f"### {name}: {mode} counting"
            scores = measured_scores(measured[mode]["scores"])
            heads = [title(score.name) for score in scores]
            yield table(("system", *heads), _score_rows(document, measured[mode], scores))
        yield f"### {name}: ensembles less one backend"
        yield f"{ABOVE} where the whole interval lies above 0."
        yield table(
            ("ensemble", "less", "score", *(head for mode in MODES for head in (mode, ""))), _difference_rows(measured)
        )
        yield f"### {name}: by class"
        yield _about_classes(document)
        columns = _class_columns(document)
        best = _best_ensemble(document)
        heads = [f"{title(score)}, {'ensemble' if system == best else system}" for system, score in columns]
        yield table(("class", "groups", "frames", *heads), _class_rows(document, measured["strict"], columns))


def checkpoints(document: Document) -> Iterator[Row]:
    """List backend, checkpoint and the beginning of its weights' digest."""
    for backend, entry in document["backends"].items():
        for file, digest in entry["checkpoint"].items():
            if file.endswith(WEIGHTS):
                yield backend, file.removesuffix(f"/{WEIGHTS}"), f"`{digest[:DIGEST_DIGITS]}`"


def measured_scores(systems: Document) -> list[Score]:
    """List the scores that were measured of some systems; none where there is no system."""
    return list_columns(next(iter(systems.values()), ()))


def _score_rows(document: Document, measured: Document, scores: Sequence[Score]) -> Iterator[Row]:
    for name, values in measured["scores"].items():
        yield name, *(spread(score.name, values[score.name]) for score in scores)
    marked = _marked(document)
    if marked:
        yield (f"**without {', '.join(marked)}**", *[""] * len(scores))
        for name, values in measured["scores_of_many_groups"].items():
            yield name, *(spread(score.name, values[score.name]) for score in scores)


def _difference_rows(measured: Document) -> Iterator[Row]:
    for answers in zip(*(measured[mode]["differences"] for mode in MODES), strict=True):
        first, score = answers[0], answers[0]["score"]
        cells = [cell for answer in answers for cell in _difference(score, answer["difference"])]
        yield first["system"], first["minus"], title(score), *cells


def _difference(score: str, bounds: Document) -> tuple[str, str]:
    return spread(score, bounds, sign="+"), ABOVE if (bounds["low"] or 0) > 0 else ""


def _about_classes(document: Document) -> str:
    lines = [
        "Strict counting. *Groups* are held-out speakers or recordings, *frames* those in which a source of the class",
        "is active, counted once for each source.",
    ]
    best, marked = _best_ensemble(document), _marked(document)
    if best:
        lines.append(f"*Ensemble* is {best}, of all the one with the highest F20/1 on {next(iter(document['sets']))}.")
    if marked:
        few = f"{FEW} fewer than {document['fewest_groups']} groups"
        lines.append(f"{few}: the scores describe these more than the class.")
    return "\n".join(lines)


def _class_columns(document: Document) -> list[tuple[str, str]]:
    """Which score of which system, of those that there are."""
    best = _best_ensemble(document)
    expected = [("baseline", "f20_1"), ("sce", "f20_1"), (best, "f20_1"), ("doa", "f20"), ("sde", "f1")]
    expected += [(best, "doae_deg"), (best, "rde")]
    measured = {system["name"] for system in document["systems"]}
    return [(system, score) for system, score in expected if system in measured]


def _best_ensemble(document: Document) -> str:
    """The one of highest F20/1 on the first set, strictly counted; no name where there is none."""
    scores = next(iter(document["sets"].values()))["strict"]["scores"]
    names = [system["name"] for system in document["systems"] if len(system["members"]) > 1]
    return max(names, key=lambda name: scores[name]["f20_1"]["value"] or 0.0, default="")


def _class_rows(document: Document, measured: Document, columns: Sequence[tuple[str, str]]) -> Iterator[Row]:
    marked = _marked(document)
    for position, (name, groups) in enumerate(document["groups"].items()):
        frames = measured["frames"][position]
        values = [measured["classes"][system][score][position] if frames else None for system, score in columns]
        cells = [number(score, value) for (_, score), value in zip(columns, values, strict=True)]
        yield name + (f" {FEW}" if name in marked else ""), str(groups), f"{frames:,}", *cells


def _marked(document: Document) -> list[str]:
    """Classes of few groups."""
    return [name for name, groups in document["groups"].items() if groups < document["fewest_groups"]]


def table(heads: Sequence[str], rows: Iterator[Row] | Sequence[Row]) -> str:
    """Format a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
