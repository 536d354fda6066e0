"""The sound classes that a model, a posterior and a table of events speak of."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from seldfuse.errors import UsageError
from seldfuse.settings.check_types import find_misfit

MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Label:
    """One sound class.

    `typical_distance_m` stands in where no backend estimates distance; training overwrites it with the median
    distance of the class in the training scenes. Where `visible` is False nothing in the picture speaks for the class;
    `prompts` and `keypoints` say what does, as in `Rule`, and are those of the detector's own rules where there are
    none (`Rules.adapt_to`).
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    typical_distance_m: float = 2.0
    visible: bool = True
    prompts: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The name, the title and the aliases, by each of which the class is known."""
        return (self.name, self.title, *self.aliases)

    def is_called(self, word: str) -> bool:
        """Test whether a word is the class's name, title or alias, case and punctuation aside."""
        return _key(word) in {_key(known) for known in self.words}

    def to_json(self) -> dict[str, Any]:
        """Return the table of the class; what looking needs only where it is stated, for older versions do not
        know it."""
        table: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "aliases": list(self.aliases),
            "typical_distance_m": self.typical_distance_m,
        }
        looking = {"prompts": list(self.prompts), "keypoints": list(self.keypoints)}
        looking = {key: words for key, words in looking.items() if words}
        return table | ({} if self.visible else {"visible": False}) | looking


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
        _check_count(self.classes)
        counts = Counter(key for label in self.classes for key in {_key(word) for word in label.words})
        doubles = sorted(key for key, count in counts.items() if count > 1)
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
        position = self._positions.get(_key(word))
        if position is not None:
            return position
        close = difflib.get_close_matches(word, self.names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"{word!r} is no class of {self.name} ({', '.join(self.names)}){hint}")

    @cached_property
    def _positions(self) -> dict[str, int]:
        """The classes' ids by their names, titles and aliases, each of which one class has."""
        return {_key(word): position for position, label in enumerate(self.classes) for word in label.words}

    def has_same_classes(self, other: "LabelSet") -> bool:
        """Test whether both hold the same class names in the same order."""
        return self.names == other.names

    def replace_typical_distances(self, distances_m: Sequence[float]) -> "LabelSet":
        pairs = zip(self.classes, distances_m, strict=True)
        return replace(self, classes=tuple(replace(label, typical_distance_m=float(d)) for label, d in pairs))

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "classes": [label.to_json() for label in self.classes],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "LabelSet":
        """Build a label set of what `to_json` gave. Raises UsageError where `data` does not describe a label set."""
        try:
            _check_count(data["classes"])
            classes = tuple(_label_from_json(entry) for entry in data["classes"])
            name = str(data["name"])
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"expected a label set with 'name' and 'classes', got {data!r:.200}") from error
        if misfit := next(filter(None, (find_misfit(one, Label, "class") for one in classes)), None):
            raise UsageError(f"expected a label set, but {misfit}")
        return cls(name, classes)


def _label_from_json(entry: Mapping[str, Any]) -> Label:
    words = {key: tuple(entry.get(key, ())) for key in ("aliases", "prompts", "keypoints")}
    return Label(**{**entry, **words})


@lru_cache(maxsize=64)
def match_classes(wanted: LabelSet, known: LabelSet) -> tuple[int | None, ...]:
    """Match every class of `wanted` to the position of the same class in `known`, or to None.

    Classes of one name are the same; of what remains, those of which one is called by a name, title or alias of the
    other. No class of `known` stands for two.
    """
    by_name = {name: position for position, name in enumerate(known.names)}
    found = [by_name.get(name) for name in wanted.names]
    taken = set(found)
    for place, label in enumerate(wanted.classes):
        position = _position(label, known) if found[place] is None else None
        if position is not None and position not in taken:
            found[place] = position
            taken.add(position)
    return tuple(found)


def _position(label: Label, known: LabelSet) -> int | None:
    found = (known._positions.get(_key(word)) for word in label.words)
    return next((position for position in found if position is not None), None)


def _check_count(classes: Sequence[object]) -> None:
    if len(classes) > MOST_CLASSES:
        raise UsageError(f"expected a label set of at most {MOST_CLASSES} classes, got {len(classes)}")


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
