"""Azimuth as a distribution: what is put in comes out, also at the sides, and two sources do not become their mean."""

import pytest
import torch

from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth
from seldfuse.nn.azimuth_bins import (
    AZIMUTH_BINS,
    BIN_DEG,
    AzimuthHead,
    compute_azimuth_loss,
    get_bin_centers_deg,
    make_soft_labels,
    read_azimuth,
)
from seldfuse.nn.band_attention import HIDDEN


def test_bins_cover_the_front() -> None:
    centers_deg = get_bin_centers_deg()
    assert len(centers_deg) == AZIMUTH_BINS
    assert centers_deg[0] - BIN_DEG / 2 == -90.0
    assert centers_deg[-1] + BIN_DEG / 2 == 90.0


@pytest.mark.parametrize("azimuth_deg", [-85.0, -61.3, -20.0, 0.0, 7.9, 44.0, 85.0])
def test_a_soft_label_is_read_as_its_azimuth(azimuth_deg: float) -> None:
    labels = make_soft_labels(direction_from_azimuth(torch.tensor([azimuth_deg])))
    direction, spread_deg = read_azimuth(labels.log())
    assert azimuth_from_direction(direction).item() == pytest.approx(azimuth_deg, abs=1.0)
    assert 2.0 < spread_deg.item() < 5.0


def test_what_is_behind_is_heard_in_front() -> None:
    front, behind = (make_soft_labels(direction_from_azimuth(torch.tensor([deg]))) for deg in (30.0, 150.0))
    assert torch.allclose(front, behind, atol=1e-5)


def test_labels_of_the_mirrored_scene_are_mirrored() -> None:
    left, right = (make_soft_labels(direction_from_azimuth(torch.tensor([deg]))) for deg in (52.0, -52.0))
    assert torch.allclose(left, right.flip(-1), atol=1e-5)


def test_of_two_places_the_likelier_one_is_read_and_not_their_mean() -> None:
    one, two = (make_soft_labels(direction_from_azimuth(torch.tensor(deg))) for deg in (-60.0, 50.0))
    direction, spread_deg = read_azimuth((0.4 * one + 0.6 * two).log())
    assert azimuth_from_direction(direction).item() == pytest.approx(50.0, abs=1.0)
    assert spread_deg > 60.0


def test_what_may_be_anywhere_at_the_edge_is_heard_near_its_middle() -> None:
    centers_deg = get_bin_centers_deg()
    for side in (-1.0, 1.0):
        spread_out = (side * centers_deg > 65.0).float() + 1e-4
        direction, _ = read_azimuth(spread_out.log())
        assert side * azimuth_from_direction(direction).item() == pytest.approx(77.5, abs=1.5)


def test_two_sources_of_one_class_share_the_distribution() -> None:
    direction = direction_from_azimuth(torch.tensor([-40.0, 40.0])).reshape(1, 1, 1, 2, 3)
    activity = torch.ones(1, 1, 1, 2)
    both = make_soft_labels(direction).mean(dim=3)
    best = compute_azimuth_loss(both.log(), activity, direction)
    for other in make_soft_labels(direction).unbind(3):
        assert compute_azimuth_loss(other.clamp_min(1e-6).log(), activity, direction) > best
    third = torch.cat([activity[..., :1], torch.zeros(1, 1, 1, 1)], dim=3)
    alone = make_soft_labels(direction)[..., 0, :].clamp_min(1e-6).log()
    assert compute_azimuth_loss(alone, third, direction) < best


def test_silence_teaches_nothing() -> None:
    logits = torch.randn(2, 5, 3, AZIMUTH_BINS, requires_grad=True)
    compute_azimuth_loss(logits, torch.zeros(2, 5, 3, 1), torch.zeros(2, 5, 3, 1, 3)).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0.0


def test_a_head_gives_smooth_curves() -> None:
    torch.manual_seed(0)
    logits = AzimuthHead()(torch.randn(2, 5, 3, HIDDEN))
    assert logits.shape == (2, 5, 3, AZIMUTH_BINS)
    # A cosine of the order n has no higher frequency: what 16 of them make up cannot turn from bin to bin.
    assert torch.fft.rfft(torch.cat([logits, logits.flip(-1)], dim=-1))[..., 17:].abs().max() < 1e-4
