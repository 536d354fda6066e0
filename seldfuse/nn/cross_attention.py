"""Cross-attention from audio frames to tokens of another kind, closed until it has learned something."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F


class GatedCrossAttention(nn.Module):
    """Each frame asks the tokens of its own frame; the answer passes a gate that begins at zero.

    So a network without the tokens, or before any training with them, is the same network without this layer. The
    gate is a tanh of one number, as in Flamingo (Alayrac et al., NeurIPS 2022).
    """

    def __init__(self, dim: int, heads: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_dim
        self.norm = nn.LayerNorm(dim)
        self.to_query = nn.Linear(dim, inner, bias=False)
        self.to_key_value = nn.Linear(dim, 2 * inner, bias=False)
        self.out = nn.Linear(inner, dim)
        self.dropout = nn.Dropout(dropout)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        x: Float[Tensor, "batch frame dim"],
        tokens: Float[Tensor, "batch frame token dim"],
        there: Bool[Tensor, "batch frame"],
    ) -> Float[Tensor, "batch frame dim"]:
        """Compute what is to be added to `x`; nothing in frames that have no tokens, which are those not `there`."""
        batch, frames = x.shape[:2]
        query = self._split(self.to_query(self.norm(x)).reshape(batch * frames, 1, -1))
        key, value = (self._split(part.flatten(0, 1)) for part in self.to_key_value(tokens).chunk(2, dim=-1))
        answer = F.scaled_dot_product_attention(query, key, value)  # (batch · frame, head, 1, head_dim)
        added: Tensor = self.dropout(self.out(answer.flatten(1))).reshape(batch, frames, -1)
        return self.gate.tanh() * added * there.unsqueeze(-1)

    def _split(self, x: Float[Tensor, "row token inner"]) -> Float[Tensor, "row head token head_dim"]:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
