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
from seldfuse.synth.pictures.body import WRISTS, estimate_height_m, find_sound_points
from seldfuse.synth.pictures.cutout import FEET, HANDS, MOUTH, PERSON, POINT, Cutout
from seldfuse.synth.pictures.still import read_still

PLACES = {
    "female_speech": MOUTH,
    "male_speech": MOUTH,
    "laughter": MOUTH,
    "clapping": HANDS,
    "knock": HANDS,
    "footsteps": FEET,
}
"""Where on a person a class sounds; all other classes are things."""

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

CACHED = 64

Report = Callable[[str], None]


@dataclass(frozen=True)
class CutoutCard:
    """A file with a cut-out, and what is known of it: COCO-17 keypoints, where it sounds, how tall it is.

    `name` is that of its class, None for a person who may stand for all classes of people.
    """

    path: Path
    name: str | None
    keypoints: tuple[tuple[float, float, float], ...] | None = None
    point: tuple[float, float] | None = None
    height_m: float | None = None

    @property
    def shows_hands(self) -> bool:
        return self.keypoints is not None and any(self.keypoints[wrist][2] > 0 for wrist in WRISTS)


def find_cutouts(folder: Path, labels: LabelSet, on_problem: Report | None) -> dict[str, CutoutCard]:
    """Find the cut-outs of a folder by their paths in it, each read once to know that it can be.

    What cannot be used is told to `on_problem`; without it UsageError or MediaError is raised.
    """
    cards = {}
    for card in _cards(folder, labels, on_problem):
        try:
            read_cutout(card)
            cards[card.path.relative_to(folder).as_posix()] = card
        except SeldfuseError as error:
            _report(error, on_problem)
    if not cards:
        raise UsageError(f"expected cut-outs in folders named 'person' or after a class, found none: {folder}")
    return cards


def _cards(folder: Path, labels: LabelSet, on_problem: Report | None) -> Iterator[CutoutCard]:
    listed = folder / "persons.json"
    if listed.is_file():
        yield from _list(listed)
    for place in list_folders(folder):
        try:
            name = _class_of(place.name.lstrip("0123456789_- "), labels)
        except UsageError as error:
            _report(UsageError(f"expected folders named 'person' or after a class, but {error}: {place}"), on_problem)
            continue
        for path in list_files(place, "*.png"):
            try:
                yield _card(path, name)
            except UsageError as error:
                _report(error, on_problem)


def _list(path: Path) -> list[CutoutCard]:
    try:
        cards = [CutoutCard(path.parent / entry["file"], None, _keypoints(entry, path)) for entry in _json(path)]
    except (TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"expected a list of people with 'file' and 'keypoints' each: {path}") from error
    if strange := next((card for card in cards if not is_below(card.path, path.parent)), None):
        raise UsageError(f"expected files in the list's folder, got {str(strange.path)!r}: {path}")
    return cards


def _class_of(word: str, labels: LabelSet) -> str | None:
    return None if word in (PERSON, "persons") else labels.classes[labels.index(word)].name


def _card(path: Path, name: str | None) -> CutoutCard:
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return CutoutCard(path, name)
    told = _json(beside)
    if not isinstance(told, dict):
        raise UsageError(f"expected a JSON object, got {type(told).__name__}: {beside}")
    try:
        point = (float(told["point"][0]), float(told["point"][1])) if "point" in told else None
        tall = float(told["height_m"]) if "height_m" in told else None
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise UsageError(f"expected 'point' as [x, y] in pixels and 'height_m' as a number: {beside}") from error
    return CutoutCard(path, name, _keypoints(told, beside), point, tall)


def _json(path: Path) -> Any:
    try:
        return read_json(path, MOST_DOCUMENT_BYTES)
    except (OSError, ValueError) as error:
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
    return replace(cutout, height_m=card.height_m or cutout.height_m).trim()


def _list_known(card: CutoutCard) -> Float[np.ndarray, "17 3"] | None:
    if card.keypoints is None:
        return None
    points = np.array(card.keypoints)
    points[:, 2] = 1.0
    points[np.array(card.keypoints)[:, 2] <= 0] = np.nan
    return points


def _rows(rgba: UInt8[np.ndarray, "height width 4"]) -> int:
    return int(rgba[..., 3].any(axis=1).sum())
