"""The frozen validation sets are what they were when they were frozen."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sets import yardstick
from seldfuse.core.labels import DCASE2025
from seldfuse.synth.scene import Room, ScenePlan
from seldfuse.synth.sounds.soundbank import load_bank

SHA256 = {
    "audio.jsonl.gz": "9a8a7c97c9e89fca3b2b954be05d89b34bf168fc693e6bb59d61c81ac389199a",
    "audio-visual.jsonl.gz": "5b8efcd16ac1d6abd16c2ee80356c355c9a31cec1059f3bd8a4d4a3f4deaee14",
    "pra.jsonl.gz": "f5bf2870ce81fe9373d12abd57b2794cd6763d0f8b33c79e7381f3f902a380b3",
}
"""Written here a second time: whoever changes a set must change a test, too."""


@pytest.fixture(scope="module")
def sets() -> dict[str, dict[str, ScenePlan]]:
    return {name: yardstick.read_plans(name) for name in yardstick.YARDSTICKS}


def test_the_hashes_are_those_of_the_first_day() -> None:
    assert yardstick.sums() == SHA256


def test_the_sets_have_their_sizes_and_no_scene_twice(sets: dict[str, dict[str, ScenePlan]]) -> None:
    assert {name: len(plans) for name, plans in sets.items()} == {"audio": 1000, "audio-visual": 300, "pra": 300}
    texts = [scene.to_json() for plans in sets.values() for scene in plans.values()]
    assert len(set(texts)) == 1600
    assert len({name for plans in sets.values() for name in plans}) == 1600


def test_the_sets_hold_what_they_promise(sets: dict[str, dict[str, ScenePlan]]) -> None:
    for name, plans in sets.items():
        assert all(isinstance(scene.room, Room) for scene in plans.values())
        assert all((scene.view is not None) == (name == "audio-visual") for scene in plans.values())
        crowd = np.array([len(scene.sources) for scene in plans.values()])
        assert 1.5 < crowd.mean() < 2.6
        assert any(source.path.moves for scene in plans.values() for source in scene.sources)
        classes = {source.cls for scene in plans.values() for source in scene.sources}
        # A knock is in one of 360 real windows.
        assert classes >= set(range(12))


def test_plans_that_were_touched_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "validation"
    shutil.copytree(yardstick.FOLDER, folder)
    monkeypatch.setattr(yardstick, "FOLDER", folder)
    (folder / "pra.jsonl.gz").write_bytes((folder / "audio.jsonl.gz").read_bytes())
    with pytest.raises(ValueError, match="expected the frozen plans with SHA-256"):
        yardstick.read_plans("pra")
    with pytest.raises(ValueError, match="these plans are frozen; take a new name"):
        yardstick.freeze("audio", tmp_path, None)


def test_all_sounds_of_the_sets_are_held_out_ones(shared: Path) -> None:
    yardstick.check_sounds(load_bank(shared / "data" / "soundbank", DCASE2025, "held"))
    with pytest.raises(ValueError, match="expected the sound with SHA-256"):
        yardstick.check_sounds(load_bank(shared / "data" / "soundbank", DCASE2025, "train"))


def test_the_sounds_of_the_sets_are_separated_from_others_that_are_held_out(shared: Path) -> None:
    """Their groups by class are those of docs/results.md."""
    bank = yardstick.frozen_sounds(shared / "data" / "soundbank")
    assert set(bank.keys) == set(yardstick.sums(yardstick.SOUND_SUMS))
    assert [len(groups) for groups in bank.classes] == [5, 12, 1, 4, 3, 22, 4, 5, 4, 8, 5, 1, 4]


def test_training_has_no_sound_of_the_sets_and_no_speaker_in_them(shared: Path) -> None:
    trained, held_out = (load_bank(shared / "data" / "soundbank", DCASE2025, side) for side in ("train", "held"))
    sounds = yardstick.sums(yardstick.SOUND_SUMS)
    assert len(sounds) == 168
    assert not set(sounds) & set(trained.keys)
    # Nor under another name.
    assert not set(sounds.values()) & {trained.hash_sound(key) for key in trained.keys}
    groups = {held_out.entries[key].group for key in sounds}
    assert not groups & {entry.group for entry in trained.entries.values()}
