"""A training is what its folder says: what may change as it goes on, where its data is, and what its names mean."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import call

from seldfuse.checkpoint import find_checkpoint, open_checkpoint, save_checkpoint
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.media.encode import write_wav
from seldfuse.storage.quoted import split_quoted
from seldfuse.train.recipe import parse_recipe
from seldfuse.train.recipe_paths import make_portable, read_recipe
from seldfuse.train.resume import resume_recipe

TINY = (
    "--batch", "2", "--device", "cpu", "--set", "network.trunk.widths=[4,4,8,8]", "--set", "network.trunk.dim=16",
    "--set", "network.trunk.blocks=1", "--set", "features=['logmel']", "--set", "network.trunk.channels=2",
    "--set", "augment.codec=0",
)  # fmt: skip


def write_clips(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        write_wav(folder / f"clip{number}.wav", (rng.normal(size=(2, 24_000 * 5)) * 0.05).astype(np.float32))
        (folder / f"clip{number}.csv").write_text("".join(f"{frame},10,0,{number * 9},0,200\n" for frame in range(50)))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a training of two steps, begun with relative paths."""
    root = tmp_path_factory.mktemp("resume")
    write_clips(root / "a" / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root / "a")
        assert call("train", "sce", "--data", "data", "--steps", "2", *TINY, "-o", "../run") == 0
    return root


@pytest.fixture
def world(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path / "world")
    (tmp_path / "world" / "b").mkdir()
    monkeypatch.chdir(tmp_path / "world" / "b")
    return tmp_path / "world"


def resume(*options: str) -> int:
    return call("train", "sce", "-o", "../run", "--resume", "--device", "cpu", *options)


def test_a_training_goes_on_with_more_steps_and_data_that_moved_along(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A folder of the same name where the command is typed is not taken for it.
    write_clips(world / "b" / "data", 2)
    assert resume("--steps", "3", "--learning-rate", "1e-5") == 0
    told = capsys.readouterr().err
    assert "goes on with run.steps 2 → 3" in told
    assert "goes on with optimizer.peak_learning_rate 0.001 → 1e-05" in told
    assert "step 3/3" in told
    assert "clips are others" not in told
    assert parse_recipe(read_recipe(world / "run" / "recipe.toml")).run.steps == 3


def test_a_training_that_is_finished_says_so(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume() == 0
    assert "nothing left to do: 2 of 2 steps are made; --resume --steps 4 goes on" in capsys.readouterr().err


def test_what_may_not_change_is_refused_with_what_to_type(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume("--set", "augment.mixup=0.3", "--seed", "5", "--steps", "9") == 2
    told = capsys.readouterr().err
    assert "run.seed, augment.mixup cannot change" in told.replace("augment.mixup, run.seed", "run.seed, augment.mixup")
    assert "--init FOLDER -o OTHER" in told
    assert resume("--preset", "base") == 2
    assert resume("--data", "nowhere") == 2
    assert "there is none" in capsys.readouterr().err


def test_clips_that_changed_are_told(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "a" / "data" / "clip3.csv").unlink()
    assert resume("--steps", "3") == 0
    told = capsys.readouterr().err
    assert "the clips are others than before: 4 then, 3 now" in told
    assert "the best checkpoint is chosen anew" in told


def test_paths_are_kept_relative_to_the_recipe(world: Path) -> None:
    assert 'source = "../a/data"' in (world / "run" / "recipe.toml").read_text()
    shutil.move(world, world.parent / "elsewhere")
    moved = read_recipe(world.parent / "elsewhere" / "run" / "recipe.toml")
    assert moved["data"][0]["source"] == str((world.parent / "elsewhere" / "a" / "data").resolve())


def test_paths_with_nothing_in_common_stay_from_the_root_on(tmp_path: Path) -> None:
    table = {"synth": {"sounds": "/elsewhere/sounds"}, "data": [{"source": "synth"}], "init": "bundled:sce-medium"}
    assert make_portable(table, tmp_path) == table


def test_stages_share_their_steps_once_and_for_all() -> None:
    table = {
        "features": ["logmel"],
        "network": {},
        "stages": [{"name": "one", "source": "synth", "share": 1.0}],
        "run": {"steps": 4},
    }
    with pytest.raises(UsageError, match=r"run\.steps cannot change"):
        resume_recipe(table, {**table, "run": {"steps": 8}})
    assert resume_recipe(table, table).changes == ()


def test_a_name_that_may_mean_two_checkpoints_is_an_error_that_shows_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(open_checkpoint("sce-medium", "sce").folder, tmp_path / "sce-medium")
    with pytest.raises(CheckpointError, match=r"type bundled:sce-medium for the former, \./sce-medium for the latter"):
        find_checkpoint("sce-medium")
    assert call("train", "sce", "--init", "sce-medium", "--data", "x", "--dry-run") == 5
    assert call("train", "sce", "--init", "./sce-medium", "--data", "x", "--dry-run") == 0
    assert f'init = "{tmp_path / "sce-medium"}"' in capsys.readouterr().out
    assert call("train", "sce", "--init", "bundled:sce-medium", "--data", "x", "--dry-run") == 0
    assert 'init = "bundled:sce-medium"' in capsys.readouterr().out
    # A bare backend is the bundled checkpoint, whatever folders there are.
    write_wav(tmp_path / "a.wav", np.zeros((2, 24_000), np.float32))
    (tmp_path / "sce-medium" / "model.safetensors").write_bytes(b"")
    assert call("run", "a.wav", "--backends", "sce", "-o", "out") == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sce@runs/a,doa", ["sce@runs/a", "doa"]),
        ('sce@"runs/a,b", doa', ["sce@runs/a,b", "doa"]),
        ("sce@'a,b'", ["sce@a,b"]),
        ("sce@it's", ["sce@it's"]),
        ("", [""]),
    ],
)
def test_commas_can_be_quoted(text: str, parts: list[str]) -> None:
    assert split_quoted(text, ",") == parts


def test_equals_signs_can_be_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seldfuse.cli.commands.train import _part

    monkeypatch.chdir(tmp_path)
    assert _part("a=2") == {"source": str(tmp_path / "a"), "weight": 2.0}
    assert _part('"a=2"') == {"source": str(tmp_path / "a=2")}
    assert _part('"a=2"=0.5') == {"source": str(tmp_path / "a=2"), "weight": 0.5}
    assert _part("a=b") == {"source": str(tmp_path / "a=b")}
    assert _part("synth=3") == {"source": "synth", "weight": 3.0}


def test_what_half_precision_cannot_hold_stays_in_single_precision(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    network.register_buffer("large", torch.tensor([1.0, 1e6]))
    save_checkpoint(tmp_path, network, "mine", DCASE2025, {})
    weights = open_checkpoint(str(tmp_path), "mine").read_weights()
    assert weights["large"].tolist() == [1.0, 1e6]
    assert weights["weight"].dtype == torch.float16
    network.large[0] = torch.nan
    with pytest.raises(CheckpointError, match="holds values that are not numbers"):
        save_checkpoint(tmp_path, network, "mine", DCASE2025, {})
    assert open_checkpoint(str(tmp_path), "mine").read_weights()["large"].tolist() == [1.0, 1e6]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3573550\n", "a Git LFS pointer, not"),
        ("\n<!DOCTYPE html><html><body>Sign in</body></html>", "a page of the web, saved in place of"),
    ],
)
def test_pointers_and_pages_are_named(
    tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(open_checkpoint("sce-medium", "sce").folder, tmp_path / "lfs")
    (tmp_path / "lfs" / "model.safetensors").unlink()
    (tmp_path / "lfs" / "model.safetensors").write_text(content)
    (tmp_path / "a.wav").write_text(content)
    (tmp_path / "member").mkdir()
    (tmp_path / "member" / "a.safetensors").write_text(content)
    assert call("run", "@demo", "--backends", f"sce@{tmp_path / 'lfs'}", "-o", str(tmp_path / "out")) == 5
    assert f"{message} the weights" in capsys.readouterr().err
    assert call("run", str(tmp_path / "a.wav"), "--backends", "baseline", "-o", str(tmp_path / "out")) == 4
    assert f"{message} a recording" in capsys.readouterr().err
    assert call("fuse", str(tmp_path / "member"), "-o", str(tmp_path / "out")) == 2
    assert f"{message} a posterior" in capsys.readouterr().err


def test_the_state_knows_its_clips(trained: Path) -> None:
    from safetensors import safe_open

    with safe_open(trained / "run" / "state.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["training"])
    assert header["data"]["clips"] == 4
    assert len(header["data"]["digest"]) == 64
