"""Scenes that were rendered ahead and are drawn again and again."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import torch
from worlds import THREE, HereAndNow, call, write_sounds

from seldfuse.errors import UsageError
from seldfuse.synth import bank as bank_module
from seldfuse.synth.bank import CHUNK, SceneBank, SceneSupply
from seldfuse.synth.dataset import workers
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.stored_scenes import StoredScenes, list_scenes
from seldfuse.synth.timelines.statistics import SceneStatistics

SCENES = 19
"""The last of the three chunks is used in part."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> SceneSupply:
    folder = tmp_path_factory.mktemp("scenes")
    sounds = load_bank(write_sounds(folder / "sounds"), THREE, "train")
    supply = SceneSupply(SceneIngredients(sounds, SceneStatistics.load()), ("logmel",), 3, folder / "bank")
    for number in (1, 2, 3):
        supply.store_chunk(number)
    return supply


@contextmanager
def opened(supply: SceneSupply, count: int = SCENES, rank: int = 0, processes: int = 1) -> Iterator[StoredScenes]:
    with closing(StoredScenes(supply, count, 5, rank, processes)) as scenes:
        yield scenes


def keys(features: torch.Tensor) -> list[float]:
    """A number for each scene, which tells it from the others."""
    return [float(value) for value in features.double().mean(dim=(1, 2, 3))]


def test_every_pass_has_all_scenes_once_in_another_order(stored: SceneSupply) -> None:
    whole = torch.cat([stored.read_scenes(number, slice(None)).features for number in (1, 2, 3)])[:SCENES]
    with opened(stored) as scenes:
        passes = [keys(scenes.draw(SCENES).features) for _ in range(3)]
    assert len(set(keys(whole.float()))) == SCENES
    assert all(sorted(drawn) == sorted(keys(whole.float())) for drawn in passes)
    assert len({tuple(drawn) for drawn in passes}) == 3


def test_what_is_drawn_depends_on_the_place_alone(stored: SceneSupply) -> None:
    with opened(stored) as one, opened(stored) as other:
        there = torch.cat([one.draw(count).features for count in (5, 16, 16, 3)])
        other.draw(7)
        other.seek(13)
        again = other.draw(27)
    assert torch.equal(there[13:], again.features)
    assert again.features.dtype == again.truth.activity.dtype == torch.float32


def test_truth_belongs_to_its_features(stored: SceneSupply) -> None:
    chunk = stored.read_scenes(2, slice(None)).map(torch.Tensor.float)
    with opened(stored) as scenes:
        drawn = scenes.draw(SCENES)
    place = keys(drawn.features).index(keys(chunk.features)[5])
    for name, tensor in drawn.truth.tensors().items():
        assert torch.equal(tensor[place], chunk.truth.tensors()[name][5])


def test_processes_share_the_scenes(stored: SceneSupply) -> None:
    parts = [list_scenes(SCENES, rank, 2).tolist() for rank in (0, 1)]
    assert sorted(parts[0] + parts[1]) == list(range(SCENES))
    with opened(stored, SCENES, 0, 2) as first, opened(stored, SCENES, 1, 2) as second:
        assert not set(keys(first.draw(11).features)) & set(keys(second.draw(8).features))
    with pytest.raises(UsageError, match=r"synth.scenes must be 32 at least for 4 processes, .* got 19"):
        StoredScenes(stored, SCENES, 5, 3, 4)


def test_a_folder_that_a_bank_filled_serves_too(stored: SceneSupply, here_and_now: None, monkeypatch) -> None:
    monkeypatch.setattr(bank_module, "render_scenes", None)
    with closing(SceneBank(stored, 24, 1)) as bank, opened(stored, 24) as scenes:
        bank._workers = 0
        assert sorted(keys(bank.draw(24).features)) == sorted(keys(scenes.draw(24).features))


def test_scenes_that_are_not_there_are_named(stored: SceneSupply) -> None:
    with pytest.raises(UsageError, match=r"asks for 40 scenes, and 2 of their 5 files are missing; render them with"):
        StoredScenes(stored, 40, 5)
    with pytest.raises(UsageError, match=r"synth.scenes counts scenes in a folder; name it: --bank DIR"):
        StoredScenes(SceneSupply(stored.stage, ("logmel",), 3), 8, 5)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", HereAndNow)
    monkeypatch.setattr(workers, "prepare_worker", lambda: None)


@pytest.mark.usefixtures("in_this_process")
def test_a_filled_bank_is_what_a_training_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [f"{cls}_{name}" for cls, name in enumerate(("female_speech", "male_speech", "clapping"))]
    made = write_sounds(tmp_path / "made")
    for old, new in zip(sorted(made.iterdir()), folders, strict=True):
        (tmp_path / "sounds").mkdir(exist_ok=True)
        old.rename(tmp_path / "sounds" / new)
    sounds, bank = str(tmp_path / "sounds"), tmp_path / "bank"
    scenes = ["--scenes", "10", "--validation-scenes", "3", "--features", "logmel,direct,ild"]
    fill = ["synth", "bank", str(bank), "--sounds", sounds, *scenes, "--set", "synth.procedural_sounds=0"]
    assert call(*fill) == 0
    assert "made 24 scenes" in capsys.readouterr().err
    chunks = {path.relative_to(bank).as_posix() for path in bank.rglob("*.safetensors")}
    assert chunks == {"000001.safetensors", "000002.safetensors", "validation/000000.safetensors"}

    kept = (bank / "000002.safetensors").read_bytes()
    (bank / "000002.safetensors").unlink()
    assert call(*fill) == 0
    assert f"made {CHUNK} scenes" in capsys.readouterr().err
    assert (bank / "000002.safetensors").read_bytes() == kept

    monkeypatch.setattr(bank_module, "render_scenes", None)
    changes = ["run.validate_every=2", "synth.procedural_sounds=0", "synth.validation_scenes=3", "synth.scenes=10"]
    changes.append("run.seed=7")
    train = ["train", "sce", "--data", "synth", "--sounds", sounds, "--bank", str(bank), "--steps", "2", "--batch", "4"]
    assert call(*train, *(word for change in changes for word in ("--set", change)), "-o", str(tmp_path / "run")) == 0
    capsys.readouterr()
    # A training that renders has the seed of its scenes.
    alone = ["--seed", "5", "--set", "synth.procedural_sounds=0"]
    assert call(*train, *alone, "-o", str(tmp_path / "other")) == 2
    assert "seed: 12332 there, 5 here" in capsys.readouterr().err


def test_features_that_no_network_takes_are_refused(tmp_path: Path, capsys) -> None:
    sounds = str(write_sounds(tmp_path / "sounds"))
    command = ["synth", "bank", str(tmp_path / "bank"), "--sounds", sounds, "--scenes", "8", "--features", "spectrum"]
    assert call(*command) == 2
    assert "feature 'spectrum' is an intermediate result" in capsys.readouterr().err
    assert not (tmp_path / "bank").exists()
