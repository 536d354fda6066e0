"""Cut-outs of people and things, by class: a folder of the user's, and drawings for what it lacks."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.labels import LabelSet
from seldfuse.synth.body import height_m, sounding_points
from seldfuse.synth.objects import KINDS, draw_object
from seldfuse.synth.sprite import FEET, HANDS, MOUTH, PERSON, POINT, Sprite
from seldfuse.synth.still import read_still

PLACES = {
    "female_speech": MOUTH,
    "male_speech": MOUTH,
    "laughter": MOUTH,
    "clapping": HANDS,
    "knock": HANDS,
    "footsteps": FEET,
}
"""Where on a person a class sounds; all other classes are things."""

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

HEIGHTS_M = {
    "telephone": 0.2,
    "domestic_sounds": 0.85,
    "door": 2.0,
    "music": 0.5,
    "musical_instrument": 1.0,
    "water_tap": 0.3,
    "bell": 0.2,
    "knock": 2.0,
}
"""How tall a thing is that does not say so itself; others are half a metre."""

HELD_OUT_SHARE = 0.25
DRAWN = "drawn"
DRAWN_SEEDS = 1_000_000
DRAWN_SPLIT = 4
"""Of the drawings, those whose seed is a multiple of it are held out."""

CACHED_SPRITES = 64

Report = Callable[[SeldfuseError], None]


@dataclass(frozen=True)
class Card:
    """A file with a cut-out, and what is known of it: COCO-17 keypoints, where it sounds, how tall it is.

    `cls` is None for a person who may stand for all classes of people.
    """

    path: Path
    cls: int | None
    keypoints: tuple[tuple[float, float, float], ...] | None = None
    point: tuple[float, float] | None = None
    height_m: float | None = None


@dataclass(frozen=True)
class Sprites:
    """Cut-outs by key: the path inside the folder, or `drawn/<kind>/<seed>`.

    `cards` holds all of the folder; `people` and `classes` the keys that may be drawn, of people for any class and of
    those for one class each. `with_hands` are those of the people whose hands are known.
    """

    labels: LabelSet
    cards: Mapping[str, Card] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    with_hands: tuple[str, ...] = ()
    classes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    held_out: bool = False

    def draw(self, cls: int | None, rng: np.random.Generator, avoid: Collection[str] = ()) -> str:
        """The key of a sprite that may stand for a class, of any person for None; one of `avoid` only if need be."""
        keys = self._keys(cls)
        fresh = tuple(key for key in keys if key not in avoid) or keys
        if fresh:
            return fresh[rng.integers(len(fresh))]
        seed = int(rng.integers(DRAWN_SEEDS // DRAWN_SPLIT)) * DRAWN_SPLIT
        return f"{DRAWN}/{self._drawn_kind(cls)}/{seed if self.held_out else seed + int(rng.integers(1, DRAWN_SPLIT))}"

    def sprite(self, key: str) -> Sprite:
        """Decodes or draws, and keeps the last ones. Raises UsageError for a key that is unknown, MediaError."""
        folder, _, rest = key.partition("/")
        kind, _, seed = rest.partition("/")
        if folder == DRAWN and kind in KINDS and seed.isdecimal():
            return _drawn(kind, int(seed))
        if key not in self.cards:
            raise UsageError(
                f"expected a sprite of the folder or 'drawn/KIND/SEED' (kinds: {', '.join(KINDS)}), got {key!r}; "
                "give the folder that the scene was planned with"
            )
        card = self.cards[key]
        return _read(card, None if card.cls is None else self.labels.classes[card.cls].name)

    def sounding_kind(self, cls: int | None) -> str:
        """Where on a sprite a class sounds."""
        return POINT if cls is None else PLACES.get(self.labels.classes[cls].name, POINT)

    def _keys(self, cls: int | None) -> tuple[str, ...]:
        if cls is None:
            return self.people
        own = self.classes.get(cls, ())
        if own or self.sounding_kind(cls) == POINT:
            return own
        return self.with_hands if self.sounding_kind(cls) == HANDS else self.people

    def _drawn_kind(self, cls: int | None) -> str:
        if cls is None:
            return PERSON
        name = self.labels.classes[cls].name
        return THINGS.get(name, PERSON if name in PLACES else "loudspeaker")


def load_sprites(
    folder: Path | None, labels: LabelSet, held_out: bool = False, on_problem: Report | None = None
) -> Sprites:
    """The cut-outs of a folder: PNG pictures with an alpha channel in sub-folders named `person` or after a class.

    Beside a picture may stand a JSON file of the same name: `keypoints`, 17 times x, y and visibility in the order
    of COCO; `point`, where the sound comes from; `height_m`. A file `persons.json` in the folder itself may list people
    instead, with `file` and `keypoints` each. No folder leaves drawings only.

    A quarter of the cut-outs of each sub-folder is held out for validation, the same ones every time; `held_out`
    chooses the side that is drawn from. `on_problem` is told of what cannot be used, and the rest goes on; without it
    UsageError or MediaError is raised, which names the file.
    """
    if folder is None:
        return Sprites(labels, held_out=held_out)
    if not folder.is_dir():
        raise UsageError(f"--sprites expects a folder of cut-outs: {folder}")
    cards, hands = {}, set()
    for card in _cards(folder, labels, on_problem):
        try:
            sprite = _read(card, None if card.cls is None else labels.classes[card.cls].name)
        except SeldfuseError as error:
            _tell(error, on_problem)
            continue
        key = card.path.relative_to(folder).as_posix()
        cards[key] = card
        hands |= {key} if HANDS in sprite.points else set()
    pools = defaultdict(list)
    for key in sorted(cards):
        pools[cards[key].cls].append(key)
    sides = {cls: _side(keys, held_out) for cls, keys in pools.items()}
    people = sides.pop(None, ())
    with_hands = tuple(key for key in people if key in hands)
    classes = {cls: keys for cls, keys in sides.items() if cls is not None}
    return Sprites(labels, cards, people, with_hands, classes, held_out)


def _cards(folder: Path, labels: LabelSet, on_problem: Report | None) -> Iterator[Card]:
    listed = folder / "persons.json"
    if listed.is_file():
        yield from _listed(listed)
    for place in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        try:
            cls = None if place.name in (PERSON, "persons") else labels.index(place.name.lstrip("0123456789_- "))
        except UsageError as error:
            _tell(UsageError(f"expected folders named 'person' or after a class, but {error}: {place}"), on_problem)
            continue
        for path in sorted(place.rglob("*.png")):
            try:
                yield _card(path, cls)
            except UsageError as error:
                _tell(error, on_problem)


def _listed(path: Path) -> list[Card]:
    try:
        return [Card(path.parent / entry["file"], None, _keypoints(entry, path)) for entry in _json(path)]
    except (TypeError, KeyError) as error:
        raise UsageError(f"expected a list of people with 'file' and 'keypoints' each: {path}") from error


def _card(path: Path, cls: int | None) -> Card:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return Card(path, cls)
    told = _json(beside)
    try:
        point = (float(told["point"][0]), float(told["point"][1])) if "point" in told else None
        tall = float(told["height_m"]) if "height_m" in told else None
    except (TypeError, ValueError, IndexError) as error:
        raise UsageError(f"expected 'point' as [x, y] in pixels and 'height_m' as a number: {beside}") from error
    return Card(path, cls, _keypoints(told, beside), point, tall)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"expected JSON ({error}): {path}") from error


def _keypoints(told: Mapping[str, Any], path: Path) -> tuple[tuple[float, float, float], ...] | None:
    if told.get("keypoints") is None:
        return None
    try:
        points = tuple((float(x), float(y), float(seen)) for x, y, seen in told["keypoints"])
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected 'keypoints' as [[x, y, visibility], …] in pixels: {path}") from error
    if len(points) != 17:
        raise UsageError(f"expected the 17 keypoints of COCO, got {len(points)}: {path}")
    return points


def _tell(error: SeldfuseError, on_problem: Report | None) -> None:
    if on_problem is None:
        raise error
    on_problem(error)


def _side(keys: list[str], held_out: bool) -> tuple[str, ...]:
    # The order of the hashes is as good as a draw, and stays the same when other pictures come or go.
    shuffled = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).hexdigest())
    count = 0 if len(keys) < 2 else max(1, round(HELD_OUT_SHARE * len(keys)))
    return tuple(sorted(shuffled[:count] if held_out else shuffled[count:]))


@lru_cache(maxsize=CACHED_SPRITES)
def _drawn(kind: str, seed: int) -> Sprite:
    return draw_object(kind, seed)


@lru_cache(maxsize=CACHED_SPRITES)
def _read(card: Card, name: str | None) -> Sprite:
    """The cut-out of a card; `name` is that of its class."""
    rgba = read_still(card.path).to_ndarray(format="rgba")
    if rgba[..., 3].min() == 255:
        raise UsageError(
            "expected an RGBA cut-out, but no pixel of it is transparent; "
            f"cut the figure out and save it as PNG with an alpha channel: {card.path}"
        )
    if rgba[..., 3].max() == 0:
        raise UsageError(f"expected an RGBA cut-out, but all of it is transparent: {card.path}")
    keypoints = _known(card)
    # Who knocks may be a person or a door.
    is_person = name is None or (name in PLACES and (name != "knock" or keypoints is not None))
    if is_person:
        sprite = Sprite(rgba, PERSON, height_m(_rows(rgba), keypoints), sounding_points(rgba, keypoints), keypoints)
    else:
        middle = (rgba.shape[1] / 2, rgba.shape[0] / 2)
        sprite = Sprite(rgba, str(name).replace("_", " "), HEIGHTS_M.get(str(name), 0.5), {POINT: middle}, keypoints)
    if card.point is not None:
        sprite = replace(sprite, points={POINT: card.point})
    return replace(sprite, height_m=card.height_m or sprite.height_m).trimmed()


def _known(card: Card) -> Float[np.ndarray, "17 3"] | None:
    if card.keypoints is None:
        return None
    points = np.array(card.keypoints)
    points[:, 2] = 1.0
    points[np.array(card.keypoints)[:, 2] <= 0] = np.nan
    return points


def _rows(rgba: UInt8[np.ndarray, "height width 4"]) -> int:
    return int(rgba[..., 3].any(axis=1).sum())
