"""Label sets that are known by name, and those of files: which classes there are, in the order of their ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.errors import UsageError
from seldfuse.limits import FARTHEST_M
from seldfuse.settings.bounds import STRICT
from seldfuse.settings.toml import MOST_CHARACTERS, parse_table, read_table
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.read_json import read_object

TAU_NIGENS_2020 = LabelSet(
    "tau-nigens-2020",
    (
        Label("alarm", "Alarm"),
        Label("crying_baby", "Crying baby", ("baby",)),
        Label("crash", "Crash"),
        Label("barking_dog", "Barking dog", ("dog",)),
        Label("running_engine", "Running engine", ("engine",)),
        Label("female_scream", "Female scream"),
        Label("female_speech", "Female speech"),
        Label("burning_fire", "Burning fire", ("fire",)),
        Label("footsteps", "Footsteps"),
        Label("knock", "Knocking on door"),
        Label("male_scream", "Male scream"),
        Label("male_speech", "Male speech"),
        Label("telephone", "Ringing phone", ("phone",)),
        Label("piano", "Piano"),
    ),
)
"""The 14 classes of TAU-NIGENS Spatial Sound Events 2020 (DCASE 2020 Challenge, Task 3), in its order."""

TAU_NIGENS_2021 = LabelSet(
    "tau-nigens-2021",
    tuple(label for label in TAU_NIGENS_2020.classes if label.name not in ("running_engine", "burning_fire")),
)
"""The 12 classes of TAU-NIGENS Spatial Sound Events 2021 (DCASE 2021 Challenge, Task 3), in its order."""

LABELS = "labels.toml"
"""The file in a folder of data that says what its label files mean."""

KNOWN = {
    "DCASE2025": DCASE2025,
    "STARSS22": replace(DCASE2025, name="starss22"),
    "STARSS23": replace(DCASE2025, name="starss23"),
    "TAU-NIGENS 2020": TAU_NIGENS_2020,
    "TAU-NIGENS 2021": TAU_NIGENS_2021,
}
"""Label sets by the names that `--labels` takes; STARSS22 and STARSS23 have the classes of DCASE 2025."""


@dataclass(frozen=True)
class LabelTable:
    """A class as a file states it; its title is made of its name where it is left out."""

    __pydantic_config__ = STRICT

    name: str
    title: str = ""
    aliases: tuple[str, ...] = ()
    typical_distance_m: float = 2.0
    visible: bool = True
    prompts: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()

    def to_label(self) -> Label:
        """Make the class. Raises UsageError where its name is empty, or a keypoint or distance is none."""
        # Here, for a run on sound needs no tables of detections, which take time to import.
        from seldfuse.core.detections import KEYPOINTS

        if not self.name.strip():
            raise UsageError("every class needs a name that is not empty")
        if unknown := [name for name in self.keypoints if name not in KEYPOINTS]:
            raise UsageError(f"{self.name}: expected keypoints among {', '.join(KEYPOINTS)}, got {', '.join(unknown)}")
        if not 0 < self.typical_distance_m <= FARTHEST_M:
            raise UsageError(
                f"{self.name:.{MOST_CHARACTERS}}: expected a typical_distance_m of more than 0 and at most "
                f"{FARTHEST_M:g}, got {self.typical_distance_m:g}"
            )
        title = self.title or self.name.replace("_", " ").capitalize()
        return Label(**{**vars(self), "title": title})


@dataclass(frozen=True)
class LabelSetFile:
    """A file of labels: the classes in the order of their ids, and which of them were annotated.

    `extends` names a known label set whose classes come before those of the file. `labelled` holds names of classes
    that were annotated; all were where it is empty. In a folder of data a file may have nothing else.
    """

    __pydantic_config__ = STRICT

    name: str = ""
    extends: str = ""
    classes: tuple[str | LabelTable, ...] = ()
    labelled: tuple[str, ...] = field(default=())

    def to_labels(self, name: str, default: LabelSet | None = None) -> LabelSet:
        """Make the label set, called `name` where the file gives it none; `default` where it states no class.

        Raises UsageError.
        """
        if default is not None and not (self.classes or self.extends):
            return default
        base = find_known(self.extends).classes if self.extends else ()
        own = (LabelTable(one) if isinstance(one, str) else one for one in self.classes)
        return LabelSet(self.name or name, (*base, *(table.to_label() for table in own)))


def find_labels(reference: str) -> LabelSet:
    """Find the label set that a known name, or a TOML or JSON file, stands for.

    Raises UsageError where there is neither, or the file does not describe a label set.
    """
    path = Path(reference)
    if path.is_file():
        return read_labels(path)
    if path.suffix.lower() in (".toml", ".json"):
        raise UsageError(f"expected a file of labels, there is none: {path}")
    return find_known(reference)


def resolve_labels(labels: str | Path | LabelSet | None) -> LabelSet | None:
    """Find the label set of a reference; a label set is what it is, and None nothing. Raises UsageError."""
    return find_labels(str(labels)) if isinstance(labels, str | Path) else labels


def find_known(name: str) -> LabelSet:
    """Find a known label set by its name, case, blanks and punctuation aside. Raises UsageError."""
    for known, labels in KNOWN.items():
        if _key(known) == _key(name):
            return labels
    raise UsageError(
        f"{name!r} is no label set: expected {', '.join(KNOWN)}, or a TOML or JSON file such as\n"
        '  name = "mine"\n  classes = ["piano", "guitar", "drums"]'
    )


def read_labels(path: Path) -> LabelSet:
    """Read the label set of a TOML or JSON file. Raises UsageError, path last."""
    return read_annotated_labels(path)[0]


def read_annotated_labels(path: Path, default: LabelSet | None = None) -> tuple[LabelSet, tuple[str, ...]]:
    """Read the label set of a file, and the names of the classes that were annotated, none where it does not say.

    Classes that are not stated are those of `default`.

    Raises UsageError, path last.
    """
    table = _read(path)
    try:
        file = parse_table(LabelSetFile, table, "key of a file of labels")
        labels = file.to_labels(path.stem, default)
        return labels, tuple(labels.names[labels.index(name)] for name in file.labelled)
    except UsageError as error:
        raise UsageError(f"{error}: {path}") from error


def write_labels(folder: Path, labels: LabelSet) -> None:
    """Write the `labels.toml` of a folder of data, which says whose ids its label files have.

    Raises UsageError where another label set stands there, or it cannot be written.
    """
    path = folder / LABELS
    if path.is_file() and not read_labels(path).has_same_classes(labels):
        raise UsageError(f"label files of other classes are here; choose another folder: {path}")
    with write_atomically(path) as draft:
        draft.write_text(labels_to_toml(labels), encoding="utf-8")


def labels_to_toml(labels: LabelSet) -> str:
    """Return a label set as the text of a file that `read_labels` reads."""
    import tomli_w

    return tomli_w.dumps(labels.to_json())


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix.lower() != ".json":
        return read_table(path, "a file of labels")
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"expected a file of labels that can be read ({cause}): {path}") from error


def _key(text: str) -> str:
    return "".join(ch for ch in text.lower() if ch.isalnum())
