"""What a run left of each clip in its output folder, read for the pages; nothing is heard or looked at again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seldfuse.core.clip import Clip
from seldfuse.core.events import SEGMENT_MEANS
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025, Label, LabelSet, match_classes
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import Result
from seldfuse.errors import MediaError, UsageError
from seldfuse.formats.dcase import read_events
from seldfuse.formats.folder import OTHER_TABLES, find_label_files
from seldfuse.formats.json import read_document, to_document
from seldfuse.limits import LONGEST_HOP_S, LONGEST_S, SHORTEST_HOP_S
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.inputs import find_clips
from seldfuse.report.clip_report import ClipReport, Kind, Layer
from seldfuse.report.outcomes import mark_outcomes
from seldfuse.report.paths import trace_paths
from seldfuse.run_manifest import FinishedClip, read_finished_clips
from seldfuse.settings.check_types import find_misfit
from seldfuse.storage.walk import list_files, list_folders
from seldfuse.vision.detection_store import DetectionFile, build_path, read_detections

DETECTIONS, POSTERIORS, REPORT = "detections", "posteriors", "report"
"""Folders in an output folder that hold no results."""

MOST_FRAMES = 10**7
"""Of all events of a clip together: ten sources at a time for a day."""

NO_POSTERIORS = "No posteriors were kept. seldfuse run … --report keeps them, and so does --save-posteriors."
NO_DETECTIONS = "No detections of this clip were kept: no detector looked at it, or the run was one of seldfuse fuse."


@dataclass(frozen=True)
class ClipEvents:
    """The events of one clip as its files hold them, those that people read and those of frames, as columns."""

    events: Mapping[str, np.ndarray]
    frames: Mapping[str, np.ndarray]
    labels: tuple[str, ...]
    hop_s: float
    duration_s: float
    document: Mapping[str, Any]

    def to_layer(self, kind: Kind, name: str) -> Layer:
        return Layer(kind, name, self.events, trace_paths(self.events, self.frames, self.hop_s))


@dataclass(frozen=True)
class ReportSources:
    """What the clips of an output folder are shown with: truth, another output folder, recordings by name of clip.

    CSV files have the ids of `numbering`; classes of all are matched by name, title and alias.
    """

    folder: Path
    reference: Path | None = None
    against: Path | None = None
    recordings: tuple[str, ...] = ()
    numbering: LabelSet = DCASE2025

    def read_clips(self) -> Iterator[ClipReport]:
        """Read all clips, one by one, sorted by name.

        Raises UsageError where there are none, a file of events cannot be read, or there is no label file for any.
        """
        found = find_results(self.folder)
        if not found:
            raise UsageError(
                "expected what `seldfuse run` or `seldfuse fuse` wrote, a JSON or CSV file for each clip, found none: "
                f"{self.folder}"
            )
        if self._truth and not {Path(name).name for name in found} & set(self._truth):
            raise UsageError(
                f"no label file has the name of a clip; expected names like {Path(next(iter(found))).name}.csv, "
                f"got names like {next(iter(self._truth))}.csv: {self.reference}"
            )
        for name, path in found.items():
            yield self._read_clip(name, path)

    @cached_property
    def _truth(self) -> Mapping[str, Path]:
        if self.reference is None:
            return {}
        return {Path(name).name: path for name, path in find_label_files(self.reference).items()}

    @cached_property
    def _other(self) -> Mapping[str, Path]:
        return {} if self.against is None else find_results(self.against)

    @cached_property
    def _finished(self) -> Mapping[str, FinishedClip]:
        return read_finished_clips(self.folder)

    @cached_property
    def _given(self) -> Mapping[str, Clip]:
        return {clip.name: clip for clip in find_clips(self.recordings)} if self.recordings else {}

    def _read_clip(self, name: str, path: Path) -> ClipReport:
        result = read_clip_events(path, self.numbering)
        layers = [result.to_layer("result", self.folder.resolve().name)]
        labels = result.labels
        if self.against is not None and name in self._other:
            other, labels = _renumber(read_clip_events(self._other[name], self.numbering), labels, self.numbering)
            layers.append(other.to_layer("other", self.against.resolve().name))
        if path_of_truth := self._truth.get(Path(name).name):
            truth, labels = _renumber(read_clip_events(path_of_truth, self.numbering), labels, self.numbering)
            layers.append(truth.to_layer("truth", "truth"))
        result = replace(result, labels=labels)
        clip, why_not = self._find_recording(name)
        posteriors = self._read_posteriors(name)
        detections = self._read_detections(name)
        missing = {
            **({"recording": why_not} if why_not else {}),
            **({} if posteriors else {"posteriors": NO_POSTERIORS}),
            **({} if detections else {"detections": NO_DETECTIONS}),
        }
        report = build_clip_report(name, result, tuple(layers), clip, posteriors, detections)
        return replace(report, missing=missing)

    def _find_recording(self, name: str) -> tuple[Clip | None, str]:
        """Find the recording of a clip, or say why there is none."""
        finished = self._finished.get(name)
        if given := self._given.get(name) or self._given.get(Path(name).name):
            clip = replace(given, camera=replace(given.camera, horizontal_fov_deg=_fov_deg(finished)))
        elif finished is None or finished.recording is None:
            return None, "Nothing says where the recording is; seldfuse report … --recordings FOLDER does."
        else:
            try:
                (clip,) = find_clips([finished.recording], None, _channels(finished), _fov_deg(finished))
            except (MediaError, UsageError):
                return None, (
                    f"The recording is not where it was, {finished.recording.name}; seldfuse report … --recordings "
                    "FOLDER says where it is now."
                )
        if finished is not None and not finished.is_made_from(clip):
            return None, f"{clip.path.name if clip.path else name} is not the recording that was heard: it has changed."
        return clip, ""

    def _read_posteriors(self, name: str) -> dict[str, Posterior]:
        files = {folder.name: folder / f"{name}.safetensors" for folder in _list_folders(self.folder / POSTERIORS)}
        return {backend: Posterior.load(file) for backend, file in files.items() if file.is_file()}

    def _read_detections(self, name: str) -> dict[str, DetectionFile]:
        root = self.folder / DETECTIONS
        files = {folder.name: build_path(root, folder.name, name) for folder in _list_folders(root)}
        return {detector: read_detections(file) for detector, file in files.items() if file.is_file()}


def build_clip_report(
    name: str,
    result: ClipEvents,
    layers: tuple[Layer, ...],
    clip: Clip | None,
    posteriors: Mapping[str, Posterior],
    detections: Mapping[str, DetectionFile],
) -> ClipReport:
    """Build what a page shows of what was read."""
    about = {key: result.document.get(key) for key in ("backends", "fusion", "detectors", "device", "seldfuse")}
    return ClipReport(
        name=name,
        duration_s=max([result.duration_s, *(float(layer.events["end_s"].max(initial=0)) for layer in layers)]),
        hop_s=result.hop_s,
        labels=result.labels,
        layers=mark_outcomes(layers, len(result.labels)),
        clip=clip,
        camera=clip.camera if clip else Camera(),
        posteriors=posteriors,
        detections=detections,
        intervals=result.document.get("intervals", {}),
        facts={key: value for key, value in about.items() if value},
        notes=tuple(result.document.get("notes", ())),
    )


def report_result(result: Result) -> ClipReport:
    """Build what a page shows of a result in memory."""
    found = _from_document(to_document(result))
    layer = found.to_layer("result", result.name)
    missing = {"detections": NO_DETECTIONS}
    # Sound that is in memory cannot be played.
    clip = result.clip if result.clip is not None and result.clip.path is not None else None
    if clip is None:
        missing["recording"] = "The result is not of a file."
    report = build_clip_report(result.name, found, (layer,), clip, result.members, {})
    return replace(report, missing=missing)


def find_results(folder: Path) -> dict[str, Path]:
    """Find the file of events of every clip below a folder, by name of clip: the JSON file where there is one, else the
    CSV file. Raises UsageError where there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder that `seldfuse run` or `seldfuse fuse` wrote, there is none: {folder}")
    found: dict[str, Path] = {}
    for path in list_files(folder):
        relative = path.relative_to(folder)
        if relative.parts[0] in (DETECTIONS, POSTERIORS, REPORT) or path.name.endswith(OTHER_TABLES):
            continue
        if path.suffix == ".csv" or (path.suffix == ".json" and read_document(path)):
            name = relative.as_posix().removesuffix(path.suffix)
            if path.suffix == ".json" or name not in found:
                found[name] = path
    return dict(sorted(found.items()))


def read_clip_events(path: Path, numbering: LabelSet = DCASE2025) -> ClipEvents:
    """Read a JSON file that seldfuse wrote, or a CSV file, whose events are the uninterrupted stretches of its sources.

    A CSV file has the ids of `numbering`. Raises UsageError where it is neither.
    """
    if path.suffix == ".json":
        document = read_document(path)
        if document is None:
            raise UsageError(f"expected a JSON file of events that seldfuse wrote: {path}")
        try:
            return _from_document(document)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UsageError(f"expected a whole JSON file of events ({error!r}): {path}") from error
    events = read_events(path, numbering)
    segments = events.list_segments()
    end_s = float(segments["end_s"].max(initial=0))
    return ClipEvents(segments, events.columns, events.labels.names, events.hop_s, end_s, {})


def _renumber(other: ClipEvents, labels: tuple[str, ...], numbering: LabelSet) -> tuple[ClipEvents, tuple[str, ...]]:
    """Give events the ids of `labels`, and new ones after them to classes that are not among these, and return both.

    Titles and aliases are those of `numbering`.
    """
    if other.labels == labels:
        return other, labels
    known, theirs = (_describe(names, numbering) for names in (labels, other.labels))
    ids, joined = [], list(labels)
    for name, place in zip(other.labels, match_classes(theirs, known), strict=True):
        if place is None:
            place = len(joined)
            joined.append(name)
        ids.append(place)
    positions = np.array(ids, dtype=np.int64)
    frames = {**other.frames, "cls": positions[other.frames["cls"]]}
    events = {**other.events, "cls": positions[other.events["cls"]]}
    events["class"] = np.array(joined, dtype=object)[events["cls"]]
    return replace(other, events=events, frames=frames, labels=tuple(joined)), tuple(joined)


def _describe(names: tuple[str, ...], numbering: LabelSet) -> LabelSet:
    """The classes of these names, with the titles and aliases that `numbering` has for them."""
    stated = dict(zip(numbering.names, numbering.classes, strict=True))
    return LabelSet("names", tuple(stated.get(name, Label(name, name)) for name in names))


def _from_document(document: Mapping[str, Any]) -> ClipEvents:
    labels = tuple(map(str, document["labels"]))
    rows = document["events"]
    whole = {"cls": [row["class_id"] for row in rows], "source": [row["source"] for row in rows]}
    numbers = {name: [row.get(name) for row in rows] for name in ("start_s", "end_s", *SEGMENT_MEANS)}
    events = {
        **{name: np.array(values, dtype=np.int64) for name, values in whole.items()},
        **{name: np.array(values, dtype=np.float64) for name, values in numbers.items()},
    }
    if any(values.shape != (len(rows),) for values in events.values()):
        raise ValueError("a list where a number should be")
    hop_s, duration_s = float(document["hop_s"]), float(document["duration_s"])
    if not (SHORTEST_HOP_S <= hop_s <= LONGEST_HOP_S and 0 <= duration_s <= LONGEST_S):
        raise ValueError(f"frames of {hop_s:g} s in a recording of {duration_s:g} s")
    _check_times(events["start_s"], events["end_s"], hop_s)
    columns = document["frames"]["columns"]
    cells = np.array(document["frames"]["rows"], dtype=np.float64).reshape(-1, len(columns))
    named = {"cls" if name == "class_id" else name: cells[:, at] for at, name in enumerate(columns)}
    unknown = {name: np.full(len(cells), np.nan) for name in SEGMENT_MEANS if name not in named}
    frames = {**named, **unknown, **{name: named[name].astype(np.int64) for name in ("frame", "cls")}}
    for cls in (events["cls"], frames["cls"]):
        if ((cls < 0) | (cls >= len(labels))).any():
            raise ValueError(f"a class beyond the {len(labels)} of the file")
    events["class"] = np.array(labels, dtype=object)[events["cls"]]
    return ClipEvents(events, frames, labels, hop_s, duration_s, document)


def _check_times(start_s: np.ndarray, end_s: np.ndarray, hop_s: float) -> None:
    """Raises ValueError where events are none, or so long that their frames would fill the memory."""
    if not ((start_s >= 0) & (start_s <= end_s) & (end_s <= LONGEST_S)).all():
        raise ValueError("an event that does not end after its start, or not within a day")
    if (end_s - start_s).sum() / hop_s > MOST_FRAMES:
        raise ValueError(f"events of more than {MOST_FRAMES:,} frames")


def _fov_deg(finished: FinishedClip | None) -> float:
    stated = finished.recipe.get("fov_deg") if finished else None
    return float(stated) if isinstance(stated, int | float) and 0 < stated < 180 else Camera.horizontal_fov_deg


def _channels(finished: FinishedClip) -> ChannelSelection:
    """What the manifest states, the usual channels where that cannot be."""
    stated = finished.recipe.get("channels")
    stated = stated if isinstance(stated, dict) else {}
    pair = stated.get("pair")
    selection = ChannelSelection(
        tuple(pair) if isinstance(pair, list) else pair, stated.get("assume_mono", False), stated.get("stream")
    )
    return selection if find_misfit(selection, ChannelSelection) is None else ChannelSelection()


def _list_folders(folder: Path) -> list[Path]:
    return list_folders(folder) if folder.is_dir() else []
