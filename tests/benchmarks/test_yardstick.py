"""The frozen validation sets are what they were when they were frozen."""

import shutil
from collections import defaultdict
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.sets import yardstick
from benchmarks.sets.yardstick import V1, V2, V2_AV
from seldfuse.core.labels import DCASE2025
from seldfuse.synth.pictures.background import load_backgrounds
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.scene import Room, ScenePlan
from seldfuse.synth.sounds.layouts import Side
from seldfuse.synth.sounds.soundbank import load_bank

SHA256 = {
    V1: {
        "audio.jsonl.gz": "9a8a7c97c9e89fca3b2b954be05d89b34bf168fc693e6bb59d61c81ac389199a",
        "audio-visual.jsonl.gz": "5b8efcd16ac1d6abd16c2ee80356c355c9a31cec1059f3bd8a4d4a3f4deaee14",
        "pra.jsonl.gz": "f5bf2870ce81fe9373d12abd57b2794cd6763d0f8b33c79e7381f3f902a380b3",
    },
    V2: {
        "audio.jsonl.gz": "57c6f4459105e9c1a211ca64119fa9d6f074feea199babc3fea833a78d2e4fc9",
        "pra.jsonl.gz": "3a958b116e90eab619205bd6e43f3d5662f8057e8caf87a7e74f24be27c7fe5e",
    },
    V2_AV: {
        "audio-visual.jsonl.gz": "e9a516f0dac27cb0e8f8bb8f97a0e8e19b166b757c613eb3bd77d431ee9bd9cf",
    },
}
"""Written here a second time: whoever changes a set must change a test, too."""

Sets = dict[tuple[str, str], dict[str, ScenePlan]]


@pytest.fixture(scope="module")
def sets() -> Sets:
    return {
        (version, name): yardstick.read_plans(name, version)
        for version, yardsticks in yardstick.YARDSTICKS.items()
        for name in yardsticks
    }


@pytest.mark.parametrize("version", [V1, V2, V2_AV])
def test_the_hashes_are_those_of_the_first_day(version: str) -> None:
    assert yardstick.sums(version=version) == SHA256[version]


def test_the_sets_have_their_sizes_and_no_scene_twice(sets: Sets) -> None:
    sizes = {
        (V1, "audio"): 1000, (V1, "audio-visual"): 300, (V1, "pra"): 300,
        (V2, "audio"): 1000, (V2, "pra"): 300, (V2_AV, "audio-visual"): 400,
    }  # fmt: skip
    assert {name: len(plans) for name, plans in sets.items()} == sizes
    texts = [scene.to_json() for plans in sets.values() for scene in plans.values()]
    assert len(set(texts)) == 3300
    assert len({name for plans in sets.values() for name in plans}) == 3300


def test_the_sets_hold_what_they_promise(sets: Sets) -> None:
    for (_, name), plans in sets.items():
        assert all(isinstance(scene.room, Room) for scene in plans.values())
        assert all((scene.view is not None) == (name == "audio-visual") for scene in plans.values())
        crowd = np.array([len(scene.sources) for scene in plans.values()])
        assert 1.5 < crowd.mean() < 2.6
        assert any(source.path.moves for scene in plans.values() for source in scene.sources)
        classes = {source.cls for scene in plans.values() for source in scene.sources}
        # A knock is in one of 360 real windows.
        assert classes >= set(range(12))


@pytest.mark.parametrize("name", ["audio", "pra"])
def test_sources_of_the_second_version_are_spread_evenly(sets: Sets, name: str) -> None:
    sources = [source for scene in sets[V2, name].values() for source in scene.sources]
    place_m = np.array([source.path.start_m for source in sources])
    distance_m, azimuth_deg = np.linalg.norm(place_m, axis=1), np.degrees(np.arctan2(place_m[:, 1], place_m[:, 0]))
    assert distance_m.min() >= 0.5
    assert distance_m.max() <= 6.0
    for values, edges in ((np.log(distance_m), np.log([0.5, 6.0])), (azimuth_deg, [-180.0, 180.0])):
        shares = np.histogram(values, np.linspace(*edges, 7))[0] / len(values)
        assert np.abs(shares - 1 / 6).max() < 0.04
    assert abs(spearmanr(distance_m, [source.gain_db for source in sources]).statistic) < 0.1
    assert all(source.directivity > 0 for source in sources) == (name == "pra")


def test_each_class_of_the_second_version_sounds_for_long_and_of_many_groups(sets: Sets, shared: Path) -> None:
    """Every tenth scene is counted frame by frame; what sounds for 1,500 frames in all does so for 60 in a tenth."""
    bank = yardstick.frozen_sounds(shared / "data" / "soundbank", [V2])
    plans = list(sets[V2, "audio"].values())
    groups: dict[int, set[str]] = defaultdict(set)
    for scene in plans:
        for source in scene.sources:
            groups[source.cls] |= {bank.entries[take.sound].group for take in source.takes}
    assert [len(groups[cls]) for cls in range(13)] == [24, 27, 8, 12, 13, 32, 10, 10, 48, 63, 8, 15, 9]
    assert (sum(yardstick.count_frames(scene, bank) for scene in plans[::10]) > 60).all()


def test_the_pictures_of_the_set_with_real_ones_are_held_out_ones(sets: Sets, shared: Path) -> None:
    pictures, backgrounds = shared / "data" / "pictures", shared / "data" / "backgrounds"
    yardstick.check_pictures(pictures, backgrounds)
    held, taken = set(yardstick.sums(yardstick.PICTURE_SUMS, V2_AV)), set[str]()
    for side in get_args(Side):
        cutouts, rooms = load_cutouts(pictures, DCASE2025, side), load_backgrounds(backgrounds, side)
        drawn = {
            *cutouts.people,
            *cutouts.distractors,
            *rooms.chosen,
            *(k for keys in cutouts.classes.values() for k in keys),
        }
        assert held <= drawn if side == "held" else not held & drawn
    for scene in sets[V2_AV, "audio-visual"].values():
        assert scene.view is not None
        assert scene.view.look is not None
        taken |= {scene.view.background, *(figure.sprite for figure in scene.view.figures)}
    assert {key for key in taken if not key.startswith("drawn/")} == held
    with pytest.raises(ValueError, match="expected the picture with SHA-256"):
        yardstick.check_pictures(backgrounds, backgrounds)


def test_plans_that_were_touched_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(yardstick.ROOT / V1, tmp_path / V1)
    monkeypatch.setattr(yardstick, "ROOT", tmp_path)
    yardstick.find_plans("pra").write_bytes(yardstick.find_plans("audio").read_bytes())
    with pytest.raises(ValueError, match="expected the frozen plans with SHA-256"):
        yardstick.read_plans("pra")
    with pytest.raises(ValueError, match="these plans are frozen; take a new name"):
        yardstick.freeze("audio", V1, tmp_path)


@pytest.mark.parametrize("version", [V1, V2, V2_AV])
def test_all_sounds_of_the_sets_are_held_out_ones(shared: Path, version: str) -> None:
    yardstick.check_sounds(load_bank(shared / "data" / "soundbank", DCASE2025, "held"), version)
    with pytest.raises(ValueError, match="expected the sound with SHA-256"):
        yardstick.check_sounds(load_bank(shared / "data" / "soundbank", DCASE2025, "train"), version)


def test_the_sounds_of_the_sets_are_separated_from_others_that_are_held_out(shared: Path) -> None:
    """Their groups by class are those of docs/results.md."""
    bank = yardstick.frozen_sounds(shared / "data" / "soundbank")
    assert set(bank.keys) == set(yardstick.sums(yardstick.SOUND_SUMS))
    assert [len(groups) for groups in bank.classes] == [5, 12, 1, 4, 3, 22, 4, 5, 4, 8, 5, 1, 4]


@pytest.mark.parametrize(("version", "count"), [(V1, 168), (V2, 491), (V2_AV, 405)])
def test_nothing_else_has_sounds_of_the_sets_nor_a_speaker_in_them(shared: Path, version: str, count: int) -> None:
    """Neither networks nor fusion have heard them."""
    banks = {side: load_bank(shared / "data" / "soundbank", DCASE2025, side) for side in get_args(Side)}
    sounds = yardstick.sums(yardstick.SOUND_SUMS, version)
    groups = {banks["held"].entries[key].group for key in sounds}
    assert len(sounds) == count
    for bank in (banks["train"], banks["fit"]):
        assert not set(sounds) & set(bank.keys)
        # Nor under another name.
        assert not set(sounds.values()) & {bank.hash_sound(key) for key in bank.keys}
        assert not groups & {entry.group for entry in bank.entries.values()}
