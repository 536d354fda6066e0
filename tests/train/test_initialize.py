"""A training that begins with another network's weights, whose features may be others."""

from pathlib import Path
from typing import Any

import pytest
import torch
from worlds import save_random

from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import CheckpointError
from seldfuse.train.initialize import copy_weights
from seldfuse.train.recipe import parse_recipe, read_preset
from seldfuse_cmc.network import from_settings
from seldfuse_cmc.train import CmcTask
from seldfuse_mvanet_ts.network import from_settings as mvanet_from_settings
from seldfuse_mvanet_ts.train import MvaTask
from seldfuse_sed_sce.network import from_settings as sce_from_settings

CMC = ("logmel", "ild", "stpacc")
FIRST = "trunk.resnet.layers.0.weight"


def test_channels_follow_their_features(tmp_path: Path) -> None:
    settings = read_preset(CmcTask.recipes, "small")["network"]
    settings["trunk"]["widths"] = [4, 4, 8, 8]
    network = from_settings(settings, DCASE2025)
    opened = open_checkpoint(str(save_random(tmp_path, "sce", DCASE2025)), "cmc", of_any=True)
    assert not copy_weights(network, opened, CMC)
    given, own = opened.read_weights(), network.state_dict()
    heard = given[FIRST].float()  # log-mel of two channels, intensity
    assert torch.equal(own[FIRST][:, :2], heard[:, :2])
    assert torch.equal(own[FIRST][:, 2], heard[:, 2])
    assert (own[FIRST][:, 3] == 0).all()
    assert torch.equal(own["trunk.mean"][:2], given["trunk.mean"][:2].float())


def test_features_that_are_not_heard_are_left_out(tmp_path: Path) -> None:
    opened = open_checkpoint(str(save_random(tmp_path / "sde", "sde", DCASE2025)), "sce", of_any=True)
    sce = open_checkpoint(str(save_random(tmp_path / "sce", "sce", DCASE2025)), "sce")
    network = sce_from_settings(sce.config["network"], DCASE2025)
    assert copy_weights(network, opened, ("logmel", "intensity"))
    assert torch.equal(network.state_dict()[FIRST], opened.read_weights()[FIRST][:, :3].float())


def test_weights_without_a_place_are_refused() -> None:
    with pytest.raises(CheckpointError, match="no weight of the checkpoint has a place in this network"):
        copy_weights(torch.nn.Linear(2, 2), open_checkpoint("sce-medium", "cmc", of_any=True), CMC)


@pytest.mark.parametrize(("task", "build"), [(CmcTask, from_settings), (MvaTask, mvanet_from_settings)])
def test_recipes_start_from_all_of_the_trunk_that_ships(task: Any, build: Any) -> None:
    """But for what takes tokens, which networks that see do not have, and, in the first layer, other features."""
    recipe = parse_recipe(read_preset(task.recipes, "small"))
    network = build(recipe.network, DCASE2025)
    opened = open_checkpoint(recipe.init, task.backend, of_any=True)
    copy_weights(network, opened, recipe.features)
    given, own = opened.read_weights(), network.state_dict()
    trunk = {name for name in given if name.startswith("trunk.") and not name.startswith("trunk.join.")}
    different = {name for name in trunk if not torch.equal(own[name], given[name].to(own[name]))}
    assert different <= {FIRST, "trunk.mean", "trunk.deviation"}
    assert torch.equal(own[FIRST][:, :2], given[FIRST][:, :2].float())
