"""What backends score on rendered validation scenes, pair by pair.

    python -m benchmarks yardstick DATA --backends A,B --against C,D

Each backend is scored by what it gives; ensembles of all on either side are scored, too. Strict counting, macro over
classes; differences with jackknife intervals of 95 %, clip by clip.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from seldfuse.clip import Clip
from seldfuse.errors import SeldfuseError
from seldfuse.events import Events
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, decode, fuse
from seldfuse.listen import listen
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import Counts, count
from seldfuse.metrics.jackknife import Interval, differences
from seldfuse.metrics.scores import scores
from seldfuse.pipeline import open_ears
from seldfuse.posterior import Posterior
from seldfuse.synth.dataset.folder import Split
from seldfuse.watch import Watch

ENSEMBLE = "ensemble"


def measure(split: Split, backends: Sequence[str], against: Sequence[str]) -> dict[str, Any]:
    """Scores of two lists of backends of one length, the n-th of one beside the n-th of the other."""
    clips = find_clips([str(path) for path in sorted(split.folder("wav").glob("*.wav"))])
    truth = [dcase.read(split.file(Path(clip.name).name, "csv")) for clip in clips]
    said = _said(clips, [*backends, *against])
    pairs = [*zip(backends, against, strict=True), (ENSEMBLE, ENSEMBLE)]
    document: dict[str, Any] = {"clips": len(clips), "pairs": []}
    for ours, theirs in pairs:
        mine = _counts(truth, _events(said, [ours] if ours != ENSEMBLE else backends))
        other = _counts(truth, _events(said, [theirs] if theirs != ENSEMBLE else against))
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


def _said(clips: Sequence[Clip], backends: Sequence[str]) -> list[Mapping[str, Posterior]]:
    ears = open_ears(",".join(backends), "auto")
    heard = {found.name: found.posteriors for found in listen(clips, ears, Watch(), _fail)}
    return [heard[clip.name] for clip in clips]


def _events(said: Sequence[Mapping[str, Posterior]], members: Sequence[str]) -> list[Events]:
    fused = (fuse({member: posteriors[member] for member in members}, FusionSettings()) for posteriors in said)
    return [events for posterior in fused for events in decode(posterior)]


def _counts(truth: Sequence[Events], predictions: Sequence[Events]) -> Counts:
    return count(truth, predictions, mode="strict")


def _scores(ours: Counts, theirs: Counts) -> dict[str, tuple[float, float, dict[str, float]]]:
    known, other = scores(ours).known(), scores(theirs).known()
    bounds: Mapping[str, Interval] = differences(ours, theirs)
    return {
        name: (value, other[name], {part: getattr(bounds[name], part) for part in ("value", "low", "high")})
        for name, value in known.items()
        if name in other
    }


def _fail(_clip: Clip, error: SeldfuseError) -> None:
    raise error
