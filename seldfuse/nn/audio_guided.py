"""Audio-guided attention: the sound says what of the picture matters.

Source: MVANet (Hong et al., ICASSP 2025; `MVANet-SELD`), whose published code lets the gate take the place of the
picture; `multiplies` lets it weigh the picture instead.
"""

from jaxtyping import Float
from torch import Tensor, nn


class AudioGuidedAttention(nn.Module):
    """A gate for each visual value, from the audio and the visual features of the same frame."""

    def __init__(self, audio_dim: int, visual_dim: int, multiplies: bool) -> None:
        super().__init__()
        self.multiplies = multiplies
        self.heard = _mlp(audio_dim, visual_dim)
        self.seen = _mlp(visual_dim, visual_dim)
        self.gate = nn.Sequential(nn.Tanh(), nn.Linear(visual_dim, visual_dim), nn.Sigmoid())

    def forward(
        self, audio: Float[Tensor, "batch frame audio_dim"], visual: Float[Tensor, "batch frame visual_dim"]
    ) -> Float[Tensor, "batch frame visual_dim"]:
        gate = self.gate(self.heard(audio) + self.seen(visual))
        return gate * visual if self.multiplies else gate  # type: ignore[no-any-return]


def _mlp(dim: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(), nn.Dropout(0.05), nn.Linear(dim, outputs))
