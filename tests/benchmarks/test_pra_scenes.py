"""The same plans rendered by pyroomacoustics: ours sound alike, and all of the frozen set is written."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seldfuse.core.labels import DCASE2025
from seldfuse.errors import UsageError
from seldfuse.formats.dcase import read_events
from seldfuse.media.encode import write_wav
from seldfuse.media.inputs import find_clips
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.render import render_scenes
from seldfuse.synth.scene import Ambience, MeasuredRoom, RecordingChain, ScenePlan, ScenePlanSource, SoundTake
from seldfuse.synth.scene import SourcePath as Walk
from seldfuse.synth.sounds.soundbank import SoundBank, load_bank

pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")

from benchmarks.sets.plans import draw_position, draw_room
from benchmarks.sets.pra_scenes import energy_beyond, order_for, render_with_pyroomacoustics, responses, write_scenes
from benchmarks.studies.material import sound_of
from benchmarks.studies.stereo_law import lone_noise, noise_bank


@pytest.fixture(scope="module")
def bank() -> SoundBank:
    return noise_bank()


def drawn(count: int) -> list[ScenePlan]:
    """Noise for 1.5 s from random positions in random rooms."""
    rng = np.random.default_rng(0)
    rooms = [draw_room(rng.uniform(0.15, 0.4), rng) for _ in range(count)]
    return [short(lone_noise(draw_position(room, rng), room)) for room in rooms]


def short(scene: ScenePlan) -> ScenePlan:
    (source,) = scene.sources
    return replace(scene, sources=(replace(source, takes=(replace(source.takes[0], duration_s=1.5),)),), frames=20)


def walking(scene: ScenePlan) -> ScenePlan:
    """Past the microphone and up, a metre a second."""
    (source,) = scene.sources
    return replace(scene, sources=(replace(source, path=Walk((0.7, 0.8, -0.2), (0.6, -0.8, 0.0), 0.0, 1.6)),))


def fields(scene: ScenePlan, bank: SoundBank) -> list[np.ndarray]:
    """W and Y' of the two renderers."""
    audio = [render_scenes([scene], bank).audio[0].numpy(), render_with_pyroomacoustics(scene, bank)[0]]
    return [np.stack([left + right, left - right]).astype(float) / 2 for left, right in audio]


def level_db(field: np.ndarray) -> float:
    return float(10 * np.log10(np.square(field[0]).mean()))


def sine(field: np.ndarray) -> float:
    return float((field[0] * field[1]).sum() / np.square(field[0]).sum())


@pytest.mark.parametrize("moving", [False, True])
def test_scenes_are_as_loud_and_come_from_the_same_side_as_with_pyroomacoustics(bank: SoundBank, moving: bool) -> None:
    scenes = [walking(scene) for scene in drawn(2)] if moving else drawn(12)
    rendered = [fields(scene, bank) for scene in scenes]
    differences_db = [level_db(ours) - level_db(theirs) for ours, theirs in rendered]
    sines = [sine(ours) - sine(theirs) for ours, theirs in rendered]
    assert np.abs(differences_db).max() < 1.0
    assert np.abs(sines).max() < 0.05
    if not moving:
        assert np.abs(np.median(differences_db)) < 0.2, "theirs fades between positions, which costs half a decibel"


def test_a_source_that_moves_goes_from_left_to_right(bank: SoundBank) -> None:
    _, theirs = fields(walking(drawn(1)[0]), bank)
    first, middle, last = (sine(theirs[:, start : start + 4_800]) for start in (2_400, 16_800, 31_200))
    assert first > 0.25 > abs(middle)
    assert last < -0.25


def test_the_truth_is_the_same_and_the_recording_chain_keeps_the_length(bank: SoundBank) -> None:
    (scene,) = drawn(1)
    ambience = Ambience(-50.0, 1.0, 7, (SoundTake("noise", 0.0, 1.0),), -45.0)
    scene = replace(scene, ambience=ambience, wear=RecordingChain(-6.0, 100.0, 8_000.0, 64))
    audio, truth = render_with_pyroomacoustics(scene, bank)
    ours = render_scenes([scene], bank)
    assert truth.to_events()[0].table.equals(ours.truth.to_events()[0].table)
    assert audio.shape == (2, 48_000)
    assert audio.dtype == np.float32
    assert np.abs(audio).max() <= 1.0


def test_babble_has_the_level_of_the_plan(bank: SoundBank) -> None:
    room = draw_room(0.2, np.random.default_rng(0))
    babble = (SoundTake("noise", 0.0, 2.0),)
    audio, _ = render_with_pyroomacoustics(
        ScenePlan((), room, Ambience(-200.0, 0.0, 0, babble, -40.0), frames=20), bank
    )
    assert level_db(audio.sum(axis=0, keepdims=True) / 2) == pytest.approx(-40.0, abs=0.01)


def test_the_energy_beyond_an_order_is_that_which_pyroomacoustics_leaves_out() -> None:
    room, position_m = draw_room(0.3, np.random.default_rng(1)), np.array([[1.0, 0.5, 0.1]])
    few, many = (np.square(responses(room, position_m, order)[0, 0]).sum() for order in (6, 30))
    direct = np.square(responses(room, position_m, 0)[0, 0]).sum()
    assert 1.0 - (few - direct) / (many - direct) == pytest.approx(energy_beyond(room, np.array([6]))[0], rel=0.35)


def test_the_order_grows_with_the_reverberation_up_to_the_highest() -> None:
    rooms = [draw_room(rt60_s, np.random.default_rng(2)) for rt60_s in (0.15, 0.3, 0.6, 1.2)]
    orders = [order_for(room) for room in rooms]
    assert orders == sorted(set(orders))
    assert orders[-1] == 60
    assert (
        energy_beyond(rooms[0], np.array([orders[0]]))[0]
        <= 1e-4
        < energy_beyond(rooms[0], np.array([orders[0] - 1]))[0]
    )


@pytest.mark.parametrize("room", [None, MeasuredRoom(("a",), 0.0)])
def test_only_shoeboxes_have_mirror_images(bank: SoundBank, room: MeasuredRoom | None) -> None:
    with pytest.raises(ValueError, match=r"expected a plan with a shoebox room, got (NoneType|MeasuredRoom)"):
        render_with_pyroomacoustics(ScenePlan((), room), bank)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two groups of one class, of which one is held out."""
    for name in "ab":
        path = tmp_path / "sounds" / "knock" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, np.random.default_rng(0).uniform(-0.5, 0.5, (1, 12_000)).astype(np.float32))
    return tmp_path / "sounds"


def frozen(path: Path, sounds: Path, names: list[str], sound: str | None = None) -> Path:
    (held_out,) = load_bank(sounds, DCASE2025, "held").keys
    room = draw_room(0.15, np.random.default_rng(0))
    source = ScenePlanSource(12, (SoundTake(sound or held_out, 0.2, 0.5),), Walk((1.0, 0.5, 0.0), (1.0, 0.5, 0.0)))
    scene = ScenePlan((source,), room, wear=RecordingChain(codec_kbps=64), frames=20)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"name": name, "plan": json.loads(scene.to_json())}) + "\n" for name in names)
    return path


def test_a_set_of_plans_is_written_in_the_challenges_layout_and_what_is_there_stays(
    tmp_path: Path, sounds: Path
) -> None:
    path, split = frozen(tmp_path / "plans.jsonl.gz", sounds, ["one", "two"]), DatasetSplit(tmp_path / "out", "part")
    split.get_folder("wav").mkdir(parents=True)
    split.get_path("one", "wav").write_text("finished")
    assert list(write_scenes(path, split, sounds, jobs=1)) == ["two"]
    assert split.get_path("one", "wav").read_text() == "finished"
    assert sound_of(find_clips([split.get_path("two", "wav")])[0]).shape == (2, 48_000)
    table = read_events(split.get_path("two", "csv")).table
    assert table["frame"].tolist() == [2, 3, 4, 5, 6]
    assert table[["cls", "azimuth_deg", "distance_m"]].drop_duplicates().to_numpy().tolist() == [[12.0, 27.0, 1.12]]
    assert list(write_scenes(path, split, sounds, jobs=1)) == []


def test_sounds_that_are_not_held_out_are_refused(tmp_path: Path, sounds: Path) -> None:
    path = frozen(tmp_path / "plans.jsonl.gz", sounds, ["one"], "knock/gone.wav")
    with pytest.raises(UsageError, match=r"the plan of one takes the sound 'knock/gone\.wav', which is not there"):
        next(write_scenes(path, DatasetSplit(tmp_path / "out", "part"), sounds, jobs=1))
