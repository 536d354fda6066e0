"""Files with cut-outs of people and things, and what their owner says of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from seldfuse.core.labels import LabelSet
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.storage.read_json import read_json
from seldfuse.storage.walk import is_below, list_files, list_folders
from seldfuse.synth.pictures.body import ANKLES, WRISTS, estimate_height_m, find_sound_points
from seldfuse.synth.pictures.cutout import FEET, HANDS, MOUTH, PERSON, POINT, Cutout
from seldfuse.synth.pictures.still import read_still
from seldfuse.synth.sounds.layouts import SIDES, Side

PLACES = {
    "female_speech": MOUTH,
    "male_speech": MOUTH,
    "laughter": MOUTH,
    "clapping": HANDS,
    "knock": HANDS,
    "footsteps": FEET,
}
"""Where on a person a class sounds; all other classes are things."""

DISTRACTOR = "distractor"
"""The name of things that make no sound of any class, and of the folder that holds them."""

PEOPLE_TABLE, THINGS_TABLE = "persons.json", "things.json"

RESTRICTED = "NonCommercial"
"""Part of the licences of pictures that networks are not trained on."""

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

CACHED = 128

SUFFIXES = (".png", ".webp")
"""Formats with transparency."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class CutoutCard:
    """A file with a cut-out, and what is known of it: COCO-17 keypoints, where it sounds, how tall it is.

    `name` is that of its class, `DISTRACTOR`, or None for a person who may stand for all classes of people. `cut` are
    the edges (l, r, t, b) at which the picture ended within it. `side` is None where no table says what it is for.
    """

    path: Path
    name: str | None
    keypoints: tuple[tuple[float, float, float], ...] | None = None
    point: tuple[float, float] | None = None
    height_m: float | None = None
    cut: tuple[str, ...] = ()
    side: Side | None = None
    licence: str = ""

    @property
    def shows_hands(self) -> bool:
        return self.keypoints is not None and any(self.keypoints[wrist][2] > 0 for wrist in WRISTS)

    @property
    def shows_feet(self) -> bool:
        """Test whether feet are there, or nothing is known that speaks against it."""
        return "b" not in self.cut and (self.keypoints is None or any(self.keypoints[ankle][2] > 0 for ankle in ANKLES))


def find_cutouts(folder: Path, labels: LabelSet, on_problem: Report | None) -> dict[str, CutoutCard]:
    """Find the cut-outs of a folder by their paths in it, each read once to know that it can be, unless a table with
    sides lists it.

    What cannot be used is told to `on_problem`; without it UsageError or MediaError is raised.
    """
    cards = {}
    for card in _cards(folder, labels, on_problem):
        try:
            if card.side is None:
                read_cutout(card)
            elif not card.path.is_file():
                raise UsageError(f"expected the picture that the table lists: {card.path}")
            cards[card.path.relative_to(folder).as_posix()] = card
        except SeldfuseError as error:
            _report(error, on_problem)
    if not cards:
        raise UsageError(f"expected cut-outs in folders named 'person' or after a class, found none: {folder}")
    return cards


def _cards(folder: Path, labels: LabelSet, on_problem: Report | None) -> Iterator[CutoutCard]:
    yield from _tables(folder, labels)
    if (folder / THINGS_TABLE).is_file():
        return
    for place in list_folders(folder):
        if any((place / table).is_file() for table in (PEOPLE_TABLE, THINGS_TABLE)):
            yield from _tables(place, labels)
            continue
        try:
            name = _class_of(place.name.lstrip("0123456789_- "), labels)
        except UsageError as error:
            _report(UsageError(f"expected folders named 'person' or after a class, but {error}: {place}"), on_problem)
            continue
        for path in (path for path in list_files(place) if path.suffix.lower() in SUFFIXES):
            try:
                yield _card(path, name)
            except UsageError as error:
                _report(error, on_problem)


def _tables(folder: Path, labels: LabelSet) -> Iterator[CutoutCard]:
    """The cut-outs of the tables in a folder."""
    people, things = folder / PEOPLE_TABLE, folder / THINGS_TABLE
    try:
        if people.is_file():
            for entry in _json(people, list):
                yield _of_table(
                    CutoutCard(people.parent / entry["file"], None, _keypoints(entry, people)), entry, folder
                )
    except (TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"expected a list of people with 'file' and 'keypoints' each: {people}") from error
    try:
        if things.is_file():
            for entry in _json(things, list):
                name, height_m = _class_of(entry["class"], labels), float(entry["height_m"])
                yield _of_table(CutoutCard(things.parent / entry["file"], name, height_m=height_m), entry, folder)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(f"expected a list of things with 'file', 'class' and 'height_m' each: {things}") from error


def _of_table(card: CutoutCard, entry: Mapping[str, Any], folder: Path) -> CutoutCard:
    """What tables of both kinds say: where it is cut, what it is for, and its licence."""
    cut, side = set(entry.get("cut", ())), entry.get("side")
    if side not in (None, *SIDES):
        raise UsageError(f"expected the side {', '.join(SIDES)} or none, got {side!r}: {card.path}")
    if not is_below(card.path, folder):
        raise UsageError(f"expected files in the table's folder, got {str(card.path)!r}: {folder}")
    if entry.get("part") in ("upper", "bust"):
        cut.add("b")
    return replace(card, cut=tuple(sorted(cut)), side=side, licence=str(entry.get("licence", "")))


def _class_of(word: str, labels: LabelSet) -> str | None:
    """The name of a class, which may be the only one that begins like this."""
    if word in (PERSON, "persons"):
        return None
    if word == DISTRACTOR:
        return DISTRACTOR
    begun = [name for name in labels.names if name.startswith(f"{word}_")]
    return begun[0] if len(begun) == 1 else labels.classes[labels.index(word)].name


def _card(path: Path, name: str | None) -> CutoutCard:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return CutoutCard(path, name)
    told = _json(beside, dict)
    try:
        point = (float(told["point"][0]), float(told["point"][1])) if "point" in told else None
        tall = float(told["height_m"]) if "height_m" in told else None
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise UsageError(f"expected 'point' as [x, y] in pixels and 'height_m' as a number: {beside}") from error
    return CutoutCard(path, name, _keypoints(told, beside), point, tall)


def _json(path: Path, kind: type[Any]) -> Any:
    try:
        found = read_json(path, MOST_DOCUMENT_BYTES)
    except (OSError, ValueError) as error:
        raise UsageError(f"expected JSON ({error}): {path}") from error
    if not isinstance(found, kind):
        raise UsageError(f"expected a JSON {kind.__name__}, got {type(found).__name__}: {path}")
    return found


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


def _report(error: SeldfuseError, on_problem: Report | None) -> None:
    if on_problem is None:
        raise error
    on_problem(f"passed over: {error}")


@lru_cache(maxsize=CACHED)
def read_cutout(card: CutoutCard) -> Cutout:
    """Read the cut-out of a card. Raises UsageError where it is none, MediaError where the file cannot be read."""
    rgba = read_still(card.path).to_ndarray(format="rgba")
    if rgba[..., 3].min() == 255:
        raise UsageError(
            "expected an RGBA cut-out, but no pixel of it is transparent; "
            f"cut the figure out and save it as PNG with an alpha channel: {card.path}"
        )
    if rgba[..., 3].max() == 0:
        raise UsageError(f"expected an RGBA cut-out, but all of it is transparent: {card.path}")
    keypoints, name = _list_known(card), card.name
    # Who knocks may be a person or a door.
    if name is None or (name in PLACES and (name != "knock" or keypoints is not None)):
        cutout = Cutout(
            rgba, PERSON, estimate_height_m(_rows(rgba), keypoints), find_sound_points(rgba, keypoints), keypoints
        )
    else:
        middle = (rgba.shape[1] / 2, rgba.shape[0] / 2)
        cutout = Cutout(rgba, name.replace("_", " "), HEIGHTS_M.get(name, 0.5), {POINT: middle})
    if card.point is not None:
        cutout = replace(cutout, points={POINT: card.point})
    return replace(cutout, height_m=card.height_m or cutout.height_m, cut_below="b" in card.cut).trim()


def _list_known(card: CutoutCard) -> Float[np.ndarray, "17 3"] | None:
    if card.keypoints is None:
        return None
    points = np.array(card.keypoints)
    points[:, 2] = 1.0
    points[np.array(card.keypoints)[:, 2] <= 0] = np.nan
    return points


def _rows(rgba: UInt8[np.ndarray, "height width 4"]) -> int:
    return int(rgba[..., 3].any(axis=1).sum())
