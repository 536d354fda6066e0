"""A training that begins with another network's weights, whose features may be others."""

import pytest
import torch

from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import CheckpointError
from seldfuse.train.initialize import copy_weights
from seldfuse.train.recipe import read_preset
from seldfuse_cmc.network import from_settings
from seldfuse_cmc.train import CmcTask
from seldfuse_sed_sce.network import from_settings as sce_from_settings

CMC = ("logmel", "ild", "stpacc")
FIRST = "trunk.resnet.layers.0.weight"


def test_channels_follow_their_features() -> None:
    network = from_settings(read_preset(CmcTask.recipes, "small")["network"], DCASE2025)
    opened = open_checkpoint("sce-small", "cmc", of_any=True)
    assert not copy_weights(network, opened, CMC)
    given, own = opened.read_weights(), network.state_dict()
    heard = given[FIRST].float()  # log-mel of two channels, intensity
    assert torch.equal(own[FIRST][:, :2], heard[:, :2])
    assert torch.equal(own[FIRST][:, 2], heard[:, 2])
    assert (own[FIRST][:, 3] == 0).all()
    assert torch.equal(own["trunk.mean"][:2], given["trunk.mean"][:2].float())


def test_features_that_are_not_heard_are_left_out() -> None:
    opened = open_checkpoint("sde-small", "sce", of_any=True)
    sce = open_checkpoint("sce-small", "sce")
    network = sce_from_settings(sce.config["network"], DCASE2025)
    assert copy_weights(network, opened, ("logmel", "intensity"))
    assert torch.equal(network.state_dict()[FIRST], opened.read_weights()[FIRST][:, :3].float())


def test_weights_without_a_place_are_refused() -> None:
    with pytest.raises(CheckpointError, match="no weight of the checkpoint has a place in this network"):
        copy_weights(torch.nn.Linear(2, 2), open_checkpoint("sce-small", "cmc", of_any=True), CMC)
