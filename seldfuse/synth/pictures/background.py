"""What stands behind the figures: a room seen from the microphone, drawn or from a picture of the user's."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8

from seldfuse.core.geometry import Camera
from seldfuse.errors import MediaError, UsageError
from seldfuse.storage.walk import list_files
from seldfuse.synth.pictures.cutouts import RESTRICTED
from seldfuse.synth.pictures.interior import draw_interior
from seldfuse.synth.pictures.still import SUFFIXES, check_still, read_still
from seldfuse.synth.scene import MeasuredRoom, PictureLook, Room, ScenePlan
from seldfuse.synth.sounds.layouts import SIDES, Side

TABLE = "backgrounds.json"
"""May list the pictures of a folder, with `file` each; `side` and `licence` are those of cut-outs."""

DRAWN_SHARE = 0.15
"""How often a drawn room takes the place of a picture in scenes to train on."""

PLAIN = PictureLook()

DRAWN = "room"
SEEDS = 2**31
PANORAMA_COLUMNS = 4096
"""Wider panoramas are made smaller: a picture of the challenge shows them at 1,700 columns."""


@dataclass(frozen=True)
class BackgroundSet:
    """Backgrounds by key: the path of a picture inside `folder`, or `room:<seed>`, a room drawn anew.

    `files` are the keys of all pictures, `chosen` of those that are drawn. `drawn_share` is how often a room is drawn
    where there are pictures.
    """

    folder: Path | None = None
    files: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    drawn_share: float = 0.0

    def draw(self, rng: np.random.Generator) -> str:
        """Draw the key of one of the pictures, of a drawn room where there are none."""
        if self.chosen and (self.drawn_share == 0.0 or rng.random() >= self.drawn_share):
            return self.chosen[rng.integers(len(self.chosen))]
        return f"{DRAWN}:{rng.integers(SEEDS)}"

    def read_picture(self, key: str, scene: ScenePlan, camera: Camera) -> UInt8[np.ndarray, "height width 3"]:
        """Read the background as the camera sees it; takes tens of milliseconds, so store it.

        A picture twice as wide as high is a panorama (equirectangular, its middle where the room's x axis points),
        which is turned with the scene; any other one is cut to fill. Raises UsageError for an unknown key, MediaError.
        """
        kind, _, seed = key.partition(":")
        if kind == DRAWN and seed.isdecimal():
            return draw_interior(estimate_room(key, scene.room), camera, np.random.default_rng(int(seed)))
        if self.folder is None or key not in self.files:
            raise UsageError(
                f"expected a background of the folder or 'room:SEED', got {key!r}; "
                "give the folder that the scene was planned with"
            )
        picture = read_still(self.folder / key)
        look = (scene.view and scene.view.look) or PLAIN
        if picture.width == 2 * picture.height:
            seen = _looked_into(picture, camera, scene.room.yaw_deg if scene.room else 0.0)
        else:
            seen = _filling(picture, camera, look)
        return np.ascontiguousarray(seen[:, ::-1]) if look.mirrored else seen


def load_backgrounds(
    folder: Path | None, side: Side = "train", on_problem: Callable[[str], None] | None = None
) -> BackgroundSet:
    """List the pictures of a folder and its sub-folders; no folder leaves drawn rooms.

    A table in the folder (`TABLE`) says what is drawn on which `side`; without it everything is, on all sides. What
    forbids commercial use is not trained on. To train on, some rooms are drawn all the same.

    `on_problem` is told of files that are no pictures, and the rest goes on; without it MediaError is raised. Raises
    UsageError where no picture is left.
    """
    if folder is None:
        return BackgroundSet()
    if not folder.is_dir():
        raise UsageError(f"--backgrounds expects a folder of pictures: {folder}")
    files = []
    for path in (path for path in list_files(folder) if path.suffix.lower() in SUFFIXES):
        try:
            check_still(path)
            files.append(path.relative_to(folder).as_posix())
        except MediaError as error:
            if on_problem is None:
                raise
            on_problem(f"passed over: {error}")
    if not files:
        raise UsageError(f"expected pictures ({', '.join(SUFFIXES)}), found none: {folder}")
    chosen = _choose(folder, files, side)
    return BackgroundSet(folder, tuple(files), chosen, DRAWN_SHARE if side == "train" else 0.0)


def _choose(folder: Path, files: list[str], side: Side) -> tuple[str, ...]:
    table = folder / TABLE
    if not table.is_file():
        return tuple(files)
    try:
        entries = {entry["file"]: entry for entry in json.loads(table.read_text(encoding="utf-8"))}
        unknown = {entry.get("side") for entry in entries.values()}.difference((None, *SIDES))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"expected a list of pictures with 'file' each ({error!r}): {table}") from error
    if unknown:
        raise UsageError(f"expected the sides {', '.join(SIDES)}, got {min(map(str, unknown))!r}: {table}")
    told = [(key, entries.get(key, {})) for key in files]
    return tuple(
        key
        for key, entry in told
        if entry.get("side") in (None, side) and not (side == "train" and RESTRICTED in str(entry.get("licence")))
    )


def estimate_room(key: str, room: Room | MeasuredRoom | None) -> Room:
    """Estimate the room that the background shows: the scene's, or one drawn from the key where its walls are
    unknown."""
    if isinstance(room, Room):
        return room
    rng = np.random.default_rng([len(key), *key.encode()])
    size_m = (float(rng.uniform(6, 10)), float(rng.uniform(6, 10)), float(rng.uniform(2.6, 3.4)))
    middle_m = (size_m[0] * float(rng.uniform(0.3, 0.7)), size_m[1] * float(rng.uniform(0.3, 0.7)))
    yaw_deg = room.yaw_deg if room else float(rng.uniform(0, 360))
    return Room(size_m, (*middle_m, float(rng.uniform(1.2, 1.6))), yaw_deg, ())


def _filling(picture: av.VideoFrame, camera: Camera, look: PictureLook) -> UInt8[np.ndarray, "height width 3"]:
    scale = look.zoom * max(camera.width_px / picture.width, camera.height_px / picture.height)
    width, height = math.ceil(picture.width * scale), math.ceil(picture.height * scale)
    rgb = picture.reformat(width, height, format="rgb24", interpolation="AREA").to_ndarray()
    left, top = int((width - camera.width_px) * look.pan), (height - camera.height_px) // 2
    return np.ascontiguousarray(rgb[top : top + camera.height_px, left : left + camera.width_px])


def _looked_into(picture: av.VideoFrame, camera: Camera, yaw_deg: float) -> UInt8[np.ndarray, "height width 3"]:
    width = min(picture.width, PANORAMA_COLUMNS)
    rgb = picture.reformat(width, width // 2, format="rgb24", interpolation="AREA").to_ndarray()
    # The seam at the rear: a column of the other side on both sides.
    wrapped = np.concatenate([rgb[:, -1:], rgb, rgb[:, :1]], axis=1)
    azimuth_deg, elevation_deg = _directions(camera)
    columns = (0.5 - (azimuth_deg + yaw_deg) / 360) % 1.0 * width + 1
    grid = np.stack([columns / (width + 2) * 2 - 1, -elevation_deg / 90], axis=-1).astype(np.float32)
    source = torch.from_numpy(wrapped).permute(2, 0, 1)[None].float()
    seen = F.grid_sample(source, torch.from_numpy(grid)[None], padding_mode="border", align_corners=False)
    return np.ascontiguousarray(seen[0].permute(1, 2, 0).round().to(torch.uint8).numpy())


def _directions(camera: Camera) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """Azimuth (from the microphone's front) and elevation of every pixel's middle, in degrees."""
    x_px, y_px = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    left, up = camera.width_px / 2 - x_px, camera.height_px / 2 - y_px
    elevation_deg = np.degrees(np.arctan2(up, np.hypot(left, camera.focal_px)))
    return camera.azimuth_from_x(x_px), elevation_deg
