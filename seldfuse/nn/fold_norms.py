"""Batch norms as a part of the convolutions before them."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(network: nn.Module) -> None:
    """Fold each batch norm into the convolution right before it in a sequence, of a network in evaluation mode.

    What it computes is the same but for rounding; it can no longer be trained, nor take the weights of before.
    """
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for (place, before), (behind, layer) in pairwise(list(sequence.named_children())):
            if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
                setattr(sequence, place, fuse_conv_bn_eval(before, layer))
                setattr(sequence, behind, nn.Identity())
