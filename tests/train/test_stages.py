"""Training in stages: what each stage learns from, where it begins, and how it goes on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seldfuse.core.labels import DCASE2025
from seldfuse.errors import UsageError
from seldfuse.train import stages as stages_module
from seldfuse.train.recipe import SYNTH, DataPart, Recipe, TrainingStage, parse_recipe, read_preset
from seldfuse.train.recipe_paths import read_recipe
from seldfuse.train.stages import expand_stages, train_in_stages
from seldfuse_cmc.train import CmcTask

TWO = (
    TrainingStage("first", "synth", 0.25, {"augment": {"drop_picture": 1.0}}),
    TrainingStage("then", "folders", 0.5, {"optimizer": {"peak_learning_rate": 2e-4}}),
)


def recipe(*sources: str) -> Recipe:
    plain = parse_recipe(read_preset(CmcTask.recipes, "small"))
    return replace(plain, stages=TWO, data=tuple(DataPart(source) for source in sources))


def test_each_stage_has_its_scenes_its_share_of_the_steps_and_its_changes() -> None:
    both = recipe(SYNTH, "mine")
    first, then = expand_stages(both).items()
    assert first[0] == "1-first"
    assert first[1].data == (DataPart(SYNTH),)
    assert first[1].run.steps == both.run.steps // 4
    assert (first[1].augment["drop_picture"], first[1].augment["channel_swap"]) == (1.0, both.augment["channel_swap"])
    assert then[1].data == (DataPart("mine"),)
    assert then[1].optimizer == replace(both.optimizer, peak_learning_rate=2e-4)
    assert not then[1].stages


def test_stages_without_data_are_left_out() -> None:
    assert list(expand_stages(recipe("mine"))) == ["2-then"]
    with pytest.raises(UsageError, match="expected data to train on"):
        expand_stages(recipe())


def test_a_stage_that_changes_what_no_recipe_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"augment\.blnd"):
        expand_stages(
            replace(recipe(SYNTH), stages=(TrainingStage("first", "synth", 1.0, {"augment": {"blnd": 1.0}}),))
        )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str, bool]]:
    """What each stage was called with, while stages write what a training leaves, and no more."""
    calls: list[tuple[Path, str, bool]] = []

    def leave(_task, _labels, settings, out, _device, _watch, _warn, resume):
        calls.append((out, settings.init, resume))
        if len(calls) == 2:
            raise KeyboardInterrupt
        out.mkdir(parents=True, exist_ok=True)
        for name in ("model.safetensors", "config.json", "README.md", "state.safetensors"):
            (out / name).write_text(out.name)
        return {"f20_1_on": len(calls) / 10}

    monkeypatch.setattr(stages_module, "train_network", leave)
    return calls


def test_a_stage_begins_where_the_last_one_ended_and_a_broken_off_training_goes_on(tmp_path: Path, told) -> None:
    def go(resume: bool = False):
        ignore = lambda _: None  # noqa: E731
        device = torch.device("cpu")
        return train_in_stages(CmcTask(), DCASE2025, recipe(SYNTH, "mine"), tmp_path, device, ignore, ignore, resume)

    with pytest.raises(KeyboardInterrupt):
        go()
    first, then = tmp_path / "1-first", tmp_path / "2-then"
    assert told == [(first, "sce-medium", False), (then, str(first / "last"), False)]
    assert parse_recipe(read_recipe(tmp_path / "recipe.toml")) == recipe(SYNTH, str(tmp_path / "mine"))
    with pytest.raises(UsageError, match="go on with --resume"):
        go()
    assert go(resume=True) == {"f20_1_on": 0.4}
    assert told[2:] == [(first, "sce-medium", True), (then, str(first / "last"), False)]
    assert (tmp_path / "model.safetensors").read_text() == "2-then"
