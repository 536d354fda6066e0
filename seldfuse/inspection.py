"""A data set of any layout, checked: stereo clips, first-order recordings, or label files alone."""

from dataclasses import replace
from pathlib import Path

from seldfuse.checks.findings import CheckReport, Finding
from seldfuse.checks.measure import CheckedClip
from seldfuse.checks.run import check_clips
from seldfuse.core.labels import LabelSet
from seldfuse.errors import MediaError, UsageError
from seldfuse.formats.folder import find_label_files
from seldfuse.formats.label_files import LabelFileError, list_notes
from seldfuse.media.container import probe
from seldfuse.media.inputs import MEDIA_SUFFIXES
from seldfuse.storage.walk import find_files
from seldfuse.synth.from_foa.inspect import inspect_recording
from seldfuse.synth.from_foa.recordings import CHANNELS, find_recordings
from seldfuse.train.data.annotation import read_annotation
from seldfuse.train.data.inspect import inspect_folder, list_assumed

TYPICAL_M = 2.0
"""Stands for the distances of labels that have none, which first-order recordings are not checked by."""


def inspect_data(folder: Path, labels: LabelSet) -> CheckReport:
    """Check what lies in a folder. Raises UsageError where there are no label files."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder of sounds and label files, there is none: {folder}")
    sounds = find_files(folder, MEDIA_SUFFIXES).files
    try:
        if not sounds:
            return _inspect_labels(folder, labels)
        if _count_channels(sounds[0]) == CHANNELS:
            return _inspect_foa(folder)
        return inspect_folder(folder, labels)
    except LabelFileError as error:
        finding = Finding("label file", "error", str(error), "nothing can be compared with what cannot be read")
        return CheckReport((finding,), 0, 0, ("everything else: it needs label files that can be read",))


def _count_channels(path: Path) -> int | None:
    try:
        return probe(path).channels
    except MediaError:
        return None


def _inspect_labels(folder: Path, labels: LabelSet) -> CheckReport:
    problems: list[str] = []
    paths = find_label_files(folder, problems.append)
    annotation = read_annotation(folder, labels)
    files = annotation.read_many(list(paths.values()))
    problems += list_notes(files)
    clips = [CheckedClip(name, file.rows) for name, file in zip(paths, files, strict=True)]
    report = check_clips(clips, labels, annotation.mark_labelled())
    return replace(report, findings=(*report.findings, *list_assumed(problems)))


def _inspect_foa(folder: Path) -> CheckReport:
    problems: list[str] = []
    recordings = find_recordings(folder, False, TYPICAL_M, problems.append)
    findings = [one for recording in recordings for one in inspect_recording(recording, TYPICAL_M)]
    ordered = sorted([*findings, *list_assumed(problems)], key=lambda one: one.severity)
    return CheckReport(tuple(ordered), len(recordings), len(recordings))
