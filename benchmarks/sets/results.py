"""The frozen sets as sound and labels, on disk: rendered once, for all that is measured on them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.sets import yardstick
from benchmarks.sets.pra_scenes import write_scenes
from seldfuse.cli.commands.synth import make_scenes
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import UsageError
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.sounds.soundbank import load_bank


class FrozenSet(NamedTuple):
    """The version and the name of a set's plans, the name of its split on disk, and what renders it from plans, sounds
    and jobs.
    """

    version: str
    plans: str
    split: str
    render: Callable[[Path, DatasetSplit, Path, int], None]


def _in_our_rooms(plans: Path, split: DatasetSplit, sounds: Path, jobs: int) -> None:
    make_scenes(split.out, split=split.name, sounds=sounds, held_out=True, plans=plans, jobs=jobs)


def _in_their_rooms(plans: Path, split: DatasetSplit, sounds: Path, jobs: int) -> None:
    for clip in write_scenes(plans, split, sounds, jobs):
        print(clip)


SETS = {
    "validation-v1": FrozenSet(yardstick.V1, "audio", "dev-test-v1", _in_our_rooms),
    "validation-v1-pra": FrozenSet(yardstick.V1, "pra", "dev-test-pra", _in_their_rooms),
    "validation-v2": FrozenSet(yardstick.V2, "audio", "dev-test-v2", _in_our_rooms),
    "validation-v2-pra": FrozenSet(yardstick.V2, "pra", "dev-test-v2-pra", _in_their_rooms),
}

AUDIO_VISUAL, AUDIO_VISUAL_V2 = "dev-test-v1-av", "dev-test-v2-av"


def render_audio_visual(out: Path, sounds: Path, cutouts: Path, jobs: int) -> DatasetSplit:
    """Render what is missing of the audio-visual scenes, with videos, into a data set in `out`.

    Raises ValueError where plans or sounds are not the frozen ones, and what `seldfuse synth` raises.
    """
    yardstick.check_sounds(load_bank(sounds, DCASE2025, "held"))
    yardstick.read_plans("audio-visual")
    plans = yardstick.find_plans("audio-visual")
    make_scenes(
        out, split=AUDIO_VISUAL, video=True, sounds=sounds, sprites=cutouts, held_out=True, plans=plans, jobs=jobs
    )
    return DatasetSplit(out, AUDIO_VISUAL)


def render_real_pictures(out: Path, sounds: Path, pictures: Path, backgrounds: Path, jobs: int) -> DatasetSplit:
    """Render what is missing of `validation-v2-av`, with videos, into a data set in `out`.

    Raises ValueError where plans, sounds or pictures are not the frozen ones, and what `seldfuse synth` raises.
    """
    yardstick.check_sounds(load_bank(sounds, DCASE2025, "held"), yardstick.V2_AV)
    yardstick.check_pictures(pictures, backgrounds)
    yardstick.read_plans("audio-visual", yardstick.V2_AV)
    plans = yardstick.find_plans("audio-visual", yardstick.V2_AV)
    make_scenes(
        out, split=AUDIO_VISUAL_V2, video=True, sounds=sounds, sprites=pictures, backgrounds=backgrounds,
        held_out=True, plans=plans, jobs=jobs,
    )  # fmt: skip
    return DatasetSplit(out, AUDIO_VISUAL_V2)


def select_sets(names: str | None) -> tuple[str, ...]:
    """Select some of `SETS` by their names, with commas between them; all of them by None. Raises UsageError."""
    chosen = tuple(SETS) if names is None else tuple(name.strip() for name in names.split(","))
    for name in chosen:
        if name not in SETS:
            raise UsageError(f"there is no frozen set {name!r}; --sets takes {', '.join(SETS)}")
    return chosen


def read_set_plans(name: str) -> dict[str, ScenePlan]:
    """Read the plans of one of `SETS` by the names of its clips. Raises ValueError where they are other ones."""
    return yardstick.read_plans(SETS[name].plans, SETS[name].version)


def render_sets(out: Path, sounds: Path, jobs: int, names: Sequence[str] = tuple(SETS)) -> dict[str, DatasetSplit]:
    """Render what is missing of some of `SETS` into a data set in `out`; return the splits by the names of the sets.

    Raises ValueError where plans or sounds are not the frozen ones, or a split holds other clips; and what `seldfuse
    synth` and `write_scenes` raise.
    """
    bank = load_bank(sounds, DCASE2025, "held")
    for version in {SETS[name].version for name in names}:
        yardstick.check_sounds(bank, version)
    splits = {}
    for title in names:
        frozen = SETS[title]
        splits[title] = DatasetSplit(out, frozen.split)
        expected = set(yardstick.read_plans(frozen.plans, frozen.version))
        frozen.render(yardstick.find_plans(frozen.plans, frozen.version), splits[title], sounds, jobs)
        found = {path.stem for path in splits[title].get_folder("wav").glob("*.wav")}
        if found != expected:
            example = min(found ^ expected)
            raise ValueError(f"expected the {len(expected)} clips of {title} and no other ({example}): {out}")
    return splits
