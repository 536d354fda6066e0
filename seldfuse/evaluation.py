"""How good predicted label files are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.catalogue.values import Score
from seldfuse.core.grid import FRAME_S
from seldfuse.core.label_sets import resolve_labels
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError
from seldfuse.formats.folder import find_label_files, pair_names, shorten
from seldfuse.formats.json import knows_onscreen, read_frame_scores, read_segments
from seldfuse.formats.label_files import LabelFile, LabelFileError, list_notes, read_label_files
from seldfuse.metrics.confusion import count_confusions
from seldfuse.metrics.evaluated import EvaluatedScores
from seldfuse.metrics.event_matches import EventMatches, EventSpans, match_events
from seldfuse.metrics.f_scores import make_f_score
from seldfuse.metrics.matches import Matches, Mode, find_matches
from seldfuse.metrics.registered import list_scores
from seldfuse.metrics.reliability import ReliabilityBins, measure_reliability
from seldfuse.metrics.rows import COLUMNS, EventRows, Scene, stack_rows, to_rows
from seldfuse.metrics.scores import Average
from seldfuse.storage.text import name_some

NO_EVENTS = dict.fromkeys(("cls", "start_s", "end_s", "azimuth_deg"), np.empty(0))
NAMED = 5
"""Clips that a note names before it counts the rest."""

ONSCREEN = COLUMNS.index("onscreen")

FRAME_MS = 1000 * FRAME_S
HOPS_MS = (20.0, 10.0, 50.0, 25.0)
"""Hops in which other systems count: that of the challenge of 2019 first."""
LONGER = 1.5
"""Predictions that go on for so much longer than the reference are looked at for other hops."""
FITS, FITS_SURELY, MANY_CELLS = 0.5, 0.9, 1000
"""Few frames may agree at another hop by chance; many do not, nor do nearly all of few."""
MOST_FRAMES = 1_000_000_000
ROUNDING = 1e-9


def evaluate(
    predictions: str | Path,
    reference: str | Path,
    mode: Mode = "official",
    average: Average = "macro",
    azimuth_threshold_deg: float | None = None,
    distance_threshold: float | None = None,
    labels: str | Path | LabelSet | None = None,
) -> EvaluatedScores:
    """Score the CSV files of one folder against those of another, paired by path, else by name where that is unique.

    `mode` is `official`, which counts like the challenge's scorer, or `strict`, which counts every frame of every clip.
    `average` is the mean over classes (`macro`), or all classes pooled (`micro`). With a threshold, in degrees or
    relative to the true distance, there is a score `f_limits`, an F score within it. The result's `skill` says what is
    known beyond the side and the usual distance of each class, `events` how many whole events are right
    (`Reference.match_events`), `notes` what was assumed of the files; it has a table of all numbers (`to_dataframe`)
    and draws itself (`plot`). `labels`, a known name, a file or a label set, are the classes whose ids the files have,
    DCASE 2025's where it is None. Raises UsageError.

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
    notes: list[str] = []
    truth = Reference(Path(reference), mode, notes.append, resolve_labels(labels) or DCASE2025)
    guess = truth.read(Path(predictions), notes.append)
    matches, events = truth.match(guess), truth.match_events(guess, notes.append)
    return EvaluatedScores(
        matches,
        events,
        average,
        scores,
        labels=truth.labels,
        read_reliability=partial(truth.measure_reliability, guess),
        read_rt60_s=truth.read_rt60_s,
        notes=notes,
    )


def choose_scores(azimuth_threshold_deg: float | None, distance_threshold: float | None) -> tuple[Score, ...]:
    """Choose all scores of the catalogue, and with a threshold the F score within it. Raises UsageError."""
    if azimuth_threshold_deg is None and distance_threshold is None:
        return list_scores()
    return (*list_scores(), make_f_score(azimuth_threshold_deg, distance_threshold))


@dataclass(frozen=True)
class Predictions:
    """The label files of a system by the names of the references that they are paired with."""

    files: Mapping[str, LabelFile]

    @property
    def rows(self) -> dict[str, Float64[np.ndarray, "_ 6"]]:
        return {name: file.rows for name, file in self.files.items()}


class Reference:
    """The label files of a folder, read once, to match the predictions of several systems with.

    `mode` says what is taken of the files (`Counting`) and counted; `note` is told what was assumed and passed over.
    `labels` are the classes whose ids the files have.
    """

    def __init__(
        self,
        folder: Path,
        mode: Mode = "official",
        note: Callable[[str], None] = lambda _: None,
        labels: LabelSet = DCASE2025,
    ) -> None:
        self.folder, self.mode, self.labels = folder, mode, labels
        self.files: Mapping[str, Path] = find_label_files(folder, note)
        read = read_label_files(list(self.files.values()), labels, mode)
        for text in list_notes(read):
            note(text)
        self._truth: Mapping[str, Scene] = {name: file.rows for name, file in zip(self.files, read, strict=True)}

    def read(self, folder: Path, note: Callable[[str], None] = lambda _: None) -> Predictions:
        """Read a folder of predictions; `note` is also told of clips that only one side has.

        On-screen flags are unknown where the JSON file that seldfuse wrote beside a label file says so, for the label
        file has no way to say it. Raises UsageError where no name is that of a reference.
        """
        found = find_label_files(folder, note)
        pairs = pair_names(self.files, found)
        _note_unpaired(folder, found, self.files, pairs, self.mode, note)
        read = read_label_files([found[name] for name in pairs], self.labels, self.mode)
        for text in list_notes(read):
            note(text)
        files = dict(zip(pairs.values(), read, strict=True))
        files = _forget_unknown_onscreen({name: files[name] for name in self.files if name in files}, note)
        self._check_hop(files, note)
        return Predictions(files)

    def match(self, predictions: Predictions) -> Matches:
        """Match what `read` gave."""
        rows = predictions.rows
        return find_matches(list(self._truth.values()), [rows.get(name) for name in self.files], self.labels, self.mode)

    def count_confusions(self, predictions: Predictions) -> Float64[np.ndarray, "true predicted"]:
        """Count which class predictions have in place of which, as `metrics.confusion` does."""
        rows = predictions.rows
        return count_confusions(
            list(self._truth.values()), [rows.get(name) for name in self.files], self.labels, self.mode
        )

    def list_event_clips(self, predictions: Predictions) -> list[str]:
        """List the clips that `match_events` counts, in its order."""
        return [name for name in self.files if name in predictions.files or self.mode == "strict"]

    def match_events(self, predictions: Predictions, note: Callable[[str], None] = lambda _: None) -> EventMatches:
        """Match the events of predictions with the uninterrupted stretches of each true source.

        Where seldfuse wrote a JSON file beside every CSV file its `events` are taken, and `note` is told so, else the
        uninterrupted stretches of the CSV file's sources. A clip without a prediction is one without events, or left
        out where the mode is `official`; frames at the end of a clip count in both. Raises UsageError.
        """
        names = self.list_event_clips(predictions)
        truth = EventSpans.from_scenes([self._truth[name] for name in names])
        spans = _read_spans(predictions, names, self.labels, note)
        return match_events(truth, spans, len(names), len(self.labels))

    def _check_hop(self, files: Mapping[str, LabelFile], note: Callable[[str], None]) -> None:
        """Note predictions that agree with the reference only where their frames are shorter than 100 ms, and refuse
        them where there is no doubt.
        """
        truth, guess = stack_rows([self._truth[name] for name in files]), stack_rows([f.rows for f in files.values()])
        if guess.frame.max(initial=0) < LONGER * truth.frame.max(initial=0):
            return
        classes = len(self.labels)
        true_cells = _list_cells(truth, FRAME_MS, classes)
        shared = {hop_ms: _share(true_cells, _list_cells(guess, hop_ms, classes)) for hop_ms in (FRAME_MS, *HOPS_MS)}
        hop_ms = max(shared, key=shared.__getitem__)
        if shared[hop_ms] < FITS or shared[hop_ms] < LONGER * shared[FRAME_MS]:
            return
        first = next(iter(files.values()))
        reason = (
            f"expected frames of {FRAME_MS:.0f} ms, got frames that fit the reference as hops of {hop_ms:g} ms: "
            f"{shared[hop_ms]:.0%} of the frames and classes of both agree, and {shared[FRAME_MS]:.0%} as they are"
        )
        if self.mode == "strict" and (shared[hop_ms] >= FITS_SURELY or len(true_cells) >= MANY_CELLS):
            raise LabelFileError(first.path, reason, None, "count frames of 100 ms")
        note(f"{reason}: {first.path}")

    def measure_reliability(self, predictions: Predictions) -> ReliabilityBins | None:
        """Measure how far the probabilities in the JSON files beside the predicted CSV files can be believed.

        Counted are the frames and classes that these call active, with the greatest score of their sources. None where
        there is no such file, or they do not fit.
        """
        try:
            parts = [
                _pair_cells(
                    read_frame_scores(file.path.with_suffix(".json"), self.labels), self._truth[name], len(self.labels)
                )
                for name, file in predictions.files.items()
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
        stems = [Path(name).name for name in self.files]
        return np.array([compute_rt60_s(plans[stem]) if stem in plans else np.nan for stem in stems])


def _share(cells: Int64[np.ndarray, "cell"], others: Int64[np.ndarray, "other"]) -> float:
    """The share of all cells that are in both lists."""
    both = len(np.intersect1d(cells, others, assume_unique=True))
    return both / max(len(cells) + len(others) - both, 1)


def _list_cells(rows: EventRows, hop_ms: float, classes: int) -> Int64[np.ndarray, "cell"]:
    """List the clips, frames of 100 ms and classes in which something sounds, as one number each."""
    frame = np.floor(rows.frame * (hop_ms / FRAME_MS) + ROUNDING).astype(np.int64)
    cells: Int64[np.ndarray, "cell"] = np.unique((rows.clip * MOST_FRAMES + frame) * classes + rows.cls)
    return cells


def _forget_unknown_onscreen(files: Mapping[str, LabelFile], note: Callable[[str], None]) -> dict[str, LabelFile]:
    unknown = [name for name, file in files.items() if knows_onscreen(file.path.with_suffix(".json")) is False]
    if unknown:
        few = f"{len(unknown)} of {len(files)} clips" if len(unknown) < len(files) else "these clips"
        wrong = ", and counts as wrong there where it is asked for" if len(unknown) < len(files) else ""
        note(f"whether sources are on-screen is unknown in {few}, as the JSON files beside the CSV files say{wrong}")
    forgotten = {}
    for name in unknown:
        rows = files[name].rows.copy()
        rows[:, ONSCREEN] = np.nan
        forgotten[name] = replace(files[name], rows=rows)
    return {**files, **forgotten}


def _read_spans(
    predictions: Predictions, names: Sequence[str], labels: LabelSet, note: Callable[[str], None]
) -> EventSpans:
    documents = {name: file.path.with_suffix(".json") for name, file in predictions.files.items()}
    if all(path.is_file() for path in documents.values()):
        try:
            events = {name: read_segments(path, labels) for name, path in documents.items()}
        except UsageError as error:
            note(
                f"events are the uninterrupted stretches of the CSV files, for JSON files lie beside them, but {error}"
            )
        else:
            note("events are those of the JSON files beside the CSV files")
            return EventSpans.concat([events.get(name, NO_EVENTS) for name in names])
    rows = predictions.rows
    return EventSpans.from_scenes([rows.get(name) for name in names])


def _pair_cells(
    scores: Mapping[str, np.ndarray], scene: "Scene", classes: int
) -> tuple[Float64[np.ndarray, "cell"], Bool[np.ndarray, "cell"]]:
    """The frames and classes that are called active: their greatest score, and whether they truly sound."""
    cells, place = np.unique(scores["frame"] * classes + scores["cls"], return_inverse=True)
    greatest = np.zeros(len(cells))
    np.maximum.at(greatest, place, scores["score"])
    frame, cls = to_rows(scene)[:, :2].T
    known = np.isfinite(greatest)
    return greatest[known], np.isin(cells, frame * classes + cls)[known]


def _note_unpaired(
    folder: Path,
    found: Mapping[str, Path],
    expected: Mapping[str, Path],
    pairs: Mapping[str, str],
    mode: Mode,
    note: Callable[[str], None],
) -> None:
    if not pairs:
        wanted, got = (next(iter(files.values())).name for files in (expected, found))
        raise UsageError(
            f"no prediction has the name of a reference clip; expected names like {wanted}, got names like {got}: "
            f"{folder}"
        )
    missing = [short for name, short in shorten(expected).items() if name not in set(pairs.values())]
    extra = [short for name, short in shorten(found).items() if name not in pairs]
    if missing:
        treated = {"official": "left out, as the challenge does", "strict": "counted as without events"}[mode]
        note(
            f"{len(missing)} of {len(expected)} clips have no prediction and are {treated} "
            f"({name_some(sorted(missing), NAMED)}): {folder}"
        )
    if extra:
        note(
            f"{len(extra)} predictions have no reference and are ignored ({name_some(sorted(extra), NAMED)}): {folder}"
        )
