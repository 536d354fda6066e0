"""The order in which weights of convolutions are stored."""

import torch
from torch import nn


def order_channels_last(network: nn.Module) -> None:
    """Store the weights of convolutions over two axes with their channels last, which processors and GPUs read faster.

    Maps take the order of the weights, and values are the same but for rounding.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
