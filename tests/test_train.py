"""The trainer: it learns, keeps the best, writes a card, and its command line says what is wrong."""

import json
import math
from pathlib import Path

import pytest
import safetensors.torch
import torch
from worlds import THREE, write_sounds

from seldfuse.checkpoint import open_checkpoint
from seldfuse.cli import main
from seldfuse.train.loop import Progress, Recipe, TrainingError, train
from seldfuse.train.schedule import tri_stage
from seldfuse_sed_doa.train import DoaTask
from seldfuse_sed_sce.train import SceTask
from seldfuse_sed_sde.train import SdeTask

pytestmark = pytest.mark.usefixtures("here_and_now")

TINY = Recipe(steps=3, batch=4, bank_scenes=8, validation_scenes=4, validate_every=2)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sounds(tmp_path_factory.mktemp("sounds"))


@pytest.mark.parametrize("task", [DoaTask(), SdeTask(), SceTask()], ids=lambda task: task.backend)
def test_a_training_leaves_a_checkpoint_a_card_and_a_log(task, sounds: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    train(task, THREE, sounds, tmp_path, TINY, torch.device("cpu"), seen.append)
    assert [progress.step for progress in seen] == [1, 2, 3]
    assert [progress.scores is not None for progress in seen] == [False, True, True]
    opened = open_checkpoint(str(tmp_path), task.backend)
    assert opened.labels.names == THREE.names
    assert opened.config["training"]["steps"] == 3
    assert "Provisional" in (tmp_path / "README.md").read_text()
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3]


@pytest.mark.parametrize(("batch", "bank_scenes"), [(2, 8), (6, 4)])
def test_a_batch_may_be_smaller_than_the_reuse_and_larger_than_the_bank(
    batch: int, bank_scenes: int, sounds: Path, tmp_path: Path
) -> None:
    recipe = Recipe(steps=1, batch=batch, bank_scenes=bank_scenes, validation_scenes=4, validate_every=1)
    train(DoaTask(), THREE, sounds, tmp_path, recipe, torch.device("cpu"), lambda _: None)
    assert (tmp_path / "model.safetensors").is_file()


def test_typical_distances_are_those_of_the_training_scenes(sounds: Path, tmp_path: Path) -> None:
    train(DoaTask(), THREE, sounds, tmp_path, TINY, torch.device("cpu"), lambda _: None)
    distances_m = [label.typical_distance_m for label in open_checkpoint(str(tmp_path), "doa").labels.classes]
    assert all(0.5 <= distance <= 5.0 for distance in distances_m)
    assert len(set(distances_m)) > 1


def test_the_loss_falls(sounds: Path, tmp_path: Path) -> None:
    recipe = Recipe(steps=40, batch=8, bank_scenes=16, reuse=8, validation_scenes=4, validate_every=40)
    losses: list[float] = []
    train(
        SceTask(), THREE, sounds, tmp_path, recipe, torch.device("cpu"), lambda progress: losses.append(progress.loss)
    )
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_a_training_can_start_from_another_backends_checkpoint(sounds: Path, tmp_path: Path) -> None:
    train(DoaTask(), THREE, sounds, tmp_path / "doa", TINY, torch.device("cpu"), lambda _: None)
    network, _ = SceTask().build("small", THREE)
    before = network.point[0].weight.clone()
    copied = open_checkpoint(str(tmp_path / "doa"), "sce", of_any=True).start(network)
    given = safetensors.torch.load_file(tmp_path / "doa" / "model.safetensors")
    assert copied == sum(name.startswith(("trunk", "activity")) for name in given)
    assert torch.equal(network.trunk.into[0].weight, given["trunk.into.0.weight"].float())
    assert torch.equal(network.point[0].weight, before)


def test_a_loss_that_is_no_number_stops_the_training(sounds: Path, tmp_path: Path) -> None:
    class Broken(SceTask):
        def loss(self, network, features, truth):
            return super().loss(network, features, truth) * torch.nan

    with pytest.raises(TrainingError, match="the loss is no longer a number; lower --learning-rate"):
        train(Broken(), THREE, sounds, tmp_path, TINY, torch.device("cpu"), lambda _: None)


def test_the_learning_rate_warms_up_holds_and_decays() -> None:
    assert tri_stage(0.0) == pytest.approx(0.01)
    assert [tri_stage(progress) for progress in (0.1, 0.4, 0.7)] == pytest.approx([1.0, 1.0, 1.0])
    assert tri_stage(0.85) == pytest.approx(math.sqrt(0.05))
    assert tri_stage(1.0) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["doa", "--data", "dcase"], 2, "--data knows synth, got 'dcase'"),
        (["doa", "--preset", "huge"], 2, "--preset knows small and base, got 'huge'"),
        (["cmc"], 3, "backend 'cmc' is planned and not built"),
        (["do"], 3, "did you mean 'doa'?"),
        (["doa", "--device", "cuda:7"], 2, "--device cuda:7: this machine shows"),
        (["doa", "--sounds", "nowhere"], 2, "expects a folder of sounds: nowhere"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = arguments if "--sounds" in arguments else [*arguments, "--sounds", str(tmp_path)]
    with pytest.raises(SystemExit) as left:
        main(["train", *given, "-o", str(tmp_path / "out")])
    assert left.value.code == code
    assert message in capsys.readouterr().err
