"""YAMNet as it was taught along with a network for sound event localization: what kind of sound, moment by moment.

The class branch (`seldfuse.nn.class_branch`) of a SED-SCE that was trained by the preset `branch`, once for all
networks that stand on it. It takes log-mel spectrograms, so that its tokens follow what augmentation does to them.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.encoders.shipped_weights import load_bundled_weights, refuse_weights
from seldfuse.nn.channels_last import order_channels_last
from seldfuse.nn.class_branch import ClassBranch
from seldfuse.nn.mobilenet import EMBEDDING

NAME = "yamnet-seld"
AT_ONCE = 4
"""Windows whose maps fit a processor's cache: 16 at once take a quarter longer."""


class YamnetSeld:
    """`yamnet-seld`: one token of 1024 values for each 100 ms frame, interpolated between steps of 320 ms."""

    name = NAME
    tokens, channels = 1, EMBEDDING

    def __init__(self, device: torch.device) -> None:
        """Load the weights. Raises CheckpointError where they are missing."""
        self.branch, self.version = _load(str(device))

    @torch.no_grad()
    def encode(self, logmel: Float[Tensor, "batch 2 time 64"]) -> Float[Tensor, "batch frame 1 1024"]:
        """Encode log-mel spectrograms of left and right."""
        parts = torch.split(logmel, AT_ONCE) if logmel.device.type == "cpu" else (logmel,)
        return torch.cat([self.branch(part) for part in parts]).unsqueeze(2)


def load_yamnet_seld(weights: str | None, device: torch.device) -> YamnetSeld:
    """Load `yamnet-seld`. Raises UsageError for weights of one's own, CheckpointError where its own are missing."""
    refuse_weights(NAME, weights)
    return YamnetSeld(device)


@lru_cache(maxsize=4)
def _load(device: str) -> tuple[ClassBranch, str]:
    """Load the network and its version, once for each device; random numbers must not depend on whether it was."""
    weights, version = load_bundled_weights("model", NAME)
    with torch.random.fork_rng(devices=[]):
        branch = ClassBranch()
    branch.load_state_dict(weights)
    order_channels_last(branch)
    return branch.to(device).eval().requires_grad_(False), version
