"""The study of tuning as the tables and pictures of `docs/tuning.md`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.pages.results import measured_scores
from benchmarks.pages.scores import spread, title
from benchmarks.pages.tables import ABOVE, Row, table
from seldfuse.catalogue.values import Score
from seldfuse.tune import report
from seldfuse.tune.explain import EnsembleReport

PICTURES = ("members.svg", "reliability.svg")


def write_pictures(ensemble: EnsembleReport, folder: Path) -> None:
    """Write the pictures of `seldfuse tune --explain`."""
    with TemporaryDirectory() as temporary:
        report.write_report(ensemble, Path(temporary))
        for name in PICTURES:
            (folder / f"tuning-{name}").write_bytes((Path(temporary) / name).read_bytes())


def tables(result: Mapping[str, Any]) -> str:
    """Format all that was measured as Markdown."""
    return "\n\n".join(_blocks(result)) + "\n"


def _blocks(result: Mapping[str, Any]) -> Iterator[str]:
    members = ", ".join(result["members"])
    yield (
        "`python -m benchmarks tuning --sounds DIR`, the last step of `make results`, made what follows: the bundled\n"
        f"{members}, fitted on {result['clips']} scenes of sounds for fitting, in seldfuse's own rooms, classes half\n"
        "balanced, and evaluated on the [frozen scenes](synthesis.md#frozen-scenes). Strict counting; all numbers are\n"
        "in [tuning.json](../benchmarks/results/tuning.json)."
    )
    yield "### On the scenes fitted on"
    yield "F20/1 of each preset and each way to combine activities, nothing fitted:"
    yield table(("preset", "arithmetic", "log-odds", "geometric"), _starts(result))
    chosen = result["chosen"]
    yield f"From {chosen['preset']}, {chosen['combine']}, cross-validated by recording, against `mean` as it is:"
    yield table(("fitted", "F20/1", "over `mean`", "on what was fitted on"), _candidates(result))
    if result["ahead"]:
        yield f"Ensembles as they are, less one member, with {ABOVE} where the whole interval lies above 0:"
        yield table(("ensemble", "less", "score", "difference", ""), _ahead(result))
    yield "### On other scenes"
    scores = _measured(result)
    yield table(("scenes", "fusion", *(title(score.name) for score in scores)), _scores(result, scores))
    yield f"Tuned less preset, with {ABOVE} where the whole interval lies above 0:"
    # The position of a source matters to the others; the table above has the score of class and frame alone.
    gained = [score for score in scores if score.needs]
    first, *rest = (title(score.name) for score in gained)
    yield table(("scenes", "less", first, "", *rest), _gains(result, gained))
    yield "How many of the true values lie in the intervals, in percent:"
    yield table(("scenes", "of", "50 %", "80 %", "90 %", "95 %"), _coverage(result))
    yield "Expected calibration error of the activities, as they are and as fitted on the other scenes:"
    yield table(("scenes", "of", "before", "after"), _errors(result))
    yield "### The contribution of each member"
    yield "F20/1 that is lost where one member is left out:"
    yield table(("left out", "lost"), ((name, spread("f20_1", lost, "+")) for name, lost in result["loss"].items()))
    steps = ", ".join(f"{name} ({score:.3f})" for name, score in result["growth"])
    yield f"Added one by one, the best first: {steps}."
    yield "![scores alone, loss when left out, gain when added, correlation of errors](images/tuning-members.svg)"
    yield "![reliability of each member, before and after calibration](images/tuning-reliability.svg)"


def _starts(result: Mapping[str, Any]) -> Iterator[Row]:
    presets = dict.fromkeys(preset for preset, _, _ in result["starts"])
    for preset in presets:
        yield preset, *(f"{score:.4f}" for name, _, score in result["starts"] if name == preset)


def _candidates(result: Mapping[str, Any]) -> Iterator[Row]:
    for one in result["candidates"]:
        again = f"{one['resubstituted']:.3f}"
        name = ", ".join(one["parts"]) or "uncertainty alone"
        mark = "**" if one["parts"] == result["chosen"]["parts"] else ""
        yield f"{mark}{name}{mark}", spread("f20_1", one["cross_validated"]), spread("f20_1", one["gain"], "+"), again


def _ahead(result: Mapping[str, Any]) -> Iterator[Row]:
    for one in result["ahead"]:
        mark = ABOVE if (one["difference"]["low"] or 0) > 0 else ""
        yield one["system"], one["minus"], title(one["score"]), spread(one["score"], one["difference"], "+"), mark


def _measured(result: Mapping[str, Any]) -> list[Score]:
    return measured_scores(next(iter(result["frozen"].values()))["scores"])


def _scores(result: Mapping[str, Any], scores: Sequence[Score]) -> Iterator[Row]:
    for scenes, found in result["frozen"].items():
        for name, values in found["scores"].items():
            yield scenes, name, *(spread(score.name, values[score.name]) for score in scores)


def _gains(result: Mapping[str, Any], scores: Sequence[Score]) -> Iterator[Row]:
    for scenes, found in result["frozen"].items():
        for preset, gain in found["gain"].items():
            mark = ABOVE if (gain["f20_1"]["low"] or 0) > 0 else ""
            first, *rest = (spread(score.name, gain[score.name], "+") for score in scores)
            yield scenes, preset, first, mark, *rest


def _coverage(result: Mapping[str, Any]) -> Iterator[Row]:
    for scenes, found in result["frozen"].items():
        for field, shares in found["coverage"].items():
            yield scenes, {"direction": "azimuth"}.get(field, field), *(f"{share:.1f}" for share in shares.values())


def _errors(result: Mapping[str, Any]) -> Iterator[Row]:
    for scenes, found in result["frozen"].items():
        for name, (before, after) in found["expected_error"].items():
            yield scenes, name, f"{before:.4f}", f"{after:.4f}"
