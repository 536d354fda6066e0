"""On-screen or not: attention to the columns of the picture near a class's azimuth."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.core.geometry import column_azimuths_deg

CLASS_DIM, QUERY_DIM = 16, 16
WIDTH_DEG = 12.0
"""How far from the azimuth of the audio attention begins: about as far as that is wrong."""


class ColumnEmbedding(nn.Module):
    """Tokens of picture columns, each of which knows its place and its neighbours."""

    def __init__(self, columns: int, channels: int, dim: int) -> None:
        super().__init__()
        self.into = nn.Linear(channels, dim)
        self.place = nn.Parameter(0.1 * torch.randn(columns, dim))
        self.around = nn.Sequential(
            nn.GELU(), nn.Dropout(0.1), nn.Conv1d(dim, dim, 3, padding=1), nn.GELU(), nn.Conv1d(dim, dim, 3, padding=1)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Float[Tensor, "batch frame column channel"]) -> Float[Tensor, "batch frame column dim"]:
        x = self.into(tokens) + self.place  # (batch, frame, column, dim)
        flat = x.flatten(0, 1).transpose(1, 2)  # (batch · frame, dim, column)
        around = self.around(flat).transpose(1, 2).unflatten(0, x.shape[:2])
        return self.norm(x + around)  # type: ignore[no-any-return]


class OnscreenAttention(nn.Module):
    """For each class: attention over the columns near its azimuth, and the logit that follows.

    A place beside the columns stands for what is not in the picture. Gradients do not flow into the direction.
    """

    azimuth_deg: Tensor

    def __init__(self, dim: int, classes: int, columns: int, column_dim: int) -> None:
        super().__init__()
        self.register_buffer("azimuth_deg", torch.tensor(column_azimuths_deg(columns)), persistent=False)
        self.log_width = nn.Parameter(torch.tensor(math.log(WIDTH_DEG)))
        self.nowhere = nn.Parameter(torch.full((classes,), -1.0))
        self.wanted = nn.Parameter(0.1 * torch.randn(classes, QUERY_DIM))
        self.key = nn.Linear(column_dim, QUERY_DIM)
        self.classes = nn.Parameter(0.1 * torch.randn(classes, CLASS_DIM))
        self.heard = nn.Linear(dim, column_dim)
        self.decide = nn.Sequential(
            nn.Linear(2 * column_dim + CLASS_DIM + 5, 64), nn.LeakyReLU(), nn.Dropout(0.1), nn.Linear(64, 1)
        )

    def forward(
        self,
        x: Float[Tensor, "batch frame dim"],
        point: Float[Tensor, "batch frame cls axis"],
        columns: Float[Tensor, "batch frame column column_dim"],
        seen: Float[Tensor, "batch frame 1"],
    ) -> Float[Tensor, "batch frame cls"]:
        """Compute the logits of on-screen. `point` is the source's place in metres; `seen` is 0 where there is no
        picture."""
        point = point.detach()
        azimuth_deg = torch.rad2deg(torch.atan2(point[..., 1], point[..., 0].abs() + 1e-4))
        distance = point.norm(dim=-1).clamp_min(0.05).log()
        off_deg = azimuth_deg.unsqueeze(-1) - self.azimuth_deg  # (batch, frame, cls, column)
        score = torch.einsum("btkq,cq->btck", self.key(columns), self.wanted)
        score = score - 0.5 * (off_deg / self.log_width.exp()).square()
        nowhere = self.nowhere.expand(*score.shape[:3]).unsqueeze(-1)
        share = torch.cat([score, nowhere], dim=-1).softmax(dim=-1)[..., :-1] * seen.unsqueeze(-1)
        attended = torch.einsum("btck,btkd->btcd", share, columns)
        measures = torch.stack(
            [
                share.sum(-1),
                (share * off_deg).sum(-1) / 30.0,
                azimuth_deg / 50.0,
                (azimuth_deg / 50.0).square(),
                distance,
            ],
            dim=-1,
        )
        shape = (*attended.shape[:3], -1)
        evidence = [
            attended,
            self.heard(x).unsqueeze(2).expand(shape),
            self.classes.expand(*shape[:2], -1, -1),
            measures,
        ]
        return self.decide(torch.cat(evidence, dim=-1)).squeeze(-1)  # type: ignore[no-any-return]
