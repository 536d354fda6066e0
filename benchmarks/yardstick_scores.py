"""What backends score on rendered validation scenes, pair by pair.

    python -m benchmarks yardstick DATA --backends A,B --against C,D

Each backend is scored by what it gives; ensembles of all on either side are scored, too. Strict counting, macro over
classes; differences with jackknife intervals of 95 %, clip by clip.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.hearing import Hearing, decided, hear
from seldfuse.metrics.counts import Counts, count
from seldfuse.metrics.jackknife import Interval, differences
from seldfuse.metrics.scores import scores
from seldfuse.synth.dataset.folder import Split

ENSEMBLE = "ensemble"


def measure(split: Split, backends: Sequence[str], against: Sequence[str]) -> dict[str, Any]:
    """Scores of two lists of backends of one length, the n-th of one beside the n-th of the other."""
    heard = hear(split, ",".join([*backends, *against]))
    pairs = [*zip(backends, against, strict=True), (ENSEMBLE, ENSEMBLE)]
    document: dict[str, Any] = {"clips": len(heard.truth), "pairs": []}
    for ours, theirs in pairs:
        mine = _counts(heard, [ours] if ours != ENSEMBLE else backends)
        other = _counts(heard, [theirs] if theirs != ENSEMBLE else against)
        document["pairs"].append({"name": ours, "against": theirs, "scores": _scores(mine, other)})
    return document


def table(document: dict[str, Any]) -> Table:
    """A row for each score that both of a pair have."""
    view = Table("", "score", "value", "against", "difference, 95 %")
    for pair in document["pairs"]:
        for name, (value, other, difference) in pair["scores"].items():
            spread = f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
            view.add_row(pair["name"], name, f"{value:.3f}", f"{other:.3f}", spread)
    return view


def _counts(heard: Hearing, members: Sequence[str]) -> Counts:
    return count(heard.truth, decided(heard.said, members), mode="strict")


def _scores(ours: Counts, theirs: Counts) -> dict[str, tuple[float, float, dict[str, float]]]:
    known, other = scores(ours).known(), scores(theirs).known()
    bounds: Mapping[str, Interval] = differences(ours, theirs)
    return {
        name: (value, other[name], {part: getattr(bounds[name], part) for part in ("value", "low", "high")})
        for name, value in known.items()
        if name in other
    }
