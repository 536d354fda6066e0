"""How good predicted label files are."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seldfuse.errors import UsageError
from seldfuse.formats.dcase import read_many
from seldfuse.formats.folder import find_by_stem
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.matches import Mode
from seldfuse.metrics.scores import Average, Scores, compute_scores
from seldfuse.storage.text import name_some

if TYPE_CHECKING:
    from seldfuse.metrics.rows import Scene

NAMED = 5
"""Clips that a note names before it counts the rest."""


def evaluate(
    predictions: str | Path, reference: str | Path, mode: Mode = "official", average: Average = "macro"
) -> Scores:
    """Score the CSV files of one folder against those of another, paired by name, whatever folder they are in.

    `mode` is `official`, which counts like the challenge's scorer, or `strict`, which counts every frame of every clip.
    `average` is the mean over classes (`macro`), or all classes pooled (`micro`). Raises UsageError.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for side in ("predictions", "labels"):
    ...         Path(folder, side).mkdir()
    ...         _ = Path(folder, side, "talk.csv").write_text("0,0,0,30,200,1\\n")
    ...     scores = evaluate(f"{folder}/predictions", f"{folder}/labels", mode="strict", average="micro")
    >>> print(f"{scores.f20_1:.2f}")
    1.00
    """
    return compute_scores(Reference(Path(reference)).count(Path(predictions), mode), average)


class Reference:
    """The label files of a folder, read once, to count the predictions of several systems against."""

    def __init__(self, folder: Path) -> None:
        self.files: Mapping[str, Path] = find_by_stem(folder)
        self._truth: Sequence[Scene] = read_many(list(self.files.values()))

    def count(self, predictions: Path, mode: Mode, note: Callable[[str], None] = lambda _: None) -> Counts:
        """Count the matches of a folder of predictions; `note` is told of clips that only one side has.

        Raises UsageError where no name is that of a reference.
        """
        found = find_by_stem(predictions)
        _note_unpaired(predictions, list(found), list(self.files), mode, note)
        paired = [stem for stem in self.files if stem in found]
        rows = dict(zip(paired, read_many([found[stem] for stem in paired]), strict=True))
        return count_matches(self._truth, [rows.get(stem) for stem in self.files], mode=mode)


def _note_unpaired(
    folder: Path, found: Sequence[str], expected: Sequence[str], mode: Mode, note: Callable[[str], None]
) -> None:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if len(missing) == len(expected):
        raise UsageError(
            f"no prediction has the name of a reference clip; expected names like {expected[0]}.csv, "
            f"got names like {found[0]}.csv: {folder}"
        )
    if missing:
        treated = {"official": "left out, as the challenge does", "strict": "counted as without events"}[mode]
        note(
            f"{len(missing)} of {len(expected)} clips have no prediction and are {treated} "
            f"({name_some(missing, NAMED)}): {folder}"
        )
    if extra:
        note(f"{len(extra)} predictions have no reference and are ignored ({name_some(extra, NAMED)}): {folder}")
