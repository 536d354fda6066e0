"""What stands on a trunk: two linear layers for each thing that is asked."""

from torch import nn


def build_mlp_head(dim: int, outputs: int) -> nn.Sequential:
    """Linear, LeakyReLU, linear; the caller chooses what the last values mean."""
    return nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(), nn.Linear(dim, outputs))


def build_linear_head(dim: int, outputs: int) -> nn.Sequential:
    """Two linear layers with nothing in between, as SED-SCE's coordinate head has them."""
    return nn.Sequential(nn.Linear(dim, dim), nn.Linear(dim, outputs))
