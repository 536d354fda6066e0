"""Folders of labelled clips, measured and checked before anything is learned from them."""

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from seldfuse.checks.boxes import check_recorded_boxes
from seldfuse.checks.findings import CheckReport, Finding
from seldfuse.checks.measure import CheckedClip, MeasuredSound, measure_sound
from seldfuse.checks.run import check_clips
from seldfuse.core.labels import LabelSet
from seldfuse.errors import MediaError
from seldfuse.media.sound import FileAudio, ignore_warning
from seldfuse.train.data.labelled_files import LabelledFile, find_labelled_files, split_by_fold
from seldfuse.train.recipe import SYNTH, Recipe

MEASURED = 400
"""Clips whose sound is read, from all over the list; labels are read of all."""

ASSUMED = "passed over or assumed"
"""The reason of what readers note."""

BLOCKS = 400
"""Of a long recording the first blocks, some minutes, are heard."""


def inspect_folder(
    folder: Path,
    labels: LabelSet,
    labelled: Sequence[str] = (),
    folds: tuple[Sequence[int], Sequence[int]] = ((1, 2, 3), (4,)),
    most: int = MEASURED,
) -> CheckReport:
    """Check a folder of sounds with label files beside them, as `find_labelled_files` finds them.

    Raises UsageError where there are none.
    """
    problems: list[str] = []
    pairs = find_labelled_files(folder, labels, problems, labelled)
    training, validating = split_by_fold(pairs, *folds)
    others = [pair for pair in pairs if pair not in training and pair not in validating]
    report = inspect_pairs([*training, *others], validating, most)
    return CheckReport((*report.findings, *list_assumed(problems)), report.clips, report.measured, report.skipped)


def list_assumed(notes: Sequence[str]) -> list[Finding]:
    """List what readers passed over and assumed."""
    return [Finding(ASSUMED, "note", text, "mend the files where this is not what is meant") for text in notes]


def inspect_pairs(
    training: Sequence[LabelledFile], validating: Sequence[LabelledFile], most: int = MEASURED
) -> CheckReport:
    """Check clips that train and clips that validate, together; the sound of `most` of them is heard."""
    pairs = [*((pair, "train") for pair in training), *((pair, "validate") for pair in validating)]
    step = -(-len(pairs) // most)
    annotation = pairs[0][0].annotation
    files = annotation.read_many([pair.labels for pair, _ in pairs])
    clips, more = [], list[Finding]()
    for number, ((pair, part), file) in enumerate(zip(pairs, files, strict=True)):
        sound = None
        if number % step == 0:
            sound = _measure(pair, more)
            more += check_recorded_boxes(pair.video or pair.sound, pair.name)
        clips.append(CheckedClip(pair.name, file.rows, sound, part))
    return check_clips(clips, annotation.labels, annotation.mark_labelled(), more)


def inspect_recipe(recipe: Recipe, labels: LabelSet, note: Callable[[str], None]) -> list[Finding]:
    """Check the folders of a recipe, tell notes, and return the errors. Raises UsageError where a folder has no
    clip."""
    errors = list[Finding]()
    for part in recipe.data:
        if part.source == SYNTH:
            continue
        folds = (recipe.folders.train_folds, recipe.folders.validate_folds)
        report = inspect_folder(Path(part.source), labels, recipe.labelled, folds)
        for finding in report.findings:
            if finding.severity == "note" and finding.reason not in TOLD_ELSEWHERE:
                note(f"{finding.describe()}: {part.source}")
        errors += report.errors
    return errors


TOLD_ELSEWHERE = ("absent class", ASSUMED, "labels beyond the sound")
"""What a training says anyway as it opens its data."""


def _measure(pair: LabelledFile, more: list[Finding]) -> MeasuredSound | None:
    try:
        with closing(FileAudio(pair.sound).blocks(ignore_warning)) as blocks:
            return measure_sound(islice(blocks, BLOCKS))
    except MediaError as error:
        more.append(Finding("unreadable sound", "error", str(error), "mend or remove the file", (pair.name,)))
        return None
