"""CMC: cross-attentions that begin closed, tokens that may be missing, a head of three tracks with on-screen."""

import pytest
import torch
from torch.nn import functional as F

from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import DCASE2025
from seldfuse.nn.cross_attention import GatedCrossAttention
from seldfuse.nn.log_distance import split_distance
from seldfuse.train.adpit import adpit_loss, adpit_onscreen_loss
from seldfuse.train.initialize import copy_weights
from seldfuse.train.recipe import parse_recipe, read_preset
from seldfuse_cmc.network import Cmc, from_settings, to_posterior
from seldfuse_cmc.train import CmcTask
from seldfuse_sed_sce.train import SceTask

SOUND, PICTURE = "compact-audio", "compact-image"
PLACE, SEEN = slice(0, 3), 3


@pytest.fixture(scope="module")
def network() -> Cmc:
    torch.manual_seed(0)
    return from_settings(parse_recipe(read_preset(CmcTask.recipes, "small")).network, DCASE2025).eval()


def tokens(sound: float = 1.0, picture: float = 1.0, scenes: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    heard = torch.randn(scenes, 50, 1, 64, generator=generator)
    return {SOUND: sound * heard, PICTURE: picture * torch.randn(scenes, 50, 14, 64, generator=generator)}


def said(network: Cmc, seen: dict[str, torch.Tensor]) -> torch.Tensor:
    features = torch.randn(2, 4, 250, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        return network(features, seen).unflatten(-1, (3, 4, 13))


def test_before_it_has_learned_anything_of_tokens_they_do_not_move_a_source(network: Cmc) -> None:
    nothing = tokens(float("nan"), float("nan"))
    places = [said(network, seen)[..., PLACE, :] for seen in (tokens(), tokens(3.0, -2.0), nothing)]
    assert torch.equal(places[0], places[1])
    assert torch.equal(places[0], places[2])


@pytest.mark.parametrize(("sound", "picture"), [(1.0, float("nan")), (float("nan"), 1.0), (float("nan"), float("nan"))])
def test_what_is_missing_is_done_without(network: Cmc, sound: float, picture: float) -> None:
    found = to_posterior(said(network, tokens(sound, picture)).flatten(2), DCASE2025)
    assert found.activity.shape == (2, 50, 13, 3)
    assert all(tensor.isfinite().all() for tensor in found.tensors().values())
    assert found.onscreen is not None
    assert ((found.onscreen > 0) & (found.onscreen < 1)).all()


def test_an_open_gate_lets_the_tokens_of_its_own_frame_through_and_of_no_other() -> None:
    torch.manual_seed(0)
    attention = GatedCrossAttention(8, 2, 4, 0.0).eval()
    attention.gate.data.fill_(1.0)
    x, given = torch.randn(1, 6, 8), torch.randn(1, 6, 3, 8)
    other = given.clone()
    other[:, 2] += 1.0
    there = torch.ones(1, 6, dtype=torch.bool)
    changed = (attention(x, other, there) - attention(x, given, there)).abs().sum(-1)[0] > 1e-6
    assert changed.tolist() == [False, False, True, False, False, False]
    there[:, 2] = False
    assert (attention(x, other, there)[:, 2] == 0).all()


def test_onscreen_is_a_mean_over_sources_and_places_are_as_the_baseline_learns_them() -> None:
    torch.manual_seed(0)
    classes, frames = 4, 5
    target = torch.zeros(1, frames, 6, 5, classes)
    # One source of the first class in two frames, on-screen in one of them.
    target[0, :2, 0, :4, 0] = torch.tensor([1.0, 0.6, 0.8, 2.0])
    target[0, 0, 0, 4, 0] = 1.0
    raw = torch.rand(1, frames, 3, 4, classes) * 0.8 + 0.1
    output = raw.flatten(2)
    place = adpit_loss(raw[:, :, :, :3].flatten(2), target[:, :, :, :4])
    doubt = F.binary_cross_entropy(raw[0, :2, :, 3, 0], torch.tensor([[1.0] * 3, [0.0] * 3]))
    assert adpit_onscreen_loss(output, target, 0.0).item() == pytest.approx(place.item(), rel=1e-5)
    assert adpit_onscreen_loss(output, target, 0.5).item() == pytest.approx((place + 0.5 * doubt).item(), rel=1e-5)
    silent = raw[:, :, :, :3].clone()
    silent[0, :2, :, :, 0] = target[0, 0, 0, 1:4, 0]
    sounding = place - adpit_loss(silent.flatten(2), target[:, :, :, :4])
    assert adpit_onscreen_loss(output, target, 0.0, 3.0).item() == pytest.approx(
        (place + 2.0 * sounding).item(), rel=1e-5
    )
    # Of several sources there are none here: only the weight of one counts.
    assert adpit_onscreen_loss(output, target, 0.0, 3.0, 9.0) == adpit_onscreen_loss(output, target, 0.0, 3.0)


def test_frames_with_several_sources_of_a_class_may_count_more() -> None:
    torch.manual_seed(0)
    target = torch.zeros(1, 2, 6, 5, 3)
    target[0, 0, 0, :4, 0] = torch.tensor([1.0, 0.6, 0.8, 2.0])
    target[0, 1, 1:3, :4, 1] = torch.tensor([[1.0, 0.6, 0.8, 2.0], [1.0, 0.6, -0.8, 1.0]])
    output = (torch.rand(1, 2, 3, 4, 3) * 0.8 + 0.1).flatten(2)
    one, two, five = (adpit_onscreen_loss(output, target, 0.0, 2.0, weight).item() for weight in (None, 2.0, 5.0))
    assert one == two
    first = adpit_onscreen_loss(output, target, 0.0, 1.0, 2.0) - adpit_onscreen_loss(output, target, 0.0, 1.0, 1.0)
    assert five - two == pytest.approx(3.0 * first.item(), rel=1e-4)
    assert five > two


def test_settings_build_the_same_network_again(network: Cmc) -> None:
    again = from_settings(network.settings(), DCASE2025)
    again.load_state_dict(network.state_dict())
    assert torch.equal(said(network, tokens()), said(again.eval(), tokens()))


def test_medium_hears_at_first_what_a_trained_sce_hears() -> None:
    recipe = parse_recipe(read_preset(CmcTask.recipes, "medium"))
    network = CmcTask().build(recipe.network, DCASE2025)
    opened = open_checkpoint("bundled:sce-medium", "cmc", of_any=True)
    assert copy_weights(network, opened, recipe.features)
    sce = opened.build(SceTask().build)
    opened.load_into(sce)
    torch.nn.init.zeros_(network.tracks.weight)
    features = torch.randn(1, 8, 250, 64)
    heard = {"yamnet-seld": torch.randn(1, 50, 1, 1024)}
    x, y, distance, _ = network.eval()(features, heard).unflatten(2, (3, 4, 13)).unbind(3)
    with torch.no_grad():
        one = sce.eval()(features, heard)
    # Closed cross-attentions change nothing, and all tracks begin alike.
    assert torch.allclose(torch.hypot(x, y), one.activity.unsqueeze(2).expand(-1, -1, 3, -1), atol=1e-3)
    expected = split_distance(one.log_distance)[0].unsqueeze(2)
    assert torch.allclose(distance.log(), expected.expand_as(distance), atol=1e-3)


def test_a_track_turns_to_who_is_seen() -> None:
    network = CmcTask().build(parse_recipe(read_preset(CmcTask.recipes, "medium")).network, DCASE2025).eval()
    with torch.no_grad():
        network.seen.into[1].weight.zero_()
        network.seen.into[1].weight[0, 0, 1] = 50.0
        network.seen.weights.zero_()
        network.seen.weights[0, :, 0] = 1.0
    sounds = {"yamnet-seld": torch.randn(1, 50, 1, 1024)}
    tokens = {**sounds, "people-and-things": torch.zeros(1, 50, 24, 21)}
    tokens["people-and-things"][:, :, 3, 0] = 1.0
    blank = {**sounds, "people-and-things": torch.zeros(1, 50, 24, 21)}
    features = torch.randn(1, 8, 250, 64)
    turned, straight = (network(features, one).unflatten(2, (3, 4, 13)) for one in (tokens, blank))
    left = torch.atan2(turned[:, :, :, 1], turned[:, :, :, 0]) - torch.atan2(straight[:, :, :, 1], straight[:, :, :, 0])
    assert (left > 0).float().mean() > 0.95
    assert (turned[:, :, :, 3] > straight[:, :, :, 3]).all()


def test_settings_of_medium_build_the_same_network_again() -> None:
    network = CmcTask().build(parse_recipe(read_preset(CmcTask.recipes, "medium")).network, DCASE2025)
    again = from_settings(network.settings(), DCASE2025)
    assert again.state_dict().keys() == network.state_dict().keys()
