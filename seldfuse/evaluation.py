"""How good predicted label files are."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64

from seldfuse.catalogue.values import Score
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import UsageError
from seldfuse.formats.dcase import read_many
from seldfuse.formats.folder import find_by_stem
from seldfuse.formats.json import read_frame_scores, read_segments
from seldfuse.metrics.confusion import count_confusions
from seldfuse.metrics.evaluated import EvaluatedScores
from seldfuse.metrics.event_matches import EventMatches, EventSpans, match_events
from seldfuse.metrics.f_scores import make_f_score
from seldfuse.metrics.matches import Matches, Mode, find_matches
from seldfuse.metrics.registered import list_scores
from seldfuse.metrics.reliability import ReliabilityBins, measure_reliability
from seldfuse.metrics.rows import to_rows
from seldfuse.metrics.scores import Average
from seldfuse.storage.text import name_some

if TYPE_CHECKING:
    from seldfuse.metrics.rows import Scene

NO_EVENTS = dict.fromkeys(("cls", "start_s", "end_s", "azimuth_deg"), np.empty(0))
NAMED = 5
"""Clips that a note names before it counts the rest."""


def evaluate(
    predictions: str | Path,
    reference: str | Path,
    mode: Mode = "official",
    average: Average = "macro",
    azimuth_threshold_deg: float | None = None,
    distance_threshold: float | None = None,
) -> EvaluatedScores:
    """Score the CSV files of one folder against those of another, paired by name, whatever folder they are in.

    `mode` is `official`, which counts like the challenge's scorer, or `strict`, which counts every frame of every clip.
    `average` is the mean over classes (`macro`), or all classes pooled (`micro`). With a threshold, in degrees or
    relative to the true distance, there is a score `f_limits`, an F score within it. The result's `skill` says what is
    known beyond the side and the usual distance of each class, and `events` how many whole events are right
    (`Reference.match_events`); it has a table of all numbers (`to_dataframe`) and draws itself (`plot`). Raises
    UsageError.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for side in ("predictions", "labels"):
    ...         Path(folder, side).mkdir()
    ...         _ = Path(folder, side, "talk.csv").write_text("0,0,0,30,200,1\\n")
    ...     scores = evaluate(f"{folder}/predictions", f"{folder}/labels", mode="strict", average="micro")
    >>> print(f"{scores.f20_1:.2f}")
    1.00
    """
    scores = choose_scores(azimuth_threshold_deg, distance_threshold)
    truth = Reference(Path(reference))
    matches, events = truth.match(Path(predictions), mode), truth.match_events(Path(predictions), mode)
    return EvaluatedScores(
        matches,
        events,
        average,
        scores,
        read_reliability=partial(truth.measure_reliability, Path(predictions)),
        read_rt60_s=truth.read_rt60_s,
    )


def choose_scores(azimuth_threshold_deg: float | None, distance_threshold: float | None) -> tuple[Score, ...]:
    """Choose all scores of the catalogue, and with a threshold the F score within it. Raises UsageError."""
    if azimuth_threshold_deg is None and distance_threshold is None:
        return list_scores()
    return (*list_scores(), make_f_score(azimuth_threshold_deg, distance_threshold))


class Reference:
    """The label files of a folder, read once, to match the predictions of several systems with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: Mapping[str, Path] = find_by_stem(folder)
        self._truth: Sequence[Scene] = read_many(list(self.files.values()))

    def match(self, predictions: Path, mode: Mode, note: Callable[[str], None] = lambda _: None) -> Matches:
        """Match a folder of predictions; `note` is told of clips that only one side has.

        Raises UsageError where no name is that of a reference.
        """
        found = find_by_stem(predictions)
        _note_unpaired(predictions, list(found), list(self.files), mode, note)
        paired = [stem for stem in self.files if stem in found]
        rows = dict(zip(paired, read_many([found[stem] for stem in paired]), strict=True))
        return find_matches(self._truth, [rows.get(stem) for stem in self.files], mode=mode)

    def count_confusions(self, predictions: Path, mode: Mode) -> Float64[np.ndarray, "true predicted"]:
        """Count which class a folder of predictions has in place of which, as `metrics.confusion` does. Raises
        UsageError.
        """
        found = find_by_stem(predictions)
        paired = [stem for stem in self.files if stem in found]
        rows = dict(zip(paired, read_many([found[stem] for stem in paired]), strict=True))
        return count_confusions(self._truth, [rows.get(stem) for stem in self.files], mode=mode)

    def list_event_clips(self, predictions: Path, mode: Mode) -> list[str]:
        """List the clips that `match_events` counts, in its order. Raises UsageError."""
        found = find_by_stem(predictions)
        return [stem for stem in self.files if stem in found or mode == "strict"]

    def match_events(self, predictions: Path, mode: Mode, note: Callable[[str], None] = lambda _: None) -> EventMatches:
        """Match the events of a folder of predictions with the uninterrupted stretches of each true source.

        Where seldfuse wrote a JSON file beside every CSV file its `events` are taken, and `note` is told so, else the
        uninterrupted stretches of the CSV file's sources. A clip without a prediction is one without events, or left
        out where the mode is `official`; frames at the end of a clip count in both. Raises UsageError.
        """
        found, stems = find_by_stem(predictions), self.list_event_clips(predictions, mode)
        scenes = dict(zip(self.files, self._truth, strict=True))
        truth = EventSpans.from_scenes([scenes[stem] for stem in stems])
        paths = {stem: found[stem] for stem in stems if stem in found}
        return match_events(truth, _read_spans(paths, stems, note), len(stems), len(DCASE2025))

    def measure_reliability(self, predictions: Path) -> ReliabilityBins | None:
        """Measure how far the probabilities in the JSON files beside the predicted CSV files can be believed.

        Counted are the frames and classes that these call active, with the greatest score of their sources. None where
        there is no such file, or they do not fit.
        """
        found = find_by_stem(predictions)
        try:
            parts = [
                _pair_cells(read_frame_scores(found[stem].with_suffix(".json")), scene)
                for stem, scene in zip(self.files, self._truth, strict=True)
                if stem in found
            ]
        except UsageError:
            return None
        probability, sounds = zip(*parts, strict=True)
        return measure_reliability(np.concatenate(probability), np.concatenate(sounds))

    def read_rt60_s(self) -> Float64[np.ndarray, "clip"] | None:
        """Read the reverberation time of each clip's room; None where no manifest of `seldfuse synth` has the plans."""
        # Here, for scores alone need nothing that makes scenes.
        from seldfuse.synth.dataset.plans import read_plans
        from seldfuse.synth.reverberation import compute_rt60_s

        manifest = self.folder.parent.parent / f"manifest-{self.folder.name}.jsonl"
        try:
            plans = read_plans(manifest)
        except UsageError:
            return None
        return np.array([compute_rt60_s(plans[stem]) if stem in plans else np.nan for stem in self.files])


def _read_spans(paths: Mapping[str, Path], stems: Sequence[str], note: Callable[[str], None]) -> EventSpans:
    documents = {stem: path.with_suffix(".json") for stem, path in paths.items()}
    if all(path.is_file() for path in documents.values()):
        try:
            events = {stem: read_segments(path) for stem, path in documents.items()}
        except UsageError as error:
            note(
                f"events are the uninterrupted stretches of the CSV files, for JSON files lie beside them, but {error}"
            )
        else:
            note("events are those of the JSON files beside the CSV files")
            return EventSpans.concat([events.get(stem, NO_EVENTS) for stem in stems])
    rows = dict(zip(paths, read_many(list(paths.values())), strict=True))
    return EventSpans.from_scenes([rows.get(stem) for stem in stems])


def _pair_cells(
    scores: Mapping[str, np.ndarray], scene: "Scene"
) -> tuple[Float64[np.ndarray, "cell"], Bool[np.ndarray, "cell"]]:
    """The frames and classes that are called active: their greatest score, and whether they truly sound."""
    classes = len(DCASE2025)
    cells, place = np.unique(scores["frame"] * classes + scores["cls"], return_inverse=True)
    greatest = np.zeros(len(cells))
    np.maximum.at(greatest, place, scores["score"])
    frame, cls = to_rows(scene)[:, :2].T
    known = np.isfinite(greatest)
    return greatest[known], np.isin(cells, frame * classes + cls)[known]


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
