"""Batch norms folded into convolutions, and weights with channels last: what is computed stays."""

import torch
from torch import nn

from seldfuse.nn.channels_last import order_channels_last
from seldfuse.nn.efficientnet_lite import EfficientNetLite
from seldfuse.nn.fold_norms import fold_norms


def make_network() -> nn.Module:
    torch.manual_seed(0)
    network = EfficientNetLite().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, -1.0, 1.0)
    return network


@torch.no_grad()
def test_a_network_without_its_norms_computes_the_same() -> None:
    network, pictures = make_network(), torch.randn(2, 3, 32, 48)
    expected = network(pictures)
    fold_norms(network)
    order_channels_last(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert torch.allclose(network(pictures), expected, atol=1e-4 * float(expected.abs().max()))


def test_convolutions_along_time_alone_stay_as_they_are() -> None:
    network = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Conv3d(2, 4, 3))
    order_channels_last(network)
    fold_norms(network.eval())
    assert isinstance(network[1], nn.BatchNorm1d)
