"""The sound classes that a model, a posterior and a table of events speak of."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seldfuse.errors import UsageError
from seldfuse.settings.check_types import find_misfit

MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Label:
    """One sound class.

    `typical_distance_m` stands in where no backend estimates distance; training overwrites it with the median
    distance of the class in the training scenes.
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    typical_distance_m: float = 2.0


@dataclass(frozen=True)
class LabelSet:
    """Ordered sound classes; a class's id is its position.

    Raises UsageError where two classes share a name or alias.

    >>> from seldfuse.sdk import Label, LabelSet
    >>> LabelSet("mine", (Label("knock", "Knock"), Label("bell", "Bell", aliases=("chime",)))).index("chime")
    1
    """

    name: str
    classes: tuple[Label, ...]

    def __post_init__(self) -> None:
        keys = [key for label in self.classes for key in {_key(word) for word in _words(label)}]
        doubles = sorted({key for key in keys if keys.count(key) > 1})
        if doubles:
            raise UsageError(f"label set {self.name!r} uses a name for two classes: {', '.join(doubles)}")
        if not self.classes:
            raise UsageError(f"label set {self.name!r} has no class")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.classes)

    def index(self, word: str) -> int:
        """Find the id of the class with this name, title or alias (case and punctuation aside). Raises UsageError."""
        for position, label in enumerate(self.classes):
            if _key(word) in {_key(known) for known in _words(label)}:
                return position
        close = difflib.get_close_matches(word, self.names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"{word!r} is no class of {self.name} ({', '.join(self.names)}){hint}")

    def has_same_classes(self, other: "LabelSet") -> bool:
        """Test whether both hold the same class names in the same order."""
        return self.names == other.names

    def replace_typical_distances(self, distances_m: Sequence[float]) -> "LabelSet":
        pairs = zip(self.classes, distances_m, strict=True)
        return replace(self, classes=tuple(replace(label, typical_distance_m=float(d)) for label, d in pairs))

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "classes": [dict(vars(label), aliases=list(label.aliases)) for label in self.classes],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "LabelSet":
        """Build a label set of what `to_json` gave. Raises UsageError where `data` does not describe a label set."""
        try:
            classes = tuple(Label(**{**entry, "aliases": tuple(entry.get("aliases", ()))}) for entry in data["classes"])
            name = str(data["name"])
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"expected a label set with 'name' and 'classes', got {data!r:.200}") from error
        if len(classes) > MOST_CLASSES:
            raise UsageError(f"expected a label set of at most {MOST_CLASSES} classes, got {len(classes)}")
        if misfit := next(filter(None, (find_misfit(one, Label, "class") for one in classes)), None):
            raise UsageError(f"expected a label set, but {misfit}")
        return cls(name, classes)


def _words(label: Label) -> tuple[str, ...]:
    return (label.name, label.title, *label.aliases)


def _key(word: str) -> str:
    return "".join(ch for ch in word.lower() if ch.isalnum())


DCASE2025 = LabelSet(
    "dcase2025",
    (
        Label("female_speech", "Female speech, woman speaking"),
        Label("male_speech", "Male speech, man speaking"),
        Label("clapping", "Clapping"),
        Label("telephone", "Telephone"),
        Label("laughter", "Laughter"),
        Label("domestic_sounds", "Domestic sounds", ("domestic",)),
        Label("footsteps", "Walk, footsteps", ("walk",)),
        Label("door", "Door, open or close"),
        Label("music", "Music"),
        Label("musical_instrument", "Musical instrument", ("instrument",)),
        Label("water_tap", "Water tap, faucet", ("water", "faucet")),
        Label("bell", "Bell"),
        Label("knock", "Knock"),
    ),
)
"""The 13 classes of the DCASE 2025 Challenge Task 3 stereo SELD dataset, in its order."""
