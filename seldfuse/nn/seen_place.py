"""Where a class is and whether that is in the picture: what was heard, weighed by what is seen there.

After Bayes: heard is a distribution over azimuths; in each column of the picture, what a detector finds there speaks
for or against a source of the class. So whoever is seen draws the azimuth to them, and where nobody is seen that may be
heard, the source is not in the picture.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.core.geometry import column_azimuths_deg
from seldfuse.nn.azimuth_bins import AZIMUTH_BINS, get_bin_centers_deg

HIDDEN = 16
"""Few: a network with room for more learns the pictures that it was trained on by heart."""

AROUND = 3
"""Columns that are seen at once: the one and its neighbours."""

RARE = -1.4
"""Logit of being in the picture before anything was learned: one source in five is."""


class SeenPlace(nn.Module):
    """From heard azimuths and columns of a picture to azimuths and the logits of on-screen.

    `sources` are the classes, or the tracks and classes, each of which has a bias and weights of its own.
    """

    to_bins: Tensor
    outside: Tensor

    def __init__(self, sources: int, columns: int, channels: int) -> None:
        super().__init__()
        to_bins, in_view = _interpolate_columns(columns)
        self.register_buffer("to_bins", to_bins, persistent=False)
        self.register_buffer("outside", ~in_view, persistent=False)
        self.columns = nn.Conv1d(channels, HIDDEN + 1, AROUND, padding=AROUND // 2)
        self.places = nn.Parameter(torch.zeros(columns, HIDDEN + 1))
        self.sources = nn.Parameter(0.1 * torch.randn(sources, HIDDEN + 1))
        self.far = nn.Parameter(0.1 * torch.randn(HIDDEN + 1))
        self.weights = nn.Parameter(HIDDEN**-0.5 * torch.randn(sources, HIDDEN))
        self.drop = nn.Dropout(0.1)
        self.seen = nn.Parameter(torch.full((sources,), RARE))
        self.unseen = nn.Parameter(torch.full((sources,), RARE))

    def forward(
        self,
        heard: Float[Tensor, "batch frame source bin"],
        log_distance: Float[Tensor, "batch frame source"],
        columns: Float[Tensor, "batch frame column channel"],
        visible: Float[Tensor, "batch frame 1"],
    ) -> tuple[Float[Tensor, "batch frame source bin"], Float[Tensor, "batch frame source"]]:
        """Compute the logits of azimuths and of on-screen; `visible` is 0 where there is no picture.

        The loss of on-screen does not change what is heard.
        """
        with torch.autocast(heard.device.type, enabled=False):
            heard = heard.float().log_softmax(dim=-1)
            evidence = self._weigh(log_distance.detach().float(), columns.float(), visible.float())
            onscreen = torch.logsumexp(heard.detach() + evidence, dim=-1)
            # What is off-screen may be at any azimuth, also behind, which folds to the front.
            return heard + F.softplus(evidence), onscreen

    def _weigh(self, log_distance: Tensor, columns: Tensor, visible: Tensor) -> Float[Tensor, "b f source bin"]:
        """How much more likely each azimuth is for a source that is in the picture there than for one that is not."""
        flat = self.drop(columns).flatten(0, 1).transpose(1, 2)
        seen = self.columns(flat).transpose(1, 2).unflatten(0, columns.shape[:2]) + self.places
        hidden = seen.unsqueeze(2) + (self.sources + log_distance.unsqueeze(-1) * self.far).unsqueeze(3)
        values = self.drop(F.gelu(hidden[..., :HIDDEN])) @ self.weights.unsqueeze(-1)
        told = values.squeeze(-1) + hidden[..., HIDDEN] + self.seen.unsqueeze(-1)  # (batch, frame, source, column)
        told = torch.where(visible.unsqueeze(-1) > 0, told, self.unseen.unsqueeze(-1))
        return (told @ self.to_bins).masked_fill(self.outside, -math.inf)


def _interpolate_columns(columns: int) -> tuple[Float[Tensor, "column bin"], Tensor]:
    """Weights that bring values of columns to the bins between them, and which bins are in view."""
    places = torch.tensor(column_azimuths_deg(columns)).flip(0)  # from right to left
    centers = get_bin_centers_deg()
    above = torch.searchsorted(places, centers).clamp(1, columns - 1)
    share = ((centers - places[above - 1]) / (places[above] - places[above - 1])).clamp(0.0, 1.0)
    weights = torch.zeros(AZIMUTH_BINS, columns)
    rows = torch.arange(AZIMUTH_BINS)
    weights[rows, above - 1] = 1.0 - share
    weights[rows, above] = share
    widest = places.max() + (places[-1] - places[-2]) / 2
    return weights.flip(1).T.contiguous(), centers.abs() <= widest
