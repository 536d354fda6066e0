"""The tables of what `make fit` found."""

from collections.abc import Iterator, Mapping

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
                _difference(one["gain"]),
            )
            for one in document["sets"]
        ),
    )
    for score, what, where in (
        ("F20/1/on", "picture", "on scenes with pictures, to which they are not fitted"),
        ("F20/1", "sound", "on scenes of sound alone, cross-validated"),
    ):
        yield f"{score} of the ensembles {where}, and its difference to the one that is taken without saying:"
        yield table(
            ("backends", "detectors", score, "difference"),
            (
                (one["backends"], one["post"] or "–", f"{one['score']['value']:.3f}", _difference(one["gain"]))
                for one in document[what]
            ),
        )


def _difference(gain: Mapping[str, float]) -> str:
    return f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
