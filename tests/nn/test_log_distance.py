"""Distance as a distribution of its logarithm: what is read errs least, and the loss is least at the truth."""

import math

import pytest
import torch

from seldfuse.nn.log_distance import (
    FARTHEST_M,
    NARROWEST,
    NEAREST_M,
    WIDEST,
    compute_distance_loss,
    read_distance,
    split_distance,
)


def output_of(median_m: float, scale: float) -> torch.Tensor:
    share = (scale - NARROWEST) / (WIDEST - NARROWEST)
    return torch.tensor([math.log(median_m), math.log(share / (1.0 - share))])


@pytest.mark.parametrize("scale", [0.05, 0.2, 0.4, 0.55])
def test_the_distance_that_is_read_has_the_least_relative_error(scale: float) -> None:
    read_m = read_distance(output_of(2.0, scale))[0].item()
    quantile = (torch.arange(100_000) + 0.5) / 100_000
    side = quantile - 0.5
    possible_m = (math.log(2.0) - scale * side.sign() * torch.log(1.0 - 2.0 * side.abs())).exp()
    tried_m = torch.linspace(0.8, 2.4, 161)
    errors = ((tried_m[:, None] - possible_m).abs() / possible_m).mean(dim=1)
    assert read_m == pytest.approx(tried_m[int(errors.argmin())].item(), rel=0.02)


def test_the_spread_is_that_of_the_logarithm() -> None:
    _, spread = read_distance(output_of(1.0, 0.3))
    assert spread.item() == pytest.approx(0.3 * math.sqrt(2.0), rel=1e-4)


def test_the_loss_is_least_at_the_true_distance() -> None:
    activity, distance_m = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 3.0)
    losses = [
        compute_distance_loss(output_of(median_m, 0.2).reshape(1, 1, 1, 2), activity, distance_m).item()
        for median_m in (1.0, 2.0, 3.0, 4.0, 6.0)
    ]
    assert losses.index(min(losses)) == 2


def test_wild_outputs_stay_within_bounds() -> None:
    median, scale = split_distance(torch.tensor([[1e4, 1e4], [-1e4, -1e4]]))
    assert median.exp().tolist() == pytest.approx([FARTHEST_M, NEAREST_M])
    assert scale.tolist() == pytest.approx([WIDEST, NARROWEST])
    assert read_distance(torch.tensor([[1e4, 1e4], [-1e4, -1e4]]))[0].isfinite().all()


def test_silence_teaches_nothing() -> None:
    values = torch.randn(1, 4, 3, 2, requires_grad=True)
    compute_distance_loss(values, torch.zeros(1, 4, 3, 2), torch.zeros(1, 4, 3, 2)).backward()
    assert values.grad is not None
    assert values.grad.abs().max() == 0.0
