"""What was measured as the tables of `docs/results.md`; what people write around them stays."""

from collections.abc import Iterator, Sequence

from benchmarks.pages import conditions, skill
from benchmarks.pages.scores import list_columns, number, spread, title
from benchmarks.pages.tables import ABOVE, Document, Row, table
from seldfuse.catalogue.values import Score

BEGIN, END = "<!-- made by make results -->", "<!-- end -->"

MODES = ("strict", "official")
FEW = "\\*"
WEIGHTS = "model.safetensors"
DIGEST_DIGITS = 12


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
    best = find_best_ensemble(document)
    for name, measured in document["sets"].items():
        for mode in MODES:
            yield f"### {name}: {mode} counting"
            scores = measured_scores(measured[mode]["scores"])
            heads = [title(score.name) for score in scores]
            yield table(("system", *heads), _score_rows(document, measured, mode, scores))
        yield from skill.list_blocks(name, measured)
        yield f"### {name}: ensembles less one backend"
        yield f"{ABOVE} where the whole interval lies above 0, that of an error below."
        yield table(
            ("ensemble", "less", "score", *(head for mode in MODES for head in (mode, ""))), _difference_rows(measured)
        )
        yield from skill.list_differences(measured)
        yield f"### {name}: by class"
        yield _about_classes(document, measured)
        columns = _class_columns(document)
        heads = [f"{title(score)}, {'ensemble' if system == best else system}" for system, score in columns]
        yield table(("class", "groups", "sound (s)", "frames", *heads), _class_rows(document, measured, columns))
        shown = best or document["systems"][0]["name"]
        yield from conditions.list_blocks(name, shown, measured)


def checkpoints(document: Document) -> Iterator[Row]:
    """List backend, checkpoint and the beginning of its weights' digest."""
    for backend, entry in document["backends"].items():
        for file, digest in entry["checkpoint"].items():
            if file.endswith(WEIGHTS):
                yield backend, file.removesuffix(f"/{WEIGHTS}"), f"`{digest[:DIGEST_DIGITS]}`"


def measured_scores(systems: Document) -> list[Score]:
    """List the scores that were measured of some systems; none where there is no system."""
    return list_columns(next(iter(systems.values()), ()))


def _score_rows(document: Document, measured: Document, mode: str, scores: Sequence[Score]) -> Iterator[Row]:
    for name, values in measured[mode]["scores"].items():
        yield name, *(spread(score.name, values[score.name]) for score in scores)
    few = measured["classes"]["few"]
    if any(few) and not all(few):
        names = [name for name, short in zip(document["labels"], few, strict=True) if not short]
        yield (f"**only {', '.join(names)}**", *[""] * len(scores))
        for name, values in measured[mode]["scores_of_many_groups"].items():
            yield name, *(spread(score.name, values[score.name]) for score in scores)


def _difference_rows(measured: Document) -> Iterator[Row]:
    for answers in zip(*(measured[mode]["differences"] for mode in MODES), strict=True):
        first, score = answers[0], answers[0]["score"]
        cells = [cell for answer in answers for cell in _difference(score, answer["difference"])]
        yield first["system"], first["minus"], title(score), *cells


def _difference(score: str, bounds: Document) -> tuple[str, str]:
    return spread(score, bounds, sign="+"), ABOVE if (bounds["low"] or 0) > 0 else ""


def _about_classes(document: Document, measured: Document) -> str:
    lines = [
        "Strict counting. *Groups* are the speakers, things or recordings that sound in this set, *sound* is what",
        "there is of them, *frames* are those in which a source of the class is active, counted once for each source.",
    ]
    best = find_best_ensemble(document)
    if best:
        lines.append(f"*Ensemble* is {best}, of all the one with the highest F20/1 on {next(iter(document['sets']))}.")
    if any(measured["classes"]["few"]):
        least = f"fewer than {document['fewest_groups']} groups or less than {document['shortest_s']:g} s of sound"
        lines.append(f"{FEW} {least}: the scores describe these sounds more than the class.")
    return "\n".join(lines)


def _class_columns(document: Document) -> list[tuple[str, str]]:
    """Which score of which system, of those that there are."""
    best = find_best_ensemble(document)
    expected = [("baseline", "f20_1"), ("sce", "f20_1"), (best, "f20_1"), ("doa", "f20"), ("sde", "f1")]
    expected += [(best, "doae_deg"), (best, "rde")]
    measured = {system["name"] for system in document["systems"]}
    return [(system, score) for system, score in expected if system in measured]


def find_best_ensemble(document: Document) -> str:
    """Find the one of highest F20/1 on the first set, strictly counted; no name where there is none."""
    scores = next(iter(document["sets"].values()))["strict"]["scores"]
    names = [system["name"] for system in document["systems"] if len(system["members"]) > 1]
    return max(names, key=lambda name: scores[name]["f20_1"]["value"] or 0.0, default="")


def list_shown(document: Document) -> dict[str, str]:
    """List the systems in the pictures with their names there: each backend alone, and the best ensemble."""
    alone = {system["name"]: system["name"] for system in document["systems"] if len(system["members"]) == 1}
    best = find_best_ensemble(document)
    return alone | ({best: best} if best else {})


def _class_rows(document: Document, measured: Document, columns: Sequence[tuple[str, str]]) -> Iterator[Row]:
    sounds, strict = measured["classes"], measured["strict"]
    for position, name in enumerate(document["labels"]):
        frames = strict["frames"][position]
        values = [strict["classes"][system][score][position] if frames else None for system, score in columns]
        cells = [number(score, value) for (_, score), value in zip(columns, values, strict=True)]
        marked = f"{name} {FEW}" if sounds["few"][position] else name
        yield marked, str(sounds["groups"][position]), f"{sounds['sound_s'][position]:.0f}", f"{frames:,}", *cells
