"""The tables of what `make fit` found."""

from collections.abc import Iterator

from benchmarks.pages.tables import Document, table

BEGIN = "<!-- made by make fit -->"


def tables(document: Document) -> str:
    """Format what each set gained by fitting, and the score of each ensemble, as Markdown."""
    return "\n\n".join(_blocks(document)) + "\n"


def _blocks(document: Document) -> Iterator[str]:
    yield (
        "F20/1 on the scenes fitted on, cross-validated by recording, with its difference to `mean` as it is; all\n"
        "numbers are in [fit.json](../benchmarks/results/fit.json):"
    )
    heads = ("members", "scenes", "fitted", "`mean`", "fitted, cross-validated", "difference")
    yield table(
        heads,
        (
            (
                ", ".join(one["members"]),
                f"{one['clips']}{', with pictures' if one['pictures'] else ''}",
                ", ".join(one["fitted"]) or "uncertainty alone",
                f"{one['preset']['value']:.3f}",
                f"{one['cross_validated']['value']:.3f}",
                f"{one['gain']['value']:+.3f} ({one['gain']['low']:+.3f} to {one['gain']['high']:+.3f})",
            )
            for one in document["sets"]
        ),
    )
    yield "F20/1/on of the ensembles on scenes with pictures, to which they are not fitted:"
    yield table(
        ("backends", "by sound and networks", "with both detectors"),
        (
            (backends, *(f"{scores[post]:.3f}" for post in sorted(scores)))
            for backends, scores in _by_backends(document).items()
        ),
    )


def _by_backends(document: Document) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in document["picture"]:
        found.setdefault(one["backends"], {})[one["post"]] = one["score"]
    return found
