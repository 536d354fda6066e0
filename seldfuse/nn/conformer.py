"""Conformer blocks: attention for what is far in time, convolution for what is near."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

MAX_DISTANCE = 512
"""Relative positions farther apart than this many frames share one embedding."""


class FeedForward(nn.Sequential):
    """Norm, widen, Swish, narrow."""

    def __init__(self, dim: int, factor: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, dim * factor),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(dim * factor, dim),
            nn.Dropout(dropout),
        )


class RelativeAttention(nn.Module):
    """Multi-head self-attention with relative position embeddings (Shaw et al., 2018)."""

    def __init__(self, dim: int, heads: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.to_query = nn.Linear(dim, heads * head_dim, bias=False)
        self.to_key_value = nn.Linear(dim, 2 * heads * head_dim, bias=False)
        self.out = nn.Linear(heads * head_dim, dim)
        self.positions = nn.Embedding(2 * MAX_DISTANCE + 1, head_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch frame dim"]) -> Float[Tensor, "batch frame dim"]:
        x = self.norm(x)
        query = self._split(self.to_query(x))  # (batch, head, frame, head_dim)
        key, value = (self._split(part) for part in self.to_key_value(x).chunk(2, dim=-1))
        bias = self._position_scores(query) * query.shape[-1] ** -0.5  # (batch, head, frame, frame)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]

    def _split(self, x: Float[Tensor, "batch frame inner"]) -> Float[Tensor, "batch head frame head_dim"]:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _position_scores(
        self, query: Float[Tensor, "batch head frame head_dim"]
    ) -> Float[Tensor, "batch head frame frame"]:
        # One product with each distance's embedding, then every pair (i, j) picks the one at i − j:
        # that never makes the (frame, frame, head_dim) table.
        frame = torch.arange(query.shape[2], device=query.device)
        distance = (frame[:, None] - frame).clamp(-MAX_DISTANCE, MAX_DISTANCE) + MAX_DISTANCE
        first, last = int(distance.min()), int(distance.max())
        scores = query @ self.positions.weight[first : last + 1].T
        return scores.gather(-1, (distance - first).expand(*scores.shape[:2], -1, -1))


class ConvolutionModule(nn.Module):
    """Gated pointwise, depthwise along time, pointwise."""

    def __init__(self, dim: int, expansion: int, kernel_frames: int, dropout: float) -> None:
        super().__init__()
        inner = dim * expansion
        self.norm = nn.LayerNorm(dim)
        self.body = nn.Sequential(
            nn.Conv1d(dim, 2 * inner, 1),
            nn.GLU(dim=1),
            nn.Conv1d(inner, inner, kernel_frames, padding=kernel_frames // 2, groups=inner),
            nn.BatchNorm1d(inner),
            nn.SiLU(),
            nn.Conv1d(inner, dim, 1),
            nn.Dropout(dropout),
        )

    def forward(self, x: Float[Tensor, "batch frame dim"]) -> Float[Tensor, "batch frame dim"]:
        return self.body(self.norm(x).transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


class ConformerBlock(nn.Module):
    """x + ½FF, + attention, + convolution, + ½FF, then a norm (Gulati et al., 2020)."""

    def __init__(
        self,
        dim: int,
        heads: int,
        head_dim: int,
        ff_factor: int = 2,
        conv_expansion: int = 2,
        kernel_frames: int = 7,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.first = FeedForward(dim, ff_factor, dropout)
        self.attention = RelativeAttention(dim, heads, head_dim, dropout)
        self.convolution = ConvolutionModule(dim, conv_expansion, kernel_frames, dropout)
        self.second = FeedForward(dim, ff_factor, dropout)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Float[Tensor, "batch frame dim"]) -> Float[Tensor, "batch frame dim"]:
        x = x + 0.5 * self.first(x)
        x = x + self.attention(x)
        x = x + self.convolution(x)
        x = x + 0.5 * self.second(x)
        return self.norm(x)  # type: ignore[no-any-return]
