"""People and things drawn from a few shapes, for whoever has no cut-outs of real ones.

They look like paper dolls; what matters is that each has its own outline, its own colours, and an exact place where its
sound comes from. Lengths are shares of the height of the drawing, x to the right, y down.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from seldfuse.synth.pictures.cutout import FEET, HANDS, MOUTH, PERSON, POINT, Cutout
from seldfuse.synth.pictures.texture import TILE, build_noise_tile

HEIGHT_PX = 256
BEVEL = 0.035
"""How far from its edge a shape looks rounded."""

Colour = tuple[float, float, float]
Place = tuple[float, float]
Window = tuple[slice, slice]
Shape = tuple[Window, np.ndarray]

DRAWN_MOUTH: Place = (0.35, 0.116)
DARK, STEEL, BRASS, WHITE = (0.12, 0.12, 0.13), (0.72, 0.74, 0.77), (0.83, 0.66, 0.26), (0.93, 0.93, 0.91)
WOODS: tuple[Colour, ...] = ((0.55, 0.36, 0.2), (0.68, 0.5, 0.32), (0.36, 0.22, 0.13), (0.85, 0.83, 0.78))
SKINS: tuple[Colour, ...] = ((0.96, 0.8, 0.69), (0.87, 0.68, 0.53), (0.68, 0.47, 0.33), (0.42, 0.28, 0.2))
HAIRS: tuple[Colour, ...] = ((0.1, 0.08, 0.07), (0.33, 0.2, 0.11), (0.72, 0.55, 0.3), (0.6, 0.6, 0.6))


class Canvas:
    """Shapes painted one over the other, with smooth edges. A shape says how far outside of it each near pixel lies."""

    def __init__(self, width: float, rng: np.random.Generator) -> None:
        columns = round(width * HEIGHT_PX)
        self.x = (np.arange(columns, dtype=np.float32)[None, :] + 0.5) / HEIGHT_PX
        self.y = (np.arange(HEIGHT_PX, dtype=np.float32)[:, None] + 0.5) / HEIGHT_PX
        self.rgb = np.zeros((HEIGHT_PX, columns, 3), np.float32)
        self.alpha = np.zeros((HEIGHT_PX, columns, 1), np.float32)
        rows, across = np.arange(HEIGHT_PX) % TILE, np.arange(columns) % TILE
        self.grain = 1 + 0.035 * build_noise_tile(rng, slope=0.7)[np.ix_(rows, across)][..., None]

    def draw_box(self, left: float, top: float, right: float, bottom: float, radius: float = 0.01) -> Shape:
        window = _window((left, right), (top, bottom))
        x, y = self.x[:, window[1]], self.y[window[0]]
        across = np.abs(x - (left + right) / 2) - (right - left) / 2 + radius
        down = np.abs(y - (top + bottom) / 2) - (bottom - top) / 2 + radius
        return window, np.hypot(across.clip(0), down.clip(0)) + np.maximum(across, down).clip(max=0) - radius

    def draw_disc(self, centre: Place, radius: float) -> Shape:
        window = _window((centre[0],), (centre[1],), radius)
        return window, np.hypot(self.x[:, window[1]] - centre[0], self.y[window[0]] - centre[1]) - radius

    def draw_limb(self, start: Place, end: Place, radius: float, end_radius: float | None = None) -> Shape:
        """Draw a stroke with round ends, whose thickness may change on its way."""
        end_radius = radius if end_radius is None else end_radius
        window = _window((start[0], end[0]), (start[1], end[1]), max(radius, end_radius))
        x, y = self.x[:, window[1]] - start[0], self.y[window[0]] - start[1]
        dx, dy = end[0] - start[0], end[1] - start[1]
        way = ((x * dx + y * dy) / (dx * dx + dy * dy)).clip(0, 1)
        return window, np.hypot(x - way * dx, y - way * dy) - (radius + way * (end_radius - radius))

    def paint(self, colour: Colour, *shapes: Shape) -> None:
        """Paint all of the shapes, grown together."""
        outside = np.full(self.alpha.shape[:2], np.inf, np.float32)
        for window, beyond in shapes:
            outside[window] = np.minimum(outside[window], beyond)
        touched = outside < 0.5 / HEIGHT_PX
        depth = -outside[touched][:, None]
        cover = (0.5 + depth * HEIGHT_PX).clip(0, 1)
        relief = 0.72 + 0.28 * np.sqrt((depth / BEVEL).clip(0, 1))
        self.rgb[touched] += cover * (np.array(colour, np.float32) * relief * self.grain[touched] - self.rgb[touched])
        self.alpha[touched] += cover * (1 - self.alpha[touched])

    def to_rgba(self) -> UInt8[np.ndarray, "height width 4"]:
        return np.asarray((np.concatenate([self.rgb, self.alpha], axis=2).clip(0, 1) * 255).round(), dtype=np.uint8)


def _window(across: tuple[float, ...], down: tuple[float, ...], radius: float = 0.0) -> Window:
    """Rows and columns that a shape may touch."""
    (top, bottom), (left, right) = (
        (
            max(math.floor((min(reach) - radius) * HEIGHT_PX) - 1, 0),
            max(math.ceil((max(reach) + radius) * HEIGHT_PX) + 1, 0),
        )
        for reach in (down, across)
    )
    return slice(top, bottom), slice(left, right)


def draw_object(kind: str, seed: int) -> Cutout:
    """Draw a cut-out of one of `KINDS`, always the same for the same seed."""
    return KINDS[kind](np.random.default_rng(seed)).trim()


def _thing(canvas: Canvas, phrase: str, height_m: float, point: Place) -> Cutout:
    return Cutout(canvas.to_rgba(), phrase, height_m, {POINT: (point[0] * HEIGHT_PX, point[1] * HEIGHT_PX)})


def _telephone(rng: np.random.Generator) -> Cutout:
    """An old one: a sloping body with a dial, and the receiver across it."""
    canvas, colour = Canvas(1.2, rng), _bright(rng)
    slopes = [canvas.draw_limb((0.6 + side * 0.12, 0.45), (0.6 + side * 0.37, 0.85), 0.12) for side in (-1, 1)]
    body = canvas.draw_limb((0.6, 0.45), (0.6, 0.78), 0.18, 0.22)
    canvas.paint(colour, body, canvas.draw_limb((0.25, 0.9), (0.95, 0.9), 0.1), *slopes)
    canvas.paint(WHITE, canvas.draw_disc((0.6, 0.66), 0.19))
    ring = [(0.6 + 0.14 * np.sin(angle), 0.66 - 0.14 * np.cos(angle)) for angle in np.linspace(0.6, 5.7, 10)]
    canvas.paint(DARK, *(canvas.draw_disc(hole, 0.026) for hole in ring))
    canvas.paint(colour, canvas.draw_disc((0.6, 0.66), 0.07))
    ends = [canvas.draw_limb((0.6 + side * 0.47, 0.24), (0.6 + side * 0.44, 0.36), 0.1, 0.11) for side in (-1, 1)]
    canvas.paint(colour, canvas.draw_limb((0.15, 0.2), (1.05, 0.2), 0.075), *ends)
    return _thing(canvas, "telephone", float(rng.uniform(0.16, 0.24)), (0.6, 0.66))


def _draw_door(rng: np.random.Generator) -> Cutout:
    canvas, colour = Canvas(0.46, rng), _choice(rng, WOODS)
    canvas.paint(_choice(rng, (WHITE, WOODS[2])), canvas.draw_box(0.0, 0.0, 0.46, 1.0, 0.0))
    canvas.paint(colour, canvas.draw_box(0.03, 0.03, 0.43, 1.0, 0.0))
    rows = int(rng.integers(1, 4))
    edges = [(0.08 + 0.88 * row / rows, 0.04 + 0.88 * (row + 1) / rows) for row in range(rows)]
    canvas.paint(_darker(colour), *(canvas.draw_box(0.08, top, 0.38, bottom) for top, bottom in edges))
    canvas.paint(STEEL, canvas.draw_limb((0.395, 0.52), (0.345, 0.52), 0.008))
    return _thing(canvas, "door", float(rng.uniform(1.95, 2.15)), (0.38, 0.52))


def _tap(rng: np.random.Generator) -> Cutout:
    canvas, colour = Canvas(1.0, rng), _choice(rng, (STEEL, STEEL, BRASS))
    canvas.paint((0.75, 0.85, 0.95), canvas.draw_limb((0.17, 0.4), (0.17, 0.98), 0.018, 0.03))
    canvas.paint(
        colour,
        canvas.draw_box(0.5, 0.88, 0.95, 1.0, 0.03),
        canvas.draw_limb((0.72, 0.9), (0.72, 0.25), 0.08, 0.065),
        canvas.draw_limb((0.72, 0.2), (0.25, 0.2), 0.065),
        canvas.draw_limb((0.2, 0.22), (0.17, 0.42), 0.065, 0.055),
        canvas.draw_limb((0.72, 0.17), (0.72, 0.08), 0.05),
        canvas.draw_limb((0.55, 0.06), (0.9, 0.06), 0.045),
    )
    return _thing(canvas, "water tap", float(rng.uniform(0.25, 0.35)), (0.17, 0.46))


def _guitar(rng: np.random.Generator) -> Cutout:
    canvas, colour = Canvas(0.42, rng), _choice(rng, (*WOODS[:3], _bright(rng)))
    canvas.paint(WOODS[2], canvas.draw_limb((0.21, 0.08), (0.21, 0.6), 0.025), canvas.draw_box(0.165, 0.0, 0.255, 0.12))
    waist = canvas.draw_limb((0.21, 0.62), (0.21, 0.78), 0.13, 0.15)
    canvas.paint(colour, canvas.draw_disc((0.21, 0.8), 0.2), canvas.draw_disc((0.21, 0.6), 0.145), waist)
    bridge = canvas.draw_box(0.14, 0.855, 0.28, 0.88)
    canvas.paint(DARK, canvas.draw_box(0.19, 0.15, 0.23, 0.68, 0.0), canvas.draw_disc((0.21, 0.69), 0.06), bridge)
    strings = [canvas.draw_limb((x, 0.03), (x, 0.87), 0.002) for x in np.linspace(0.198, 0.222, 4)]
    canvas.paint(STEEL, *strings)
    return _thing(canvas, "guitar", float(rng.uniform(0.95, 1.1)), (0.21, 0.69))


def _bell(rng: np.random.Generator) -> Cutout:
    canvas, colour = Canvas(0.7, rng), _choice(rng, (BRASS, STEEL, (0.7, 0.45, 0.25)))
    canvas.paint(_choice(rng, WOODS), canvas.draw_limb((0.35, 0.05), (0.35, 0.4), 0.05, 0.06))
    canvas.paint(DARK, canvas.draw_disc((0.35, 0.92), 0.07))
    flanks = [canvas.draw_limb((0.35 + side * 0.06, 0.55), (0.35 + side * 0.2, 0.86), 0.1, 0.08) for side in (-1, 1)]
    dome = canvas.draw_limb((0.35, 0.48), (0.35, 0.75), 0.13, 0.17)
    canvas.paint(colour, dome, canvas.draw_limb((0.06, 0.88), (0.64, 0.88), 0.05), *flanks)
    return _thing(canvas, "bell", float(rng.uniform(0.15, 0.3)), (0.35, 0.72))


def _loudspeaker(rng: np.random.Generator) -> Cutout:
    canvas, colour = Canvas(0.6, rng), _choice(rng, (DARK, *WOODS))
    canvas.paint(colour, canvas.draw_box(0.0, 0.0, 0.6, 1.0, 0.02))
    cones = (((0.3, 0.25), 0.12), ((0.3, 0.67), 0.24))
    for share, tone in ((1.0, STEEL), (0.9, (0.2, 0.2, 0.21)), (0.35, DARK)):
        canvas.paint(tone, *(canvas.draw_disc(centre, share * radius) for centre, radius in cones))
    return _thing(canvas, "loudspeaker", float(rng.uniform(0.35, 0.9)), (0.3, 0.6))


def _appliance(rng: np.random.Generator) -> Cutout:
    canvas, colour = Canvas(0.72, rng), _choice(rng, (WHITE, WHITE, STEEL, (0.3, 0.31, 0.33)))
    canvas.paint(colour, canvas.draw_box(0.0, 0.0, 0.72, 1.0, 0.02))
    canvas.paint(_darker(colour), canvas.draw_box(0.03, 0.03, 0.69, 0.17))
    canvas.paint(DARK, canvas.draw_box(0.07, 0.07, 0.24, 0.13), canvas.draw_disc((0.58, 0.1), 0.045))
    for radius, tone in ((0.29, STEEL), (0.23, (0.25, 0.28, 0.33)), (0.12, (0.4, 0.45, 0.52))):
        canvas.paint(tone, canvas.draw_disc((0.36, 0.58), radius))
    return _thing(canvas, "washing machine", float(rng.uniform(0.8, 0.9)), (0.36, 0.58))


def _table(rng: np.random.Generator) -> Cutout:
    canvas, width, colour = _begin_furniture(rng)
    for x in (0.06, width - 0.06):
        canvas.paint(_darker(colour), canvas.draw_box(x - 0.035, 0.1, x + 0.035, 1.0, 0.0))
    canvas.paint(_darker(_darker(colour)), canvas.draw_box(0.03, 0.12, width - 0.03, 0.24, 0.0))
    return _furniture(canvas, width, colour)


def _counter(rng: np.random.Generator) -> Cutout:
    """A counter or a chest, with doors."""
    canvas, width, colour = _begin_furniture(rng)
    canvas.paint(_darker(colour), canvas.draw_box(0.02, 0.08, width - 0.02, 1.0, 0.0))
    edges = np.linspace(0.05, width - 0.05, int(rng.integers(3, 6))).tolist()
    for left, right in itertools.pairwise(edges):
        middle = (left + right) / 2
        canvas.paint(_darker(colour), canvas.draw_box(left + 0.015, 0.17, right - 0.015, 0.95, 0.01))
        canvas.paint(STEEL, canvas.draw_box(middle - 0.06, 0.23, middle + 0.06, 0.245, 0.0))
    return _furniture(canvas, width, colour)


def _sofa(rng: np.random.Generator) -> Cutout:
    """The back of a sofa."""
    canvas, width, colour = _begin_furniture(rng)
    canvas.paint(colour, canvas.draw_box(0.0, 0.0, width, 1.0, 0.09))
    for seam in (width / 3, 2 * width / 3):
        canvas.paint(_darker(_darker(colour)), canvas.draw_box(seam, 0.1, seam + 0.012, 1.0, 0.0))
    return _thing(canvas, "sofa", 0.75, (width / 2, 0.0))


def measure_furniture(seed: int) -> float:
    """Measure how wide a drawn piece of furniture is, as a multiple of its height, without drawing it."""
    return _draw_width(np.random.default_rng(seed))


def _draw_width(rng: np.random.Generator) -> float:
    return float(rng.uniform(1.6, 3.0))


def _begin_furniture(rng: np.random.Generator) -> tuple[Canvas, float, Colour]:
    width = _draw_width(rng)
    return Canvas(width, rng), width, _choice(rng, (*WOODS, WHITE, (0.35, 0.36, 0.38), _dull(rng)))


def _furniture(canvas: Canvas, width: float, colour: Colour) -> Cutout:
    """What people sit behind and things stand on, with its top; the upper edge is at the place of the figure."""
    canvas.paint(_lighter(colour), canvas.draw_box(0.0, 0.0, width, 0.09, 0.005))
    canvas.paint(_darker(colour), canvas.draw_box(0.0, 0.09, width, 0.13, 0.0))
    return _thing(canvas, "table", 0.75, (width / 2, 0.0))


def _person(rng: np.random.Generator) -> Cutout:
    """Someone who stands facing the camera; his left is at the right of the picture."""
    points = _skeleton(rng)
    canvas, skin, hair = Canvas(0.7, rng), _choice(rng, SKINS), _choice(rng, HAIRS)
    shirt, trousers = _bright(rng), _choice(rng, (DARK, (0.2, 0.25, 0.4), _bright(rng)))
    if rng.random() < 0.5:
        canvas.paint(hair, canvas.draw_limb((0.35, 0.08), (0.35, 0.19), 0.065, 0.08))
    ankles = points[15:17]
    canvas.paint(DARK, *(canvas.draw_limb((x, y), (1.4 * x - 0.4 * 0.35, 0.978), 0.02) for x, y in ankles))
    canvas.paint(trousers, *_pair(canvas, points, 11, 0.06, 0.045), *_pair(canvas, points, 13, 0.045, 0.03))
    canvas.paint(skin, canvas.draw_limb((0.35, 0.12), (0.35, 0.2), 0.03))
    canvas.paint(
        shirt, canvas.draw_limb((0.35, 0.24), (0.35, 0.46), 0.095, 0.085), canvas.draw_limb(points[6], points[5], 0.035)
    )
    canvas.paint(shirt, *_pair(canvas, points, 5, 0.038, 0.03), *_pair(canvas, points, 7, 0.03, 0.022))
    canvas.paint(skin, *(canvas.draw_disc(wrist, 0.026) for wrist in points[9:11]))
    canvas.paint(skin, canvas.draw_limb((0.35, 0.068), (0.35, 0.095), 0.055, 0.048))
    canvas.paint(hair, canvas.draw_limb((0.315, 0.035), (0.385, 0.035), 0.032))
    canvas.paint(DARK, *(canvas.draw_disc(eye, 0.008) for eye in points[1:3]))
    canvas.paint((0.7, 0.3, 0.3), canvas.draw_limb((0.335, DRAWN_MOUTH[1]), (0.365, DRAWN_MOUTH[1]), 0.005))
    return _drawn_person(canvas, points)


def _pair(canvas: Canvas, points: list[Place], joint: int, radius: float, end_radius: float) -> list[Shape]:
    """Left and right: from a joint to the next one of its side."""
    return [canvas.draw_limb(points[joint + side], points[joint + side + 2], radius, end_radius) for side in (0, 1)]


def _skeleton(rng: np.random.Generator) -> list[Place]:
    """The COCO-17 points of someone who stands, the arms held as they please."""
    head = [(0.35, 0.092), (0.37, 0.075), (0.33, 0.075), (0.405, 0.08), (0.295, 0.08)]
    elbows, wrists = [], []
    for side, shoulder in ((1, 0.45), (-1, 0.25)):
        upper, lower = rng.uniform(0.05, 0.6), rng.uniform(-2.4, 0.6)
        elbow = (shoulder + side * 0.165 * np.sin(upper), 0.21 + 0.165 * np.cos(upper))
        elbows.append(elbow)
        wrists.append((elbow[0] + side * 0.135 * np.sin(upper + lower), elbow[1] + 0.135 * np.cos(upper + lower)))
    apart = rng.uniform(0.05, 0.09)
    widths = ((0.5, 0.055), (0.73, (0.055 + apart) / 2), (0.94, apart))
    legs = [(0.35 + side * width, y) for y, width in widths for side in (1, -1)]
    return [*head, (0.45, 0.21), (0.25, 0.21), *elbows, *wrists, *legs]


def _drawn_person(canvas: Canvas, points: list[Place]) -> Cutout:
    keypoints = np.array([(*point, 1.0) for point in points]) * (HEIGHT_PX, HEIGHT_PX, 1)
    middle = {HANDS: keypoints[9:11, :2].mean(axis=0), FEET: keypoints[15:17, :2].mean(axis=0)}
    middle |= {kind: np.array(DRAWN_MOUTH) * HEIGHT_PX for kind in (MOUTH, POINT)}
    places = {kind: (float(place[0]), float(place[1])) for kind, place in middle.items()}
    return Cutout(canvas.to_rgba(), PERSON, 1.7, places, keypoints)


def _choice(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[rng.integers(len(colours))]


def _darker(colour: Colour) -> Colour:
    red, green, blue = colour
    return (0.82 * red, 0.82 * green, 0.82 * blue)


def _lighter(colour: Colour) -> Colour:
    red, green, blue = (min(1.0, 1.3 * part + 0.04) for part in colour)
    return (red, green, blue)


def _dull(rng: np.random.Generator) -> Colour:
    red, green, blue = np.full(3, rng.uniform(0.2, 0.7)) + rng.uniform(-0.1, 0.1, 3)
    return (float(red), float(green), float(blue))


def _bright(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.uniform(0.1, 0.9, 3)
    return (float(red), float(green), float(blue))


KINDS: dict[str, Callable[[np.random.Generator], Cutout]] = {
    "person": _person,
    "telephone": _telephone,
    "door": _draw_door,
    "tap": _tap,
    "guitar": _guitar,
    "bell": _bell,
    "loudspeaker": _loudspeaker,
    "appliance": _appliance,
    "table": _table,
    "counter": _counter,
    "sofa": _sofa,
}
