"""The trainer: it learns, keeps the best, goes on where it stopped, and says what is wrong."""

import copy
import errno
import json
import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from worlds import THREE, write_sounds

from seldfuse.catalogue.load import load_reference
from seldfuse.checkpoint import open_checkpoint
from seldfuse.cli import main
from seldfuse.encoders import compact_audio
from seldfuse.encoders.compact_audio import encode_logmel
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.metrics.scores import Scores
from seldfuse.train import loop, setup
from seldfuse.train.initialize import copy_weights
from seldfuse.train.loop import LAST, TrainingError, train_network
from seldfuse.train.progress import LOG, StepReport, TrainingLog
from seldfuse.train.recipe import DataPart, Recipe, apply_assignments, parse_recipe, read_preset
from seldfuse.train.recipe_paths import read_recipe
from seldfuse.train.schedule import cosine_lr, tri_stage_lr
from seldfuse.train.state import STATE
from seldfuse_sed_doa.train import DoaTask
from seldfuse_sed_sce.train import SceTask

pytestmark = pytest.mark.usefixtures("here_and_now")

CPU = torch.device("cpu")
TASKS = {
    "doa": "seldfuse_sed_doa.train:DoaTask",
    "sde": "seldfuse_sed_sde.train:SdeTask",
    "sce": "seldfuse_sed_sce.train:SceTask",
    "baseline": "seldfuse_baseline.train:BaselineTask",
}
TRUNK = {"widths": [4, 4, 8, 8], "projection": 8, "dim": 16, "blocks": 1, "heads": 2, "head_dim": 8}


@pytest.fixture(autouse=True)
def _small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "SAMPLE", 16)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sounds(tmp_path_factory.mktemp("sounds"))


def tiny(task: Any, sounds: Path, **run: Any) -> Recipe:
    """The bundled recipe on a network that costs nothing, and on few random scenes."""
    table = read_preset(task.recipes, "small")
    if "trunk" in table["network"]:
        table["network"]["trunk"].update(TRUNK)
    else:
        table["network"].update(channels=8, dim=16, heads=2)
    table["run"].update({"steps": 3, "batch_size": 4, "validate_every": 2, **run})
    table["synth"].update(sounds=str(sounds), pool_size=8, validation_scenes=4)
    return parse_recipe({**table, "data": [{"source": "synth"}]})


def taught(task: Any, recipe: Recipe, out: Path, resume: bool = False, warn: Any = lambda _: None) -> list[StepReport]:
    seen: list[StepReport] = []
    train_network(task, THREE, recipe, out, CPU, seen.append, warn, resume)
    return seen


def task_of(name: str) -> Any:
    return load_reference(TASKS[name])()


@pytest.mark.parametrize("name", TASKS)
def test_a_training_leaves_checkpoints_a_card_a_recipe_and_a_log(name: str, sounds: Path, tmp_path: Path) -> None:
    task = task_of(name)
    seen = taught(task, tiny(task, sounds), tmp_path)
    assert [progress.step for progress in seen] == [1, 2, 3]
    assert [progress.scores is not None for progress in seen] == [False, True, True]
    opened = open_checkpoint(str(tmp_path), name)
    assert opened.labels.names == THREE.names
    assert opened.config["training"]["recipe"]["run"]["steps"] == 3
    assert open_checkpoint(str(tmp_path / LAST), name).config["training"]["step"] == 3
    network = task.build(opened.config["network"], opened.labels)
    opened.load_into(network)
    card = (tmp_path / "README.md").read_text()
    assert f"A checkpoint of the backend `{name}`" in card
    assert f"{sum(weights.numel() for weights in network.parameters()):,} parameters" in card
    assert "What it knows beyond the side of a source" in card
    assert ("cut-outs of people" in card) == (name in ("mvanet", "cmc"))
    assert [json.loads(line)["step"] for line in (tmp_path / LOG).read_text().splitlines()] == [1, 2, 3]
    assert parse_recipe(read_recipe(tmp_path / loop.RECIPE)) == tiny(task, sounds)


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def test_nothing_of_this_machine_is_told_in_a_checkpoint(sounds: Path, tmp_path: Path) -> None:
    recipe = tiny(SceTask(), sounds)
    taught(SceTask(), replace(recipe, synth=replace(recipe.synth, scene_bank=str(tmp_path / "bank"))), tmp_path / "run")
    for name in ("config.json", "README.md"):
        assert str(sounds.parent) not in (tmp_path / "run" / name).read_text()
        assert str(tmp_path) not in (tmp_path / "run" / name).read_text()


def with_score(scores: Scores, name: str, value: float) -> Scores:
    changed = copy.copy(scores)
    changed._values = {**scores, name: value}
    return changed


def test_the_best_checkpoint_is_the_one_with_the_best_score(sounds: Path, tmp_path: Path, monkeypatch) -> None:
    real, given = loop.score_network, iter([0.5, 0.9, 0.7])

    def score(*arguments):
        return with_score(real(*arguments), SceTask.criterion, next(given))

    monkeypatch.setattr(loop, "score_network", score)
    task = SceTask()
    best = train_network(
        task, THREE, tiny(task, sounds, steps=3, validate_every=1), tmp_path, CPU, lambda _: None, print
    )
    assert best[SceTask.criterion] == 0.9
    assert open_checkpoint(str(tmp_path), "sce").config["training"]["step"] == 2
    assert open_checkpoint(str(tmp_path / LAST), "sce").config["training"]["step"] == 3


def test_a_training_ends_when_nothing_gets_better(sounds: Path, tmp_path: Path, monkeypatch) -> None:
    real, given = loop.score_network, iter([0.5, 0.4, 0.3, 0.9])

    def score(*arguments):
        return with_score(real(*arguments), SceTask.criterion, next(given))

    monkeypatch.setattr(loop, "score_network", score)
    seen = taught(SceTask(), tiny(SceTask(), sounds, steps=9, validate_every=1, patience=2), tmp_path)
    assert [progress.step for progress in seen] == [1, 2, 3]


def test_typical_distances_are_those_of_the_training_scenes(sounds: Path, tmp_path: Path) -> None:
    taught(DoaTask(), tiny(DoaTask(), sounds), tmp_path)
    distances_m = [label.typical_distance_m for label in open_checkpoint(str(tmp_path), "doa").labels.classes]
    assert all(0.5 <= distance <= 5.0 for distance in distances_m)
    assert len(set(distances_m)) > 1


def test_the_loss_falls(sounds: Path, tmp_path: Path) -> None:
    """On few scenes that come again and again, for single ones differ by more than a short training gains."""
    recipe = tiny(SceTask(), sounds, steps=60, batch_size=8, validate_every=60)
    recipe = replace(
        recipe,
        optimizer=replace(recipe.optimizer, peak_learning_rate=1e-2),
        synth=replace(recipe.synth, pool_size=16, uses_per_scene=10),
        augment=dict.fromkeys(recipe.augment, 0.0),
    )
    losses = [progress.loss for progress in taught(SceTask(), recipe, tmp_path)]
    assert sum(losses[-20:]) / 20 < 0.9 * sum(losses[:5]) / 5


def test_a_training_can_start_from_another_backends_checkpoint(sounds: Path, tmp_path: Path) -> None:
    taught(DoaTask(), tiny(DoaTask(), sounds), tmp_path / "doa")
    network = SceTask().build(tiny(SceTask(), sounds).network, THREE)
    before = network.log_distance.layer.weight.clone()
    heard = tiny(SceTask(), sounds).features
    assert copy_weights(network, open_checkpoint(str(tmp_path / "doa"), "sce", of_any=True), heard)
    given = safetensors.torch.load_file(tmp_path / "doa" / "model.safetensors")
    own = network.state_dict()
    copied = {name for name in given if name in own and torch.equal(own[name], given[name].float())}
    assert copied >= {name for name in given if name.startswith(("trunk", "activity"))}
    assert torch.equal(network.trunk.into[0].weight, given["trunk.into.0.weight"].float())
    assert torch.equal(network.log_distance.layer.weight, before)


def test_an_own_checkpoint_brings_its_size_and_its_features_statistics(sounds: Path, tmp_path: Path) -> None:
    task = SceTask()
    taught(task, tiny(task, sounds), tmp_path / "first")
    wide = tiny(task, sounds)
    wide.network["trunk"]["dim"] = 32
    taught(task, replace(wide, init=str(tmp_path / "first")), tmp_path / "second")
    first, second = (open_checkpoint(str(tmp_path / name), "sce") for name in ("first", "second"))
    assert second.config["network"] == first.config["network"]
    means = [
        safetensors.torch.load_file(opened.folder / "model.safetensors")["trunk.mean"] for opened in (first, second)
    ]
    assert torch.equal(*means)


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("last", [3, 4])
def test_a_killed_training_goes_on_to_the_same_weights(
    last: int, accumulate: int, sounds: Path, tmp_path: Path
) -> None:
    task = SceTask()
    recipe = tiny(task, sounds, steps=6, accumulate_steps=accumulate)
    whole = taught(task, recipe, tmp_path / "whole")

    def kill(progress: StepReport) -> None:
        if progress.step == last:
            raise _KilledError

    with pytest.raises(_KilledError):
        train_network(task, THREE, recipe, tmp_path / "cut", CPU, kill, print)
    rest = taught(task, recipe, tmp_path / "cut", resume=True)

    assert rest[0].step == last - last % 2 + 1
    assert [progress.loss for progress in rest] == [progress.loss for progress in whole[rest[0].step - 1 :]]
    ours, theirs = (safetensors.torch.load_file(tmp_path / name / STATE) for name in ("whole", "cut"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
    log = [json.loads(line)["step"] for line in (tmp_path / "cut" / LOG).read_text().splitlines()]
    assert log == [1, 2, 3, 4, 5, 6]


def test_an_encoder_that_is_first_asked_for_in_a_step_leaves_the_steps_random_numbers_alone() -> None:
    """The tagger inside of a network is loaded by the first step, which is another one where a training goes on."""
    logmel = torch.full((1, 2, 50, 64), -60.0)
    for _ in range(2):
        torch.manual_seed(1)
        encode_logmel(logmel)
        found = torch.rand(3)
        torch.manual_seed(1)
        assert torch.equal(found, torch.rand(3))
        compact_audio._load.cache_clear()


def test_a_line_that_was_cut_short_leaves_the_log(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"step": 1}\n{"step": 2}\n{"st')
    TrainingLog(tmp_path, done=1).close()
    assert (tmp_path / LOG).read_text() == '{"step": 1}\n'


def test_a_training_is_not_begun_over_another(sounds: Path, tmp_path: Path) -> None:
    taught(SceTask(), tiny(SceTask(), sounds), tmp_path)
    with pytest.raises(UsageError, match="a training stands here; go on with --resume"):
        taught(SceTask(), tiny(SceTask(), sounds), tmp_path)


def test_going_on_needs_a_state(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no training was begun here"):
        taught(SceTask(), tiny(SceTask(), sounds), tmp_path, resume=True)
    (tmp_path / STATE).write_bytes(b"\x10\0\0\0\0\0\0\0nothing")
    with pytest.raises(CheckpointError, match="the state of the training is damaged"):
        taught(SceTask(), tiny(SceTask(), sounds), tmp_path, resume=True)


class _Broken(SceTask):
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def loss(self, output, truth, settings):
        if self.error is not None:
            raise self.error
        return super().loss(output, truth, settings) * torch.nan


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (None, "the loss is no longer a number; lower --learning-rate"),
        (torch.OutOfMemoryError("CUDA out of memory"), "memory ran out; take a smaller --batch"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            "memory ran out; take a smaller --batch",
        ),
    ],
)
def test_what_breaks_a_training_is_said_and_the_best_is_kept(
    error: Exception | None, message: str, sounds: Path, tmp_path: Path
) -> None:
    recipe = tiny(SceTask(), sounds, steps=2)
    taught(SceTask(), recipe, tmp_path)
    kept = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=message):
        taught(_Broken(error), recipe_with_steps(recipe, 3), tmp_path, resume=True)
    assert (tmp_path / "model.safetensors").read_bytes() == kept


def recipe_with_steps(recipe: Recipe, steps: int) -> Recipe:
    return replace(recipe, run=replace(recipe.run, steps=steps))


def test_another_error_of_torch_is_no_lack_of_memory(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        taught(_Broken(RuntimeError("shapes differ")), tiny(SceTask(), sounds), tmp_path)


def test_a_full_disk_is_said_and_the_last_good_state_is_kept(sounds: Path, tmp_path: Path, monkeypatch) -> None:
    recipe = tiny(SceTask(), sounds, steps=4)
    real = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        if path.suffix == ".safetensors" and data and (tmp_path / STATE).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(UsageError, match="No space left on device"):
        taught(SceTask(), recipe, tmp_path)
    monkeypatch.setattr(Path, "write_bytes", real)
    assert open_checkpoint(str(tmp_path), "sce").config["training"]["step"] == 2
    assert [progress.step for progress in taught(SceTask(), recipe, tmp_path, resume=True)] == [3, 4]


def test_half_precision_learns_on_a_cpu_too(sounds: Path, tmp_path: Path) -> None:
    seen = taught(SceTask(), tiny(SceTask(), sounds, precision="bf16"), tmp_path)
    assert all(math.isfinite(progress.loss) for progress in seen)


def test_without_data_a_training_says_how_to_name_some(sounds: Path, tmp_path: Path) -> None:
    recipe = replace(tiny(SceTask(), sounds), data=())
    with pytest.raises(UsageError, match="expected data to train on; name it: --data FOLDER"):
        taught(SceTask(), recipe, tmp_path)
    recipe = replace(recipe, data=(DataPart("synth"),), synth=replace(recipe.synth, sounds=""))
    with pytest.raises(UsageError, match="made of isolated sounds; name their folder: --sounds FOLDER"):
        taught(SceTask(), recipe, tmp_path)


def test_settings_may_lie_deep() -> None:
    table = apply_assignments({"network": {"trunk": {"channels": 3, "dim": 8}}}, ["network.trunk.channels=5"])
    assert table == {"network": {"trunk": {"channels": 5, "dim": 8}}}


def test_the_learning_rate_warms_up_holds_and_decays() -> None:
    assert tri_stage_lr(0.0) == pytest.approx(0.01)
    assert [tri_stage_lr(progress) for progress in (0.1, 0.4, 0.7)] == pytest.approx([1.0, 1.0, 1.0])
    assert tri_stage_lr(0.85) == pytest.approx(math.sqrt(0.05))
    assert tri_stage_lr(1.0) == pytest.approx(0.05)
    assert [cosine_lr(progress) for progress in (0.0, 0.1, 0.55, 1.0)] == pytest.approx([0.01, 1.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["doa", "--data", "nowhere"], 2, "expected a folder of sounds and label files, there is none"),
        (["doa", "--preset", "huge"], 2, "--preset knows base, medium, small, got 'huge'"),
        (["doa", "--steps", "0"], 2, "run.steps: input should be greater than or equal to 1, got 0"),
        (["doa", "--set", "run.stepps=3"], 2, "'stepps' is no setting of run (steps, epochs"),
        (["doa", "--set", "augment.mixupp=0"], 2, "there is no augmentation 'mixupp'; did you mean 'mixup'?"),
        (["doa", "--set", "augment.channel_swap=2"], 2, "augmentation channel_swap must be a share of the clips"),
        (["doa", "--set", "run.steps=1", "--set", "run.steps.more=2"], 2, "--set expects section.key=value"),
        (["doa", "--set", "batch"], 2, "--set expects section.key=value, such as run.batch_size=16, got 'batch'"),
        (["doa", "--recipe", "nowhere.toml"], 2, "expected a recipe, a TOML file that can be read"),
        (["doa", "--resume"], 2, "expected a recipe, a TOML file that can be read"),
        (["do"], 3, "did you mean 'doa'?"),
        (["doa", "--device", "cuda:7"], 2, "--device cuda:7: this machine shows"),
        (["doa", "--data", "synth", "--sounds", "nowhere"], 2, "expects a folder of sounds"),
        (["doa", "--data", "synth", "--init", "nowhere"], 5, "there is no checkpoint 'nowhere'"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", *arguments, "-o", str(tmp_path / "out")])
    assert left.value.code == code
    assert message in capsys.readouterr().err


def test_a_dry_run_prints_the_whole_recipe_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.chdir(tmp_path)
    main_arguments = [
        "train",
        "sce",
        "--preset",
        "base",
        "--data",
        "real=3",
        "--data",
        "synth",
        "--seed",
        "5",
        "--dry-run",
    ]
    with pytest.raises(SystemExit) as left:
        main(main_arguments)
    assert left.value.code == 0
    table = tomllib.loads(capsys.readouterr().out)
    assert table["run"] | {"seed": 5, "steps": 100_000, "batch_size": 32} == table["run"]
    assert table["loss"] == {"activity_weight": 1.0, "point_weight": 2.0}
    assert table["data"] == [{"source": str(tmp_path / "real"), "weight": 3.0}, {"source": "synth", "weight": 1.0}]
    assert tomllib.loads(parse_recipe(table).to_toml()) == table
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sce", "bundled:sce-medium"),
        ("SED-SCE", "bundled:sce-medium"),
        ("none", ""),
        ("runs/sce", str(Path("runs/sce").resolve())),
    ],
)
def test_a_backends_name_stands_for_its_checkpoint(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", "mvanet", "--init", typed, "--teacher", typed, "--data", "mine", "--dry-run"])
    assert left.value.code == 0
    table = tomllib.loads(capsys.readouterr().out)
    assert (table["init"], table["teacher"]) == (meant, meant)


def test_a_backend_and_a_folder_with_a_model_of_one_name_are_told_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sce").mkdir()
    (tmp_path / "sce" / "config.json").write_text("{}")
    with pytest.raises(SystemExit) as left:
        main(["train", "sce", "--init", "sce", "--data", "mine", "--dry-run"])
    assert left.value.code == 5
    assert "type bundled:sce-medium for the former, ./sce for the latter" in capsys.readouterr().err
