"""Ids of classes from one label set to another, by name, title and alias: formats with ids have those of one set."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Int64

from seldfuse.core.events import Events
from seldfuse.core.labels import LabelSet, match_classes
from seldfuse.formats.label_files import LabelFile
from seldfuse.formats.label_layouts import ROW
from seldfuse.storage.text import format_count, name_some

UNKNOWN = -1
"""Stands for a class that the other set does not know."""

CLASS = ROW.index("class")

NAMED = 5
"""Classes that a note names before it counts the rest."""


def find_ids(theirs: LabelSet, labels: LabelSet) -> Int64[np.ndarray, "their_cls"]:
    """Find the id in `labels` of each class of `theirs`, `UNKNOWN` where there is none."""
    return np.array(_match_ids(theirs, labels), dtype=np.int64)


def renumber_events(events: Events, labels: LabelSet) -> Events:
    """Give events the ids of another label set, and leave out those of classes that it does not know."""
    if events.labels.has_same_classes(labels):
        return events
    ids = find_ids(events.labels, labels)[events.columns["cls"]]
    known = ids != UNKNOWN
    columns = {name: values[known] for name, values in events.columns.items()}
    return Events.from_batch({**columns, "cls": ids[known]}, [int(known.sum())], labels, events.hop_s)[0]


def renumber_file(file: LabelFile, theirs: LabelSet, labels: LabelSet) -> LabelFile:
    """Do the same to a label file that has the ids of `theirs`."""
    if theirs.has_same_classes(labels):
        return file
    ids = find_ids(theirs, labels)[file.rows[:, CLASS].astype(np.int64)]
    known = ids != UNKNOWN
    rows = file.rows[known].copy()
    rows[:, CLASS] = ids[known]
    return replace(file, rows=rows, elevation_deg=file.elevation_deg[known], lines=file.lines[known])


def describe_unknown_classes(classes: Int64[np.ndarray, "row"], theirs: LabelSet, labels: LabelSet) -> str:
    """Describe how many rows have a class that `labels` do not know, and which; empty where there is none."""
    unknown = find_ids(theirs, labels)[classes] == UNKNOWN
    if not unknown.any():
        return ""
    names = [theirs.names[cls] for cls in np.unique(classes[unknown]).tolist()]
    return f"{format_count(int(unknown.sum()), 'active frame')} of {name_some(names, NAMED)}, no class of {labels.name}"


def list_unknown(theirs: LabelSet, labels: LabelSet) -> list[str]:
    """List the classes that `labels` do not know."""
    pairs = zip(theirs.names, _match_ids(theirs, labels), strict=True)
    return [name for name, cls in pairs if cls == UNKNOWN]


@lru_cache(maxsize=64)
def _match_ids(theirs: LabelSet, labels: LabelSet) -> Sequence[int]:
    ids = [UNKNOWN] * len(theirs)
    for cls, position in enumerate(match_classes(labels, theirs)):
        if position is not None:
            ids[position] = cls
    return tuple(ids)
