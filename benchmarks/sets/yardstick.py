"""The frozen validation sets: plans of scenes, written once, and the hashes by which they are checked.

`validation-v1` is what trainings report on: 1,000 scenes of sound and 300 with pictures. `validation-v1-pra` has 300
more, which pyroomacoustics renders: who trained in our rooms meets others there. Whoever makes a set easier one day
gives it a new name.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seldfuse.core.labels import DCASE2025
from seldfuse.storage.atomic import write_atomically
from seldfuse.synth.dataset import plans
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.pictures.background import load_backgrounds
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.scene import Room, ScenePlan
from seldfuse.synth.sounds.soundbank import SoundBank, load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

FOLDER = Path(__file__).parent / "validation-v1"
SUMS = "SHA256SUMS"
SOUND_SUMS = "SOUNDS.sha256"
SEED = 20251122


@dataclass(frozen=True)
class Yardstick:
    """A set of plans: how many, whether with pictures, and how even its classes are."""

    scenes: int
    video: bool = False
    evenness: float = 0.0


YARDSTICKS = {
    "audio": Yardstick(1000),
    "audio-visual": Yardstick(300, video=True),
    # Real shares would leave most classes with a handful of sources in so few scenes.
    "pra": Yardstick(300, evenness=0.5),
}


def read_plans(name: str) -> dict[str, ScenePlan]:
    """Read the plans of a frozen set by the names of their clips. Raises ValueError where the file is not the frozen
    one.
    """
    path = FOLDER / f"{name}.jsonl.gz"
    found, expected = hashlib.sha256(path.read_bytes()).hexdigest(), sums()[path.name]
    if found != expected:
        raise ValueError(f"expected the frozen plans with SHA-256 {expected}, got {found}: {path}")
    return plans.read_plans(path)


def sums(file: str = SUMS) -> dict[str, str]:
    """Read hashes by the names of what they are of, plans or sounds."""
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def freeze(name: str, sounds: Path, cutouts: Path | None) -> None:
    """Draw a set and write its plans, its hash and those of its sounds. Raises ValueError where it is frozen."""
    path = FOLDER / f"{name}.jsonl.gz"
    if path.exists():
        raise ValueError(f"these plans are frozen; take a new name for new ones: {path}")
    yardstick = YARDSTICKS[name]
    bank = load_bank(sounds, DCASE2025, "held")
    stage = SceneIngredients(bank, SceneStatistics.load(), yardstick.evenness)
    if yardstick.video:
        stage = replace(
            stage, cutouts=load_cutouts(cutouts, DCASE2025, held_out=True), backgrounds=load_backgrounds(None)
        )
    drawn = dict(_plans(name, yardstick, stage))
    text = "".join(
        json.dumps({"name": clip, "plan": json.loads(scene.to_json())}) + "\n" for clip, scene in drawn.items()
    )
    with write_atomically(path) as draft:
        draft.write_bytes(gzip.compress(text.encode(), mtime=0))
    _add_sums(SUMS, {path.name: hashlib.sha256(path.read_bytes()).hexdigest()})
    _add_sums(SOUND_SUMS, {key: bank.hash_sound(key) for key in _sounds(drawn.values())})


def check_sounds(bank: SoundBank) -> None:
    """Check the sounds of the frozen plans. Raises ValueError where one is missing or another one."""
    for key, digest in sums(SOUND_SUMS).items():
        if key not in bank.keys or bank.hash_sound(key) != digest:
            raise ValueError(f"expected the sound with SHA-256 {digest}: {key}")


def frozen_sounds(folder: Path) -> SoundBank:
    """Select those of a folder's held-out sounds that the frozen plans take. Raises ValueError as `check_sounds`
    does."""
    bank, names = load_bank(folder, DCASE2025, "held"), sums(SOUND_SUMS)
    check_sounds(bank)
    return SoundBank(bank.labels, {key: entry for key, entry in bank.entries.items() if key in names}, side="held")


def _plans(name: str, yardstick: Yardstick, stage: SceneIngredients) -> Iterator[tuple[str, ScenePlan]]:
    order = list(YARDSTICKS).index(name)
    for number in range(yardstick.scenes):
        scene = draw_scene(stage, np.random.default_rng([SEED, order, number]))
        assert isinstance(scene.room, Room)
        yield f"fold4_room{order + 1}_mix{number:04}_deg{round(scene.room.yaw_deg) % 360:03}_start0000", scene


def _sounds(scenes: Iterable[ScenePlan]) -> list[str]:
    return sorted({take.sound for scene in scenes for take in scene.takes})


def _add_sums(file: str, found: Mapping[str, str]) -> None:
    path = FOLDER / file
    known = sums(file) if path.exists() else {}
    with write_atomically(path) as draft:
        lines = (f"{digest}  {name}\n" for name, digest in sorted({**known, **found}.items()))
        draft.write_text("".join(lines), encoding="utf-8")
