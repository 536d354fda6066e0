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

HIDDEN = 32
"""Few: a network with room for more learns the pictures that it was trained on by heart."""

POWERS = 3
"""Evidence is a square function of the logarithm of the heard distance, so that a size can fit it or not."""

AROUND = 3
"""Columns that are seen at once: the one and its neighbours."""

GAIN = 8.0
"""What weights of evidence are multiplied by. It begins at nothing and has far to go: without, thousands of steps."""

RARE = -1.4
"""Logit of being in the picture before anything was learned: one source in five is."""


class SeenPlace(nn.Module):
    """From heard azimuths and columns of a picture to azimuths and the logits of on-screen.

    `classes` have weights of their own. What is heard may hold several tracks, one after the other, of all classes.
    """

    to_bins: Tensor
    outside: Tensor

    def __init__(self, classes: int, columns: int, channels: int) -> None:
        super().__init__()
        to_bins, in_view = _interpolate_columns(columns)
        self.register_buffer("to_bins", to_bins, persistent=False)
        self.register_buffer("outside", ~in_view, persistent=False)
        self.into = nn.Sequential(
            nn.Dropout(0.1), nn.Conv1d(channels, HIDDEN, AROUND, padding=AROUND // 2), nn.GELU(), nn.Dropout(0.1)
        )
        self.weights = nn.Parameter(0.1 / GAIN * HIDDEN**-0.5 * torch.randn(POWERS, classes, HIDDEN))
        self.places = nn.Parameter(torch.zeros(columns))
        self.seen = nn.Parameter(torch.full((classes, 1), RARE / GAIN))
        self.unseen = nn.Parameter(torch.full((classes, 1), RARE / GAIN))

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
        tracks = log_distance.shape[2] // self.seen.shape[0]
        there = self.into(columns.flatten(0, 1).transpose(1, 2)).unflatten(0, columns.shape[:2])
        # By the powers of the distance: (batch, frame, cls, column) each, the same for all tracks.
        told = [(weights @ there).repeat(1, 1, tracks, 1) for weights in self.weights]
        told[0] = told[0] + self.places + self.seen.repeat(tracks, 1)
        near = log_distance.unsqueeze(-1)
        evidence = told[0] + near * (told[1] + near * told[2])
        evidence = torch.where(visible.unsqueeze(-1) > 0, evidence, self.unseen.repeat(tracks, 1))
        return (GAIN * evidence @ self.to_bins).masked_fill(self.outside, -math.inf)


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
