"""The frozen validation sets: plans of scenes, written once, and the hashes by which they are checked.

`validation-v2` is what trainings report on: 1,000 scenes of sound, in which every class sounds for 150 s at least.
`validation-v2-pra` has 300 more, all of directive sources, which pyroomacoustics renders: who trained in our rooms
meets others there. `validation-v2-av` has 400 with pictures: photos of people, things and rooms that nobody trained on.
`validation-v1`, with its 300 scenes with pictures, stays for comparison; the drawing that made it is gone.
Whoever makes a set easier one day gives it a new name.
"""

import gzip
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from seldfuse.core.grid import SAMPLES_PER_FRAME
from seldfuse.core.labels import DCASE2025
from seldfuse.storage.atomic import write_atomically
from seldfuse.synth.dataset import plans
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.draw_acoustics import direct_sources
from seldfuse.synth.pictures.background import load_backgrounds
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.render import render_dry_sounds
from seldfuse.synth.scene import Room, ScenePlan
from seldfuse.synth.sounds.soundbank import SoundBank, load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.synth.truth import compute_truth

ROOT = Path(__file__).parent
SUMS = "SHA256SUMS"
SOUND_SUMS = "SOUNDS.sha256"
PICTURE_SUMS = "PICTURES.sha256"
V1, V2, V2_AV = "validation-v1", "validation-v2", "validation-v2-av"
SEEDS = {V1: 20251122, V2: 20251203, V2_AV: 20251203}
FIRST_ROOM = {V1: 1, V2: 4, V2_AV: 6}
"""In the names of clips; those of all sets differ."""

FIRST_ORDER = {V1: 0, V2: 0, V2_AV: 2}
"""Beside the seed of a version, what its first set is drawn by."""

RESERVE = 0.2
"""Share of a set's scenes that is kept for classes which sound for too short a time in the others."""


@dataclass(frozen=True)
class Yardstick:
    """A set of plans: how many, whether with pictures, how even its classes are, the fewest frames of 100 ms in which
    each of them sounds, and whether all sources are directive.
    """

    scenes: int
    video: bool = False
    evenness: float = 0.0
    least_frames: int = 0
    directed: bool = False


YARDSTICKS = {
    V1: {
        "audio": Yardstick(1000),
        "audio-visual": Yardstick(300, video=True),
        # Real shares would leave most classes with a handful of sources in so few scenes.
        "pra": Yardstick(300, evenness=0.5),
    },
    V2: {
        "audio": Yardstick(1000, evenness=1.0, least_frames=1500),
        "pra": Yardstick(300, evenness=1.0, directed=True),
    },
    V2_AV: {
        "audio-visual": Yardstick(400, video=True, evenness=1.0, least_frames=500),
    },
}


def find_plans(name: str, version: str = V1) -> Path:
    """Find the file of a frozen set."""
    return ROOT / version / f"{name}.jsonl.gz"


def read_plans(name: str, version: str = V1) -> dict[str, ScenePlan]:
    """Read the plans of a frozen set by the names of their clips. Raises ValueError where the file is not the frozen
    one.
    """
    path = find_plans(name, version)
    found, expected = hashlib.sha256(path.read_bytes()).hexdigest(), sums(version=version)[path.name]
    if found != expected:
        raise ValueError(f"expected the frozen plans with SHA-256 {expected}, got {found}: {path}")
    return plans.read_plans(path)


def sums(file: str = SUMS, version: str = V1) -> dict[str, str]:
    """Read hashes by the names of what they are of, plans or sounds."""
    lines = (ROOT / version / file).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def freeze(name: str, version: str, sounds: Path, cutouts: Path | None = None, backgrounds: Path | None = None) -> None:
    """Draw a set and write its plans, its hash and those of its sounds and pictures. Raises ValueError where it is
    frozen.
    """
    path = find_plans(name, version)
    if path.exists():
        raise ValueError(f"these plans are frozen; take a new name for new ones: {path}")
    yardstick = YARDSTICKS[version][name]
    bank = load_bank(sounds, DCASE2025, "held")
    stage = SceneIngredients(bank, SceneStatistics.load(), yardstick.evenness)
    if yardstick.video:
        stage = replace(
            stage,
            cutouts=load_cutouts(cutouts, DCASE2025, "held"),
            backgrounds=load_backgrounds(backgrounds, "held"),
        )
    drawn = dict(_plans(name, version, yardstick, stage))
    text = "".join(
        json.dumps({"name": clip, "plan": json.loads(scene.to_json())}) + "\n" for clip, scene in drawn.items()
    )
    with write_atomically(path) as draft:
        draft.write_bytes(gzip.compress(text.encode(), mtime=0))
    _add_sums(path.parent / SUMS, {path.name: hashlib.sha256(path.read_bytes()).hexdigest()})
    _add_sums(path.parent / SOUND_SUMS, {key: bank.hash_sound(key) for key in _sounds(drawn.values())})
    if yardstick.video:
        _add_sums(path.parent / PICTURE_SUMS, hash_pictures(drawn.values(), cutouts, backgrounds))


def hash_pictures(scenes: Iterable[ScenePlan], cutouts: Path | None, backgrounds: Path | None) -> dict[str, str]:
    """Hash the files of the pictures that plans take, by their keys; those that are drawn have none."""
    views = [scene.view for scene in scenes if scene.view is not None]
    keys = {figure.sprite for view in views for figure in view.figures if not figure.sprite.startswith("drawn/")}
    files = {key: cutouts / key for key in keys} if cutouts else {}
    if backgrounds:
        files |= {view.background: backgrounds / view.background for view in views if ":" not in view.background}
    return {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}


def check_pictures(cutouts: Path, backgrounds: Path, version: str = V2_AV) -> None:
    """Check the pictures of the frozen plans. Raises ValueError where one is missing or another one."""
    for key, digest in sums(PICTURE_SUMS, version).items():
        path = next((folder / key for folder in (cutouts, backgrounds) if (folder / key).is_file()), None)
        if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ValueError(f"expected the picture with SHA-256 {digest}: {key}")


def check_sounds(bank: SoundBank, version: str = V1) -> None:
    """Check the sounds of the frozen plans. Raises ValueError where one is missing or another one."""
    for key, digest in sums(SOUND_SUMS, version).items():
        if key not in bank.keys or bank.hash_sound(key) != digest:
            raise ValueError(f"expected the sound with SHA-256 {digest}: {key}")


def frozen_sounds(folder: Path, versions: Iterable[str] = (V1,)) -> SoundBank:
    """Select those of a folder's held-out sounds that the plans of some versions take. Raises ValueError as
    `check_sounds` does.
    """
    bank = load_bank(folder, DCASE2025, "held")
    names: set[str] = set()
    for version in set(versions):
        check_sounds(bank, version)
        names |= sums(SOUND_SUMS, version).keys()
    return SoundBank(bank.labels, {key: entry for key, entry in bank.entries.items() if key in names}, side="held")


def count_frames(scene: ScenePlan, bank: SoundBank) -> Int[np.ndarray, "class"]:
    """Count the frames in which each class sounds."""
    counts = np.zeros(len(bank.labels), dtype=np.int64)
    if scene.sources:
        dry = torch.from_numpy(render_dry_sounds([scene], bank, scene.frames * SAMPLES_PER_FRAME))
        truth = compute_truth([scene], bank.labels, dry)
        for cls in set(truth.cls.tolist()):
            counts[cls] = truth.active[truth.cls == cls].any(axis=0).sum()
    return counts


def _plans(name: str, version: str, yardstick: Yardstick, stage: SceneIngredients) -> Iterator[tuple[str, ScenePlan]]:
    order = list(YARDSTICKS[version]).index(name)
    room = FIRST_ROOM[version] + order
    drawn = (
        _draw(stage, yardstick, [SEEDS[version], FIRST_ORDER[version] + order, number]) for number in itertools.count()
    )
    for number, scene in enumerate(_even_out(drawn, yardstick, stage.bank)):
        assert isinstance(scene.room, Room)
        yield f"fold4_room{room}_mix{number:04}_deg{round(scene.room.yaw_deg) % 360:03}_start0000", scene


def _draw(stage: SceneIngredients, yardstick: Yardstick, seed: Sequence[int]) -> ScenePlan:
    rng = np.random.default_rng(seed)
    scene = draw_scene(stage, rng)
    return direct_sources(scene, rng) if yardstick.directed else scene


def _even_out(drawn: Iterator[ScenePlan], yardstick: Yardstick, bank: SoundBank) -> Iterator[ScenePlan]:
    """As many scenes as the set has; the last ones are those in which a class sounds that has too few frames."""
    counts, taken = np.zeros(len(bank.labels), dtype=np.int64), 0
    free = round((1.0 - RESERVE) * yardstick.scenes)
    while taken < yardstick.scenes:
        scene = next(drawn)
        frames = count_frames(scene, bank)
        lacking = counts < yardstick.least_frames
        if taken < free or not lacking.any() or frames[lacking].any():
            yield scene
            counts, taken = counts + frames, taken + 1
    if (counts < yardstick.least_frames).any():
        raise ValueError(f"expected {yardstick.least_frames} frames of each class, got {counts.tolist()}")


def _sounds(scenes: Iterable[ScenePlan]) -> list[str]:
    return sorted({take.sound for scene in scenes for take in scene.takes})


def _add_sums(path: Path, found: Mapping[str, str]) -> None:
    known = sums(path.name, path.parent.name) if path.exists() else {}
    with write_atomically(path) as draft:
        lines = (f"{digest}  {name}\n" for name, digest in sorted({**known, **found}.items()))
        draft.write_text("".join(lines), encoding="utf-8")
