"""Networks: published sizes, shapes, and losses equal to those of the reference code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import seldfuse_sed_doa.network
import seldfuse_sed_sce.network
import seldfuse_sed_sde.network
from seldfuse.catalogue.load import load_reference
from seldfuse.core.labels import DCASE2025
from seldfuse.nn.conformer import RelativeAttention
from seldfuse.nn.resnet_conformer import Trunk, TrunkConfig
from seldfuse.train.losses import activity_loss
from seldfuse.train.recipe import Recipe, parse_recipe, read_preset
from seldfuse_sed_doa.train import sed_doa_loss
from seldfuse_sed_sce.train import sed_sce_loss
from seldfuse_sed_sde.train import sed_sde_loss

NETWORKS = [seldfuse_sed_doa.network, seldfuse_sed_sde.network, seldfuse_sed_sce.network]


def from_preset(module, name: str) -> tuple[nn.Module, Recipe]:
    package = module.__package__
    task = load_reference(f"{package}.train:{package.rpartition('_')[2].capitalize()}Task")()
    recipe = parse_recipe(read_preset(task.recipes, name))
    return task.build(recipe.network, DCASE2025), recipe


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_base_has_the_published_parameter_counts() -> None:
    network, recipe = from_preset(seldfuse_sed_doa.network, "base")
    assert recipe.features == ("logmel",)
    assert parameters(network) == 11_684_084
    assert parameters(Trunk(TrunkConfig()).resnet) == 1_622_208


@pytest.mark.parametrize("module", NETWORKS)
def test_small_is_small(module) -> None:
    network, _ = from_preset(module, "small")
    window = torch.randn(1, network.trunk.config.channels, 250, 64)
    with FlopCounterMode(display=False) as counter:
        output = network.eval()(window)
    assert 1e6 <= parameters(network) <= 3e6
    assert 0.1e9 <= counter.get_total_flops() / 2 <= 0.3e9
    assert output.activity.shape == (1, 50, 13)
    posterior = module.to_posterior(output, DCASE2025)
    assert posterior.activity.shape == (1, 50, 13, 1)


@pytest.mark.parametrize("module", NETWORKS)
def test_a_network_is_built_again_from_its_settings(module) -> None:
    network, _ = from_preset(module, "small")
    again = module.from_settings(network.settings(), DCASE2025)
    again.load_state_dict(network.state_dict())
    window = torch.randn(2, network.trunk.config.channels, 250, 64)
    assert torch.equal(network.eval()(window).activity, again.eval()(window).activity)


@pytest.mark.parametrize("module", NETWORKS)
def test_base_keeps_250_hops_until_the_end(module) -> None:
    network, _ = from_preset(module, "base")
    with torch.inference_mode():
        assert network.eval()(torch.randn(1, 2, 250, 64)).activity.shape == (1, 50, 13)


def test_relative_attention_equals_its_slow_twin() -> None:
    torch.manual_seed(0)
    attention = RelativeAttention(dim=8, heads=2, head_dim=4, dropout=0.0).eval()
    x = torch.randn(1, 6, 8)
    query, (key, value) = attention.to_query(attention.norm(x)), attention.to_key_value(attention.norm(x)).chunk(2, -1)
    rows = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        for i in range(6):
            scores = torch.stack(
                [query[0, i, part] @ (key[0, j, part] + attention.positions.weight[i - j + 512]) / 2 for j in range(6)]
            )
            rows.append(scores.softmax(0) @ value[0, :, part])
    heads = torch.stack(rows).reshape(2, 6, 4).transpose(0, 1).flatten(1)
    assert torch.allclose(attention(x)[0], attention.out(heads), atol=1e-5)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, torch.Tensor]:
    numbers = np.load(shared / "golden" / "ustc_losses.npz")
    return {name: torch.from_numpy(np.asarray(numbers[name])) for name in numbers}


def axes(values: torch.Tensor) -> torch.Tensor:
    """[x 13 | y 13 | z 13] as (cls, axis)."""
    return values[..., 13:52].unflatten(-1, (3, 13)).transpose(-1, -2)


def test_losses_equal_those_of_the_reference_code(golden: dict[str, torch.Tensor]) -> None:
    output, target = golden["output"], golden["target"]
    said, truth = output[..., :13], target[..., :13]
    distance = target[..., 52:]
    truth, distance, direction = truth.unsqueeze(-1), distance.unsqueeze(-1), axes(target).unsqueeze(-2)
    doa = sed_doa_loss(seldfuse_sed_doa.network.SedDoaOutput(said, axes(output)), truth, direction)
    sde = sed_sde_loss(seldfuse_sed_sde.network.SedSdeOutput(said, output[..., 52:]), truth, distance)
    sce = sed_sce_loss(seldfuse_sed_sce.network.SedSceOutput(said, axes(output)), truth, direction, distance)
    assert doa.item() == pytest.approx(golden["seddoa"].item(), rel=1e-5)
    assert sde.item() == pytest.approx(golden["sedsde"].item(), rel=1e-5)
    assert sce.item() == pytest.approx(golden["sedsce"].item(), rel=1e-5)


@pytest.mark.parametrize("module", NETWORKS)
def test_the_base_recipe_has_the_papers_weights(module) -> None:
    _, recipe = from_preset(module, "base")
    weights = {"doa": (0.1, 1.0), "sde": (0.1, 1.0), "sce": (1.0, 2.0)}[module.__package__.rpartition("_")[2]]
    assert tuple(recipe.loss.values()) == weights
    assert (recipe.optimizer.name, recipe.optimizer.schedule) == ("adam", "tri-stage")
    assert (recipe.optimizer.peak_learning_rate, recipe.run.steps, recipe.run.batch_size) == (1e-3, 100_000, 32)


def test_active_cells_that_count_more_move_the_best_answer_to_one_half() -> None:
    """With weight w, cross-entropy is least at w·p / (w·p + 1 − p), which is ½ at p = 1 / (1 + w)."""
    active = (torch.arange(300) < 100).float().reshape(1, 300, 1)
    answers = torch.linspace(0.05, 0.95, 91)
    for weight, best in ((1.0, 1 / 3), (2.0, 1 / 2)):
        losses = [activity_loss(torch.full_like(active, float(answer)), active, weight) for answer in answers]
        assert answers[int(torch.stack(losses).argmin())] == pytest.approx(best, abs=0.01)


def test_a_distance_of_zero_does_not_break_the_relative_error() -> None:
    activity = torch.tensor([[[[1.0], [0.0]]]])
    output = seldfuse_sed_sde.network.SedSdeOutput(torch.tensor([[[0.9, 0.1]]]), torch.tensor([[[2.0, 3.0]]]))
    assert sed_sde_loss(output, activity, torch.tensor([[[[1.0], [0.0]]]])).isfinite()
