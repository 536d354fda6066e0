"""Attention over bands: a class reads its place from its own bands, whatever sounds in the others."""

import torch

from seldfuse.nn.band_attention import BANDS, HIDDEN, BandAttention


def test_a_class_hears_the_bands_that_it_weighs_and_no_others() -> None:
    torch.manual_seed(0)
    attention = BandAttention(dim=4, classes=2, channels=3)
    with torch.no_grad():
        attention.weights.weight.zero_()
        attention.weights.bias.copy_(torch.full((3, BANDS), -1e4).flatten())
        attention.weights.bias[:BANDS] = 0.0
        attention.weights.bias[BANDS + 2] = 0.0
        attention.weights.bias[2 * BANDS + 9] = 0.0
    x, features = torch.randn(1, 10, 4), torch.randn(1, 3, 50, 64)
    before = attention(x, features)
    assert before.shape == (1, 10, 2, HIDDEN)
    features[..., 36:40] += 5.0  # the tenth group of bands
    after = attention(x, features)
    assert torch.allclose(before[:, :, 0], after[:, :, 0], atol=1e-5)
    assert not torch.allclose(before[:, :, 1], after[:, :, 1], atol=1e-2)


def test_it_computes_in_single_precision() -> None:
    attention = BandAttention(dim=4, classes=2, channels=3)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = attention(torch.randn(1, 10, 4).bfloat16(), torch.randn(1, 3, 50, 64))
    assert hidden.dtype == torch.float32


def test_trunks_that_pool_time_late_fit_as_well() -> None:
    attention = BandAttention(dim=4, classes=2, channels=3)
    assert attention(torch.randn(2, 50, 4), torch.randn(2, 3, 250, 64)).shape == (2, 50, 2, HIDDEN)
