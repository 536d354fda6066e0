"""The challenge's baseline as a backend: its size, its recipes, and what its tracks become."""

from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import THREE

from seldfuse.catalogue.host import load_registry
from seldfuse.checkpoint import save_checkpoint
from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import CheckpointError
from seldfuse.features.load import make_batch
from seldfuse.features.stack import stack_features
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors
from seldfuse.train.recipe import Recipe, parse_recipe, read_preset
from seldfuse.train.task import TrainingTask
from seldfuse_baseline.network import BaselineConfig, BaselineNetwork, from_settings, to_posterior
from seldfuse_baseline.train import BaselineTask

TINY = {"channels": 8, "dim": 16, "heads": 2, "recurrent_layers": 2, "attention_layers": 1, "dropout": 0.0}


def tiny(labels: LabelSet = THREE, seed: int = 0) -> BaselineNetwork:
    torch.manual_seed(seed)
    return from_settings(TINY, labels).eval()


# --- the network ----------------------------------------------------------------------------------------------------


def test_the_network_has_the_published_number_of_parameters() -> None:
    network = BaselineNetwork(BaselineConfig(), len(DCASE2025))
    assert sum(parameter.numel() for parameter in network.parameters()) == 734_261


@pytest.mark.parametrize(("columns", "frames"), [(250, 50), (251, 50), (50, 10), (37, 7)])
@torch.inference_mode()
def test_every_five_columns_give_three_tracks_of_three_elements_per_class(columns: int, frames: int) -> None:
    raw = tiny()(torch.randn(2, 2, columns, 64) * 20)
    assert raw.shape == (2, frames, 3 * 3 * len(THREE))
    x, y, distance = raw.unflatten(-1, (3, 3, len(THREE))).unbind(-2)
    assert x.abs().max() <= 1
    assert y.abs().max() <= 1
    assert distance.min() >= 0


@torch.inference_mode()
def test_features_are_standardised_only_when_their_statistics_are_known() -> None:
    logmel = torch.randn(2, 2, 250, 64) * 10 - 40
    plain, standardising = tiny(), tiny()
    mean, deviation = torch.rand(2, 64) * 5 - 40, torch.rand(2, 64) * 5 + 7
    standardising.set_statistics(mean, deviation)
    by_hand = (logmel - mean.unsqueeze(1)) / deviation.unsqueeze(1)
    assert torch.equal(standardising(logmel), plain(by_hand))
    assert not torch.allclose(standardising(logmel), plain(logmel), atol=1e-3)


@torch.inference_mode()
def test_the_network_is_built_again_from_its_settings() -> None:
    network = tiny()
    again = from_settings(network.settings(), THREE).eval()
    again.load_state_dict(network.state_dict())
    logmel = torch.randn(1, 2, 250, 64)
    assert torch.equal(again(logmel), network(logmel))


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"unknown settings: colour$"):
        from_settings({**TINY, "colour": "red"}, THREE)


# --- what it says ---------------------------------------------------------------------------------------------------


def head(*tracks: tuple[float, float, float]) -> torch.Tensor:
    """One clip, one frame; class 0 sounds on tracks of (azimuth, length, metres)."""
    raw = torch.zeros(1, 1, 3, 3, len(THREE))
    for k, (azimuth_deg, length, distance_m) in enumerate(tracks):
        azimuth = np.radians(azimuth_deg)
        raw[0, 0, k, :, 0] = torch.tensor([length * np.cos(azimuth), length * np.sin(azimuth), distance_m])
    return raw.flatten(2)


def test_a_source_behind_is_heard_in_front() -> None:
    said = to_posterior(head((150, 0.8, 2.0), (-100, 0.9, 1.0)), THREE)
    assert azimuth_from_direction(said.direction)[0, 0, 0, :2].tolist() == pytest.approx([30, -80], abs=1e-3)
    assert said.activity[0, 0, 0].tolist() == pytest.approx([0.8, 0.9, 0.0])


def test_three_tracks_meet_one_of_another_member() -> None:
    baseline = to_posterior(head((-40, 0.9, 2.0), (40, 0.8, 1.0), (44, 0.8, 1.0)), THREE)
    activity = torch.zeros(1, 1, len(THREE), 1)
    activity[0, 0, 0] = 0.9
    azimuth_deg = torch.full_like(activity, 46.0)
    sce = Posterior(activity, direction_from_azimuth(azimuth_deg), torch.ones_like(activity), labels=THREE)
    fused = fuse_posteriors({"baseline": baseline, "sce": sce}, FusionSettings())
    assert fused.tracks == 3
    (events,) = decode_frames(fused)
    rows = events.table[["azimuth_deg", "distance_m"]].sort_values("azimuth_deg").to_numpy()
    assert rows == pytest.approx(np.array([[-40, 2.0], [44, 1.0]]), abs=0.5)


# --- as a backend ---------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_a_checkpoint_gives_what_its_network_gave(tmp_path: Path) -> None:
    network = tiny().half().float()  # weights are stored in half precision
    network.set_statistics(torch.full((2, 64), -40.0), torch.full((2, 64), 8.0))
    settings = {"features": ["logmel"], "network": network.settings(), "training": {}}
    save_checkpoint(tmp_path / "tiny", network, "baseline", THREE, settings)
    backend = load_registry().find_backend(f"baseline@{tmp_path / 'tiny'}").load(torch.device("cpu"))
    batch = make_batch(torch.randn(2, 2, 120_000, generator=torch.Generator().manual_seed(0)) * 0.05)
    said, own = backend.infer(batch), to_posterior(network(stack_features(batch, ["logmel"])), THREE)
    assert said.provides == ("activity", "direction", "distance")
    assert said.activity.shape == (2, 50, len(THREE), 3)
    for name, tensor in said.tensors().items():
        assert torch.equal(tensor, own.tensors()[name]), name


def test_the_plugin_says_what_it_gives() -> None:
    request = load_registry().find_backend("dcase2025-baseline")
    assert (request.value.name, request.value.needs_video) == ("baseline", False)
    assert request.value.provides == ("activity", "direction", "distance")
    model = request.load(torch.device("cpu"))
    assert (model.features, dict(model.encoders)) == (("logmel",), {})
    assert model.infer(make_batch(torch.zeros(1, 2, 24_000))).tracks == 3


# --- as a task ------------------------------------------------------------------------------------------------------


def recipe(name: str) -> Recipe:
    return parse_recipe(read_preset(BaselineTask.recipes, name))


@pytest.mark.parametrize("name", ["small", "base"])
def test_the_recipes_build_the_published_network(name: str) -> None:
    network = BaselineTask().build(recipe(name).network, DCASE2025)
    assert recipe(name).features == ("logmel",)
    assert network.config == BaselineConfig()


def test_the_challenge_trains_without_any_of_our_tricks() -> None:
    base = recipe("base")
    assert not base.standardize
    assert (base.optimizer.schedule, base.optimizer.clip_norm, base.run.ema_decay) == ("constant", 0.0, 0.0)
    assert (base.augment["channel_swap"], base.augment["mixup"]) == (0.0, 0.0)


def test_every_weight_learns() -> None:
    task = BaselineTask()
    assert isinstance(task, TrainingTask)
    network = tiny().train()
    shape = (2, 50, len(THREE), 3)
    activity = torch.zeros(shape)
    activity[:, 10:40, 0, :2] = 1.0
    azimuth_deg = torch.tensor([30.0, -50.0, 0.0]).expand(shape)
    truth = Posterior(activity, direction_from_azimuth(azimuth_deg), torch.full(shape, 2.0), labels=THREE)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    logmel, losses = torch.randn(2, 2, 250, 64), []
    for _ in range(8):
        loss = task.loss(network(logmel), truth, {})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []
    assert losses[-1] < 0.9 * losses[0]
    assert task.posterior(network(logmel), THREE).tracks == 3
