"""ADPIT: against the challenge's own code, and against a slow twin that tries every way of every cell."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.events import Events
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.formats import dcase
from seldfuse.train.adpit import adpit_loss, adpit_targets

TWO = LabelSet("two", (Label("cat", "Cat"), Label("dog", "Dog")))


def truth_of(events: Events, frames: int) -> Posterior:
    """Labels as a posterior of three tracks, filled from the first."""
    table = events.table
    lane = table.groupby(["frame", "cls"]).cumcount()
    kept = lane < 3
    cells = tuple(torch.tensor(column[kept].to_numpy()) for column in (table["frame"], table["cls"], lane))
    activity, azimuth_deg, distance, onscreen = torch.zeros(4, 1, frames, len(events.labels), 3)
    activity[0][cells] = 1.0
    for tensor, name in ((azimuth_deg, "azimuth_deg"), (distance, "distance_m"), (onscreen, "onscreen")):
        tensor[0][cells] = torch.tensor(table[name][kept].to_numpy()).float()
    return Posterior(activity, direction_from_azimuth(azimuth_deg), distance, onscreen, labels=events.labels)


def random_truth(seed: int, soft: bool = False, tracks: int = 3, dtype: torch.dtype = torch.float64) -> Posterior:
    """None to `tracks` sources in every cell."""
    g = torch.Generator().manual_seed(seed)
    shape = (2, 8, len(TWO), tracks)
    sources = torch.randint(tracks + 1, (*shape[:3], 1), generator=g)
    active = (torch.arange(tracks) < sources).to(dtype)
    loudness = torch.rand(shape, generator=g, dtype=dtype) * 0.9 + 0.1
    azimuth_deg = torch.rand(shape, generator=g, dtype=dtype) * 180 - 90
    distance = torch.rand(shape, generator=g, dtype=dtype) * 4 + 0.3
    onscreen = (torch.rand(shape, generator=g) > 0.5).to(dtype)
    activity = active * loudness if soft else active
    return Posterior(activity, direction_from_azimuth(azimuth_deg), distance, onscreen, labels=TWO)


def random_head(seed: int, elements: int) -> Tensor:
    """An activated head of two classes."""
    x, y, distance, onscreen = torch.randn(4, 2, 8, 3, 2, generator=torch.Generator().manual_seed(seed)).double()
    values = [x.tanh(), y.tanh(), distance.relu() * 3, onscreen.sigmoid()][:elements]
    return torch.stack(values, dim=3).flatten(2)


# --- against the challenge's code -----------------------------------------------------------------------------------


def test_the_targets_of_a_label_file_are_those_of_the_baseline(shared: Path) -> None:
    golden = np.load(shared / "golden/lab_adpit.npz")["label"]
    (target,) = adpit_targets(truth_of(dcase.read_events(shared / "golden/lab.csv"), 50), onscreen=True).numpy()
    assert np.abs(target - golden).max() < 1e-6


@pytest.mark.parametrize(("name", "onscreen"), [("adpit_audio", False), ("adpit_audio_visual", True)])
def test_the_loss_is_that_of_the_baseline(shared: Path, name: str, onscreen: bool) -> None:
    golden = {key: torch.from_numpy(value) for key, value in np.load(shared / f"golden/{name}.npz").items()}
    loss = adpit_loss(golden["output"], golden["target"], onscreen)
    assert loss.item() == pytest.approx(golden["loss"].item(), rel=1e-6)


# --- against the slow twin ------------------------------------------------------------------------------------------


def slow_loss(output: Tensor, truth: Posterior, onscreen: bool) -> Tensor:
    """Of each cell, the error of the best way to give all its sources to the three tracks."""
    elements = 4 if onscreen else 3
    head = output.unflatten(-1, (3, elements, len(TWO)))
    cells = product(*map(range, truth.activity.shape[:3]))
    errors = [cell_error(head[b, t, ..., c], sources_of(truth, (b, t, c)), onscreen) for b, t, c in cells]
    return torch.stack(errors).mean()


def sources_of(truth: Posterior, cell: tuple[int, int, int]) -> list[Tensor]:
    """Activity times (x, y, metres, on-screen) of every source; where there is none, one of zeros."""
    found = [
        activity * torch.stack([*direction[:2], distance, onscreen])
        for activity, direction, distance, onscreen in zip(
            truth.activity[cell], truth.direction[cell], truth.distance[cell], truth.onscreen[cell], strict=True
        )
        if activity > 0
    ]
    return found or [torch.zeros(4, dtype=truth.activity.dtype)]


def cell_error(said: Tensor, sources: list[Tensor], onscreen: bool) -> Tensor:
    ways = [way for way in product(range(len(sources)), repeat=3) if len(set(way)) == len(sources)]
    wanted = [torch.stack([sources[source] for source in way]) for way in ways]
    errors = [(said[:, :3] - way[:, :3]).square().mean() for way in wanted]
    best = min(range(len(ways)), key=lambda number: errors[number].item())
    if not onscreen:
        return errors[best]
    return errors[best] + F.binary_cross_entropy(said[:, 3], wanted[best][:, 3])


@pytest.mark.parametrize("onscreen", [False, True])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("tracks", [1, 3])
def test_the_loss_and_its_gradient_equal_those_of_the_slow_twin(onscreen: bool, soft: bool, tracks: int) -> None:
    truth = random_truth(1, soft, tracks)
    fast, slow = (random_head(2, 4 if onscreen else 3).requires_grad_() for _ in range(2))
    one = adpit_loss(fast, adpit_targets(truth, onscreen), onscreen)
    other = slow_loss(slow, truth, onscreen)
    one.backward()
    other.backward()
    assert one.item() == pytest.approx(other.item(), rel=1e-12)
    torch.testing.assert_close(fast.grad, slow.grad, rtol=1e-9, atol=1e-12)


# --- what must be so ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_a_head_that_says_the_truth_on_whichever_tracks_has_no_loss(way: tuple[int, int, int]) -> None:
    truth = random_truth(3, tracks=2)
    truth = replace(truth, activity=torch.ones_like(truth.activity))
    place = torch.stack([*truth.direction[..., :2].unbind(-1), truth.distance], dim=-1)  # (batch, frame, cls, 2, 3)
    output = place[..., way, :].permute(0, 1, 3, 4, 2).flatten(2)
    assert adpit_loss(output, adpit_targets(truth)).item() == 0.0


def test_a_head_that_leaves_one_source_out_has_a_loss() -> None:
    truth = random_truth(3, tracks=2)
    truth = replace(truth, activity=torch.ones_like(truth.activity))
    place = torch.stack([*truth.direction[..., :2].unbind(-1), truth.distance], dim=-1)
    output = place[..., (0, 0, 0), :].permute(0, 1, 3, 4, 2).flatten(2)
    assert adpit_loss(output, adpit_targets(truth)).item() > 0.1


def test_the_mirror_image_is_learned_as_well() -> None:
    truth, output = random_truth(4), random_head(5, 3)
    mirrored = replace(truth, direction=truth.direction * torch.tensor([1.0, -1.0, 1.0]))
    one, other = adpit_targets(truth), adpit_targets(mirrored)
    sign = torch.tensor([1.0, 1.0, -1.0, 1.0]).unsqueeze(-1)  # activity, x, y, metres
    assert torch.equal(other, one * sign)
    turned = (output.unflatten(-1, (3, 3, 2)) * sign[1:]).flatten(2)
    assert adpit_loss(turned, other).item() == pytest.approx(adpit_loss(output, one).item(), rel=1e-12)


def test_a_fourth_source_is_left_out() -> None:
    truth = random_truth(6, tracks=4)
    three = truth.map(lambda tensor: tensor[:, :, :, :3])
    assert torch.equal(adpit_targets(truth, onscreen=True), adpit_targets(three, onscreen=True))


def test_what_silent_tracks_hold_does_not_matter() -> None:
    truth = random_truth(7)
    silent = truth.activity == 0
    assert truth.distance is not None
    changed = replace(truth, distance=truth.distance.masked_fill(silent, torch.nan))
    assert torch.equal(adpit_targets(changed), adpit_targets(truth))


@pytest.mark.parametrize(("out", "elements"), [(24, 4), (18, 5)])
def test_a_head_and_a_target_of_different_elements_are_refused(out: int, elements: int) -> None:
    with pytest.raises(ValueError, match=rf"expected 4 elements .* and 18 outputs for 2 classes, got {elements} and"):
        adpit_loss(torch.zeros(1, 2, out), torch.zeros(1, 2, 6, elements, 2))
