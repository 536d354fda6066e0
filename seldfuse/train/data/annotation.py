"""Which classes the label files of a folder speak of, and which of them were annotated."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from seldfuse.core.label_sets import LABELS, read_annotated_labels
from seldfuse.core.labels import LabelSet
from seldfuse.formats.label_files import LabelFile, read_label_file, read_label_files
from seldfuse.formats.label_ids import UNKNOWN, find_ids, renumber_file

FILES = (LABELS, "labels.json")
"""A file of one of these names in a folder of data says what its label files mean."""


@dataclass(frozen=True)
class Annotation:
    """How label files are read: `numbering` are the classes whose ids they have, `labels` those that networks learn.

    `labelled` holds the names of the classes that were annotated, all of `numbering` where it is empty. What else might
    sound in the recordings nobody wrote down: it is neither there nor absent.
    """

    numbering: LabelSet
    labels: LabelSet
    labelled: tuple[str, ...] = ()

    def mark_labelled(self) -> Bool[np.ndarray, "cls"]:
        """Mark the classes of `labels` of which it is known where they sound and where they do not."""
        ids = find_ids(self.numbering, self.labels)
        chosen = [self.numbering.index(name) for name in self.labelled] or range(len(self.numbering))
        known = np.zeros(len(self.labels), dtype=bool)
        known[[ids[cls] for cls in chosen if ids[cls] != UNKNOWN]] = True
        return known

    def read(self, path: Path) -> LabelFile:
        """Read the rows of a label file that are of classes in `labels`, by the ids of these. Raises UsageError."""
        return renumber_file(read_label_file(path, self.numbering), self.numbering, self.labels)

    def read_many(self, paths: Sequence[Path]) -> list[LabelFile]:
        """Read several files as `read` does. Raises UsageError."""
        return [renumber_file(file, self.numbering, self.labels) for file in read_label_files(paths, self.numbering)]


def read_annotation(folder: Path, labels: LabelSet, labelled: Collection[str] = ()) -> Annotation:
    """Read what the `labels.toml` of a folder says; without one, label files have the ids of `labels`.

    `labelled` stands in where the folder does not say what was annotated. Raises UsageError.
    """
    numbering, own = labels, tuple[str, ...]()
    for path in (folder / name for name in FILES):
        if path.is_file():
            numbering, own = read_annotated_labels(path, labels)
    names = own or tuple(numbering.names[numbering.index(name)] for name in labelled)
    return Annotation(numbering, labels, names)
