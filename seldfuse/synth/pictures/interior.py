"""A furnished room drawn by looking along a ray for each pixel, until it meets a wall or a piece of furniture."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from seldfuse.core.geometry import Camera
from seldfuse.synth.pictures.texture import build_noise_tile, sample_tile
from seldfuse.synth.scene import Room

Values = Float[np.ndarray, "pixel"]
Colours = Float[np.ndarray, "pixel 3"]
One = Float[np.ndarray, "3"]
Tile = Float32[np.ndarray, "256 256"]
Colour = tuple[float, float, float]

WALL_COLOURS: tuple[Colour, ...] = (
    (0.86, 0.84, 0.79), (0.74, 0.79, 0.82), (0.8, 0.74, 0.63), (0.69, 0.74, 0.66),
    (0.78, 0.68, 0.65), (0.9, 0.9, 0.9), (0.55, 0.6, 0.66), (0.62, 0.5, 0.42),
)  # fmt: skip
WOOD_COLOURS: tuple[Colour, ...] = ((0.5, 0.34, 0.2), (0.62, 0.46, 0.3), (0.34, 0.22, 0.14), (0.72, 0.6, 0.44))
AWAY_M = 0.9
"""Furniture keeps this far from the microphone."""


@dataclass(frozen=True)
class Surface:
    """Points of one wall, in metres along it, and how many metres a pixel covers there."""

    across: Values
    up: Values
    pixel_m: Values
    width_m: float
    height_m: float

    def contains(self, left: float, bottom: float, width: float, height: float) -> Bool[np.ndarray, "pixel"]:
        across, up = np.abs(self.across - left - width / 2), np.abs(self.up - bottom - height / 2)
        return np.asarray((across < width / 2) & (up < height / 2))


Paint = Callable[[Surface, np.random.Generator], Colours]


def draw_interior(room: Room, camera: Camera, rng: np.random.Generator) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the room as seen from its microphone, level, `room.yaw_deg + camera.yaw_deg` to the left of its x axis."""
    rays = _rays(camera, room.yaw_deg)
    origin, size = (np.array(place, np.float32)[:, None] for place in (room.microphone_m, room.size_m))
    with np.errstate(divide="ignore"):
        reach = np.where(rays > 0, size - origin, origin) / np.abs(rays)
    away, axis = reach.min(axis=0), reach.argmin(axis=0)
    face = 2 * axis + (np.take_along_axis(rays, axis[None], axis=0)[0] > 0)
    hit = origin + away * rays

    colours = np.zeros((len(away), 3), np.float32)
    tile = build_noise_tile(rng)
    for number, paint in enumerate(_paints(rng, tile)):
        seen = face == number
        # Drawn in any case, so that a wall looks the same from wherever it is seen.
        child = np.random.default_rng(rng.integers(2**32))
        if seen.any():
            at = hit[:, seen]
            surface = _surface(at, number // 2, size, away[seen] / camera.focal_px)
            colours[seen] = paint(surface, child) * _light(at, number // 2, size)[:, None]
    for block in _furniture(size[:, 0], origin[:, 0], rng):
        _put(colours, away, rays, origin, block, tile)
    tint = np.array([1.0, rng.uniform(0.92, 1.0), rng.uniform(0.8, 1.05)]) * rng.uniform(0.9, 1.3)
    picture = (colours * tint.astype(np.float32)).clip(0, 1) * 255
    return np.asarray(picture.round().astype(np.uint8).reshape(camera.height_px, camera.width_px, 3))


def _rays(camera: Camera, yaw_deg: float) -> Float[np.ndarray, "3 pixel"]:
    """A direction for each pixel in the room's axes, one metre long along the camera's axis."""
    left = (camera.width_px / 2 - np.arange(camera.width_px) - 0.5) / camera.focal_px
    up = (camera.height_px / 2 - np.arange(camera.height_px) - 0.5) / camera.focal_px
    left, up = (grid.reshape(-1) for grid in np.meshgrid(left, up))
    turn = math.radians(yaw_deg + camera.yaw_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    return np.stack([cos - sin * left, sin + cos * left, up]).astype(np.float32)


def _surface(hit: Float[np.ndarray, "3 pixel"], axis: int, size: Float[np.ndarray, "3 1"], pixel_m: Values) -> Surface:
    across, up = ((1, 2), (0, 2), (0, 1))[axis]
    return Surface(hit[across], hit[up], pixel_m, float(size[across, 0]), float(size[up, 0]))


def _light(hit: Float[np.ndarray, "3 pixel"], axis: int, size: Float[np.ndarray, "3 1"]) -> Values:
    """A lamp below the middle of the ceiling, light from everywhere, and less of it near the edges."""
    way = size * np.array([[0.5], [0.5], [0.85]], np.float32) - hit
    square = (way**2).sum(axis=0)
    along = [other for other in range(3) if other != axis]
    near_edge = np.minimum(hit, size - hit)[along].min(axis=0)
    lamp = np.abs(way[axis]) / np.sqrt(square) / (1 + square / 20)
    return np.asarray((0.5 + 0.65 * lamp) * (1 - 0.3 * np.exp(-near_edge / 0.25)))


def _paints(rng: np.random.Generator, tile: Tile) -> list[Paint]:
    """What is on the six walls, x = 0, x = length, y = 0, y = width, floor, ceiling."""
    colour, accent = np.array(WALL_COLOURS, np.float32)[rng.choice(len(WALL_COLOURS), 2, replace=False)]
    style = (_plaster, _stripes, _bricks, _panels)[rng.integers(4)]
    special = int(rng.integers(8))
    walls = [_wall(style, accent if number == special else colour, tile) for number in range(4)]
    wood = _wood(rng)
    floor = (_planks(wood, tile), _tiles(accent, tile), _carpet(0.6 * accent, tile))[rng.integers(3)]
    return [*walls, floor, _ceiling(tile)]


def _wall(style: Callable[..., Colours], colour: One, tile: Tile) -> Paint:
    def paint(at: Surface, rng: np.random.Generator) -> Colours:
        colours = style(at, colour, tile, rng)
        colours[at.up < 0.09] = 0.9
        hang = (_window, _window, _poster, _poster, _books, None)[rng.integers(6)]
        if hang is not None:
            hang(at, colours, tile, rng)
        return colours

    return paint


def _wood(rng: np.random.Generator) -> One:
    return np.array(WOOD_COLOURS[rng.integers(len(WOOD_COLOURS))], np.float32)


def _add_grain(colour: One, grain: Values, amount: float) -> Colours:
    return np.asarray(colour * (1 + amount * grain[:, None]))


def _seams(at: Values, period: float, width: float, pixel_m: Values) -> Values:
    """How much of each pixel is covered by lines `period` metres apart."""
    blur = np.maximum(pixel_m, width)
    away = np.abs((at + period / 2) % period - period / 2)
    return np.asarray((0.5 + (width / 2 - away) / blur).clip(0, 1) * width / np.maximum(blur, width))


def _plaster(at: Surface, colour: One, tile: Tile, rng: np.random.Generator) -> Colours:
    shift = rng.uniform(0, 256)
    return _add_grain(colour, sample_tile(tile, at.across * 40 + shift, at.up * 40), 0.025)


def _stripes(at: Surface, colour: One, tile: Tile, rng: np.random.Generator) -> Colours:
    period = rng.uniform(0.12, 0.5)
    band = np.sin(2 * np.pi * at.across / period) / (1 + (at.pixel_m / period * 4) ** 2)
    return _plaster(at, colour, tile, rng) * (1 + 0.07 * band[:, None])


def _bricks(at: Surface, colour: One, tile: Tile, rng: np.random.Generator) -> Colours:
    height, length = 0.09, 0.28
    row = np.floor(at.up / height)
    shifted = at.across + (row % 2) * length / 2 + rng.uniform(0, length)
    tint = sample_tile(tile, np.floor(shifted / length) * 37, row * 11)
    colours = _add_grain(colour * np.array((0.9, 0.75, 0.7), np.float32), tint, 0.06)
    mortar = np.maximum(_seams(shifted, length, 0.012, at.pixel_m), _seams(at.up, height, 0.012, at.pixel_m))
    return np.asarray(colours + mortar[:, None] * (0.75 * colour - colours))


def _panels(at: Surface, colour: One, tile: Tile, rng: np.random.Generator) -> Colours:
    """Wood up to the hip, plaster above."""
    colours = _plaster(at, colour, tile, rng)
    wood = _wood(rng)
    low = at.up < 1.0
    grain = sample_tile(tile, at.across[low] * 90, at.up[low] * 9)
    seams = _seams(at.across[low], 0.3, 0.015, at.pixel_m[low])
    colours[low] = _add_grain(wood, grain, 0.1) * (1 - 0.5 * seams[:, None])
    return colours


def _planks(wood: One, tile: Tile) -> Paint:
    def paint(at: Surface, rng: np.random.Generator) -> Colours:
        width, length = rng.uniform(0.08, 0.2), rng.uniform(0.8, 1.6)
        row = np.floor(at.up / width)
        shifted = at.across + sample_tile(tile, row * 7, row * 0) * length
        tint = sample_tile(tile, np.floor(shifted / length) * 31, row * 17)
        grain = sample_tile(tile, shifted * 12, at.up * 110) / (1 + (at.pixel_m * 60) ** 2)
        seams = np.maximum(_seams(at.up, width, 0.005, at.pixel_m), _seams(shifted, length, 0.005, at.pixel_m))
        return _rug(at, _add_grain(wood, tint + grain, 0.08) * (1 - 0.6 * seams[:, None]), tile, rng)

    return paint


def _tiles(colour: One, tile: Tile) -> Paint:
    def paint(at: Surface, rng: np.random.Generator) -> Colours:
        side, checked = rng.uniform(0.2, 0.6), rng.random() < 0.5
        column, row = np.floor(at.across / side), np.floor(at.up / side)
        tint = sample_tile(tile, column * 31, row * 17) * 0.04 + checked * 0.12 * (2 * ((column + row) % 2) - 1)
        contrast = 1 / (1 + (at.pixel_m / side * 3) ** 2)
        seams = np.maximum(_seams(at.across, side, 0.008, at.pixel_m), _seams(at.up, side, 0.008, at.pixel_m))
        return np.asarray(_add_grain(0.9 * colour, tint * contrast, 1.0) * (1 - 0.4 * seams[:, None]))

    return paint


def _carpet(colour: One, tile: Tile) -> Paint:
    def paint(at: Surface, rng: np.random.Generator) -> Colours:
        fine = sample_tile(tile, at.across * 150, at.up * 150) / (1 + (at.pixel_m * 80) ** 2)
        return _add_grain(colour, fine + sample_tile(tile, at.across * 20, at.up * 20 + rng.uniform(0, 256)), 0.06)

    return paint


def _rug(at: Surface, colours: Colours, tile: Tile, rng: np.random.Generator) -> Colours:
    if rng.random() < 0.5:
        return colours
    width, depth = rng.uniform(0.3, 0.6) * at.width_m, rng.uniform(0.3, 0.6) * at.height_m
    left, bottom = rng.uniform(0, at.width_m - width), rng.uniform(0, at.height_m - depth)
    for inset, colour in zip((0.0, 0.12, 0.2), rng.uniform(0.2, 0.8, (3, 3)), strict=True):
        inside = at.contains(left + inset, bottom + inset, width - 2 * inset, depth - 2 * inset)
        colours[inside] = _add_grain(colour, sample_tile(tile, at.across[inside] * 80, at.up[inside] * 80), 0.05)
    return colours


def _ceiling(tile: Tile) -> Paint:
    def paint(at: Surface, rng: np.random.Generator) -> Colours:
        colours = _add_grain(np.array((0.93, 0.93, 0.91)), sample_tile(tile, at.across * 30, at.up * 30), 0.015)
        side = 0.6
        if rng.random() < 0.5:
            return colours
        seams = np.maximum(_seams(at.across, side, 0.015, at.pixel_m), _seams(at.up, side, 0.015, at.pixel_m))
        lamps = (np.floor(at.across / side) % 3 == 1) & (np.floor(at.up / side) % 4 == 1)
        return np.asarray(colours * (1 - 0.25 * seams[:, None]) + 0.7 * lamps[:, None])

    return paint


def _window(at: Surface, colours: Colours, tile: Tile, rng: np.random.Generator) -> None:
    """Sky above trees, behind a frame with bars."""
    width, height = rng.uniform(0.9, min(2.4, 0.7 * at.width_m)), rng.uniform(1.0, 1.4)
    left, bottom = rng.uniform(0.1, at.width_m - width - 0.1), rng.uniform(0.7, 0.95)
    panes = rng.integers(1, 4)
    frame = at.contains(left - 0.07, bottom - 0.07, width + 0.14, height + 0.14)
    colours[frame] = 0.95
    glass = at.contains(left, bottom, width, height)
    across, up, pixel_m = at.across[glass], (at.up[glass] - bottom) / height, at.pixel_m[glass]
    sky = (
        np.array((0.72, 0.85, 1.0))
        + (0.5 - up[:, None]) * 0.3
        + 0.05 * sample_tile(tile, across * 15, up * 15)[:, None]
    )
    trees = up < 0.35 + 0.12 * sample_tile(tile, across * 12, across * 0)
    sky[trees] = _add_grain(np.array((0.3, 0.45, 0.25)), sample_tile(tile, across[trees] * 60, up[trees] * 60), 0.2)
    bars = _seams(across - left, width / panes, 0.05, pixel_m)[:, None]
    # Daylight is brighter than the lamp.
    colours[glass] = 1.5 * (sky + bars * (0.62 - sky))


def _poster(at: Surface, colours: Colours, tile: Tile, rng: np.random.Generator) -> None:
    """One to three pictures in frames, each a few blots of paint."""
    for _ in range(rng.integers(1, 4)):
        width, height = rng.uniform(0.3, 1.1), rng.uniform(0.4, 0.9)
        left, bottom = rng.uniform(0.1, max(at.width_m - width - 0.1, 0.2)), rng.uniform(1.1, 1.5)
        colours[at.contains(left - 0.03, bottom - 0.03, width + 0.06, height + 0.06)] = rng.choice([0.1, 0.35, 0.9])
        inside = at.contains(left, bottom, width, height)
        zoom, shift = rng.uniform(8, 40), rng.uniform(0, 256, 2)
        blots = sample_tile(tile, at.across[inside] * zoom + shift[0], at.up[inside] * zoom + shift[1])
        inks = rng.uniform(0.1, 1.0, (4, 3))
        colours[inside] = inks[np.digitize(blots, (-0.7, 0.0, 0.7))]


def _books(at: Surface, colours: Colours, tile: Tile, rng: np.random.Generator) -> None:
    width, shelf = rng.uniform(0.8, 2.0), 0.34
    left, shelves = rng.uniform(0.1, max(at.width_m - width - 0.1, 0.2)), rng.integers(3, 7)
    inside = at.contains(left, 0.0, width, shelves * shelf)
    across, up, pixel_m = at.across[inside], at.up[inside], at.pixel_m[inside]
    row, book = np.floor(up / shelf), np.floor(across / 0.045)
    inks = rng.uniform(0.1, 0.8, (64, 3))
    spines = inks[(book * 7 + row * 29).astype(int) % 64]
    tall = 0.25 + 0.04 * np.clip(sample_tile(tile, book * 13, row * 5), -1, 1.5)
    spines[up - row * shelf > tall] = 0.08
    wood = _wood(rng)
    seams = np.maximum(_seams(up, shelf, 0.03, pixel_m), _seams(across - left, width, 0.05, pixel_m))[:, None]
    colours[inside] = spines + seams * (wood - spines)


Block = tuple[One, One, One]
"""Two opposite corners, and a colour."""


def _furniture(size: One, microphone: One, rng: np.random.Generator) -> list[Block]:
    """Cupboards and sofas along the walls, so that whoever stands in the room stands before them."""
    blocks: list[Block] = []
    for _ in range(rng.integers(1, 5)):
        axis, far = int(rng.integers(2)), bool(rng.integers(2))
        width, depth, height = rng.uniform(0.5, 1.6), rng.uniform(0.3, 0.5), rng.uniform(0.5, 1.9)
        colour = _wood(rng) * rng.uniform(0.8, 1.3)
        start = rng.uniform(0.05, max(size[1 - axis] - width, 0.1))
        parts = [(depth, height)] if rng.random() < 0.6 else [(0.85, 0.42), (0.25, 0.85)]
        if len(parts) == 2:
            width, colour = 1.4 * width, rng.uniform(0.15, 0.7, 3)
        for deep, tall in parts:
            low, high = np.zeros(3), np.array([0.0, 0.0, tall])
            low[axis], high[axis] = (size[axis] - deep, size[axis]) if far else (0.0, deep)
            low[1 - axis], high[1 - axis] = start, start + width
            nearest = np.clip(microphone, low, high)
            if np.linalg.norm((nearest - microphone)[:2]) > AWAY_M:
                blocks.append((low, high, colour))
    return blocks


def _put(
    colours: Float[np.ndarray, "pixel 3"],
    away: Values,
    rays: Float[np.ndarray, "3 pixel"],
    origin: Float[np.ndarray, "3 1"],
    block: Block,
    tile: Tile,
) -> None:
    """Paints a block over what lies behind it, and shortens the rays that it stops."""
    low, high, colour = block
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low[:, None] - origin) / rays, (high[:, None] - origin) / rays
    enter, leave = np.minimum(one, other), np.maximum(one, other).min(axis=0)
    start = enter.max(axis=0)
    hit = (start < leave) & (start > 0) & (start < away)
    side = enter[:, hit].argmax(axis=0)
    x, y, z = origin + start[hit] * rays[:, hit]
    grain = sample_tile(tile, np.where(side == 0, y, x) * 90, z * 12 + y * 5)
    shade = np.array((0.75, 0.9, 1.1))[side] * (0.55 + 0.25 * (z / 0.3).clip(0, 1))
    colours[hit] = _add_grain(colour, grain, 0.06) * shade[:, None]
    away[hit] = start[hit]
