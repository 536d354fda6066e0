"""Cut-outs of people and things, by class: a folder of the user's, and drawings for what it lacks."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.storage.digest import hash_text
from seldfuse.synth.pictures.cutout import FEET, HANDS, PERSON, POINT, Cutout
from seldfuse.synth.pictures.cutouts import (
    DISTRACTOR,
    PLACES,
    RESTRICTED,
    CutoutCard,
    Report,
    find_cutouts,
    read_cutout,
)
from seldfuse.synth.pictures.objects import KINDS, draw_object, measure_furniture
from seldfuse.synth.sounds.layouts import Side

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

DRAWN_SHARE = 0.2
"""How often a drawing stands in for a picture in scenes to train on: they are of endless variety."""

BEARING, HIDING = ("table", "counter"), ("counter", "sofa")
"""Drawn furniture that things stand on, and that hides the lower part of people."""

WIDE_TRIES = 3

CACHED = 64


@dataclass(frozen=True)
class CutoutSet:
    """Cut-outs by key: the path inside the folder, or `drawn/<kind>/<seed>`.

    `cards` holds all of the folder; `people` and `classes` the keys that may be drawn, of people for any class and of
    those for one class each, and `distractors` those of things that make no sound. `with_hands` and `with_feet` are the
    people whose hands are known and whose feet are to be seen. `drawn_share` is how often a drawing takes the place
    of a picture.
    """

    labels: LabelSet
    cards: Mapping[str, CutoutCard] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    with_hands: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held_out: bool = False
    with_feet: tuple[str, ...] = ()
    distractors: tuple[str, ...] = ()
    drawn_share: float = 0.0

    def draw(self, cls: int | None, rng: np.random.Generator, avoid: Collection[str] = ()) -> str:
        """Draw the key of a cut-out that may stand for a class, of any person for None; one of `avoid` only if need
        be."""
        keys = self._keys(cls)
        if keys and (self.drawn_share == 0.0 or rng.random() >= self.drawn_share):
            return _pick(keys, rng, avoid)
        return self._draw_drawing(self._drawn_kind(cls), rng)

    def draw_distractor(self, rng: np.random.Generator, avoid: Collection[str] = ()) -> str:
        """Draw the key of a thing that makes no sound, of one that might where there are no others."""
        if self.distractors:
            return _pick(self.distractors, rng, avoid)
        return self.draw(int(rng.integers(len(self.labels))), rng, avoid)

    def draw_furniture(self, kinds: Sequence[str], widths: float, rng: np.random.Generator) -> str:
        """Draw the key of a drawing of one of some kinds of furniture, `widths` times as wide as high if one of a few
        is.
        """
        for _ in range(WIDE_TRIES):
            key = self._draw_drawing(kinds[int(rng.integers(len(kinds)))], rng)
            if measure_furniture(int(key.rpartition("/")[2])) >= widths:
                break
        return key

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
        if self.draw_kind(cls) == FEET:
            return self.with_feet or self.people
        if self.draw_kind(cls) != HANDS:
            return self.people
        # Who knocks may be behind the door.
        return (*self.with_hands, *self.classes.get("door", ())) if self._is_knock(cls) else self.with_hands

    def _is_knock(self, cls: int) -> bool:
        return self.labels.classes[cls].name == "knock"

    def _draw_drawing(self, kind: str, rng: np.random.Generator) -> str:
        seed = int(rng.integers(DRAWN_SEEDS // DRAWN_SPLIT)) * DRAWN_SPLIT
        return f"{DRAWN}/{kind}/{seed if self.held_out else seed + int(rng.integers(1, DRAWN_SPLIT))}"

    def _drawn_kind(self, cls: int | None) -> str:
        if cls is None:
            return PERSON
        name = self.labels.classes[cls].name
        return THINGS.get(name, PERSON if name in PLACES else "loudspeaker")


def load_cutouts(
    folder: Path | None, labels: LabelSet, side: Side = "train", on_problem: Report | None = None
) -> CutoutSet:
    """Load the cut-outs of a folder: PNG or WebP pictures with an alpha channel in sub-folders named `person`,
    `distractor` or after a class.

    Beside a picture may stand a JSON file of the same name: `keypoints`, 17 times x, y and visibility in the order of
    COCO; `point`, where the sound comes from; `height_m`. Tables may list them instead, in the folder or a sub-folder:
    `persons.json` people, with `file` and `keypoints` each, `things.json` things, with `file`, `class` and `height_m`.
    Both may add `cut` (edges at which the picture ended), `side` (train, held or fit) and `licence`. No folder leaves
    drawings only.

    `side` chooses what is drawn from. Where no table says what is for what, a quarter of each sub-folder is held out,
    the same ones every time, and fusion is fitted on it, too. What forbids commercial use is not trained on. Nobody is
    drawn whom the edge of his picture cut at the sides or above. To train on, a share of drawings is mixed in.
    `on_problem` is told of what cannot be used, and the rest goes on; without it UsageError or MediaError is raised,
    which names the file.
    """
    held_out = side != "train"
    if folder is None:
        return CutoutSet(labels, held_out=held_out)
    if not folder.is_dir():
        raise UsageError(f"--sprites expects a folder of cut-outs: {folder}")
    cards = find_cutouts(folder, labels, on_problem)
    pools = defaultdict(list)
    for key, card in sorted(cards.items()):
        pools[card.name].append(key)
    chosen = {name: _choose(keys, cards, side) for name, keys in pools.items()}
    people, distractors = chosen.pop(None, ()), chosen.pop(DISTRACTOR, ())
    classes = {name: keys for name, keys in chosen.items() if name is not None}
    return CutoutSet(
        labels, cards, people, tuple(key for key in people if cards[key].shows_hands), classes, held_out,
        tuple(key for key in people if cards[key].shows_feet), distractors, 0.0 if held_out else DRAWN_SHARE,
    )  # fmt: skip


def _pick(keys: tuple[str, ...], rng: np.random.Generator, avoid: Collection[str]) -> str:
    fresh = tuple(key for key in keys if key not in avoid) or keys
    return fresh[rng.integers(len(fresh))]


def _choose(keys: list[str], cards: Mapping[str, CutoutCard], side: Side) -> tuple[str, ...]:
    """Those that are drawn on a side: as a table says, the others by their hashes."""
    untold = [key for key in keys if cards[key].side is None]
    told = [key for key in keys if cards[key].side == side]
    both = (*_side(untold, side != "train"), *told)
    return tuple(sorted(key for key in both if _may_stand(cards[key], side)))


def _may_stand(card: CutoutCard, side: Side) -> bool:
    forbidden = side == "train" and RESTRICTED in card.licence
    return not forbidden and not {"l", "r", "t"}.intersection(card.cut)


def _side(keys: list[str], held_out: bool) -> tuple[str, ...]:
    # The order of the hashes is as good as a draw, and stays the same when other pictures come or go.
    shuffled = sorted(keys, key=lambda key: hash_text(key, "sha256"))
    count = 0 if len(keys) < 2 else max(1, round(HELD_OUT_SHARE * len(keys)))
    return tuple(sorted(shuffled[:count] if held_out else shuffled[count:]))


@lru_cache(maxsize=CACHED)
def _draw(kind: str, seed: int) -> Cutout:
    return draw_object(kind, seed)
