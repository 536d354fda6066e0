"""Cut-outs of people and things, by class: a folder of the user's, and drawings for what it lacks."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.storage.digest import hash_text
from seldfuse.synth.pictures.cutout import HANDS, PERSON, POINT, Cutout
from seldfuse.synth.pictures.cutouts import PLACES, CutoutCard, Report, find_cutouts, read_cutout
from seldfuse.synth.pictures.objects import KINDS, draw_object

THINGS = {
    "telephone": "telephone",
    "domestic_sounds": "appliance",
    "door": "door",
    "music": "loudspeaker",
    "musical_instrument": "guitar",
    "water_tap": "tap",
    "bell": "bell",
    "knock": "door",
}
"""What is drawn for a class. A loudspeaker may sound like anything else."""

HELD_OUT_SHARE = 0.25
DRAWN = "drawn"
DRAWN_SEEDS = 1_000_000
DRAWN_SPLIT = 4
"""Of the drawings, those whose seed is a multiple of it are held out."""

CACHED = 64


@dataclass(frozen=True)
class CutoutSet:
    """Cut-outs by key: the path inside the folder, or `drawn/<kind>/<seed>`.

    `cards` holds all of the folder; `people` and `classes` the keys that may be drawn, of people for any class and of
    those for one class each. `with_hands` are those of the people whose hands are known.
    """

    labels: LabelSet
    cards: Mapping[str, CutoutCard] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    with_hands: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held_out: bool = False

    def draw(self, cls: int | None, rng: np.random.Generator, avoid: Collection[str] = ()) -> str:
        """Draw the key of a cut-out that may stand for a class, of any person for None; one of `avoid` only if need
        be."""
        keys = self._keys(cls)
        fresh = tuple(key for key in keys if key not in avoid) or keys
        if fresh:
            return fresh[rng.integers(len(fresh))]
        seed = int(rng.integers(DRAWN_SEEDS // DRAWN_SPLIT)) * DRAWN_SPLIT
        return f"{DRAWN}/{self._drawn_kind(cls)}/{seed if self.held_out else seed + int(rng.integers(1, DRAWN_SPLIT))}"

    def load_cutout(self, key: str) -> Cutout:
        """Decode or draw a cut-out; the last ones are stored. Raises UsageError for a key that is unknown,
        MediaError."""
        folder, _, rest = key.partition("/")
        kind, _, seed = rest.partition("/")
        if folder == DRAWN and kind in KINDS and seed.isdecimal():
            return _draw(kind, int(seed))
        if key not in self.cards:
            raise UsageError(
                f"expected a cut-out of the folder or 'drawn/KIND/SEED' (kinds: {', '.join(KINDS)}), got {key!r}; "
                "give the folder that the scene was planned with"
            )
        return read_cutout(self.cards[key])

    def draw_kind(self, cls: int | None) -> str:
        """Return the kind of place on a cut-out where a class sounds."""
        return POINT if cls is None else PLACES.get(self.labels.classes[cls].name, POINT)

    def _keys(self, cls: int | None) -> tuple[str, ...]:
        if cls is None:
            return self.people
        own = self.classes.get(self.labels.classes[cls].name, ())
        if own or self.draw_kind(cls) == POINT:
            return own
        return self.with_hands if self.draw_kind(cls) == HANDS else self.people

    def _drawn_kind(self, cls: int | None) -> str:
        if cls is None:
            return PERSON
        name = self.labels.classes[cls].name
        return THINGS.get(name, PERSON if name in PLACES else "loudspeaker")


def load_cutouts(
    folder: Path | None, labels: LabelSet, held_out: bool = False, on_problem: Report | None = None
) -> CutoutSet:
    """Load the cut-outs of a folder: PNG pictures with an alpha channel in sub-folders named `person` or after a class.

    Beside a picture may stand a JSON file of the same name: `keypoints`, 17 times x, y and visibility in the order of
    COCO; `point`, where the sound comes from; `height_m`. A file `persons.json` in the folder itself may list
    people instead, with `file` and `keypoints` each. No folder leaves drawings only.

    A quarter of the cut-outs of each sub-folder is held out for validation, the same ones every time; `held_out`
    chooses the side that is drawn from. `on_problem` is told of what cannot be used, and the rest goes on; without it
    UsageError or MediaError is raised, which names the file.
    """
    if folder is None:
        return CutoutSet(labels, held_out=held_out)
    if not folder.is_dir():
        raise UsageError(f"--sprites expects a folder of cut-outs: {folder}")
    cards = find_cutouts(folder, labels, on_problem)
    pools = defaultdict(list)
    for key, card in sorted(cards.items()):
        pools[card.name].append(key)
    chosen = {name: _side(keys, held_out) for name, keys in pools.items()}
    people = chosen.pop(None, ())
    with_hands = tuple(key for key in people if cards[key].shows_hands)
    classes = {name: keys for name, keys in chosen.items() if name is not None}
    return CutoutSet(labels, cards, people, with_hands, classes, held_out)


def _side(keys: list[str], held_out: bool) -> tuple[str, ...]:
    # The order of the hashes is as good as a draw, and stays the same when other pictures come or go.
    shuffled = sorted(keys, key=lambda key: hash_text(key, "sha256"))
    count = 0 if len(keys) < 2 else max(1, round(HELD_OUT_SHARE * len(keys)))
    return tuple(sorted(shuffled[:count] if held_out else shuffled[count:]))


@lru_cache(maxsize=CACHED)
def _draw(kind: str, seed: int) -> Cutout:
    return draw_object(kind, seed)
