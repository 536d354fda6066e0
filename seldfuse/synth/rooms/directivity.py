"""Sources that send more sound to where they face.

A source's pattern is of the cardioid family, octave by octave: towards an angle α from where it faces it sends
(1 − b/2) + b/2 · cos α of what it sends ahead. b rises evenly from 0 at 125 Hz to the source's strength at 8 kHz, as
voices and loudspeakers are nearly omnidirectional in the bass. A mirror image faces where a mirror shows it.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seldfuse.synth.rooms.bands import BANDS_HZ, build_band_filters


class Directivity(NamedTuple):
    """Directivities of sources in a batch: strength from 0 to 1, and how far to its left each is turned from the
    microphone.
    """

    strength: Float[Tensor, "source"]
    facing_rad: Float[Tensor, "source"]

    @property
    def directed(self) -> Bool[Tensor, "source"]:
        return self.strength > 0

    def select_rows(self, which: Int[Tensor, "row"]) -> "Directivity":
        """Select some of the sources."""
        return Directivity(*(part[which] for part in self))

    def compute_facing(self, view_m: Float[Tensor, "source 3"]) -> Float[Tensor, "source 3"]:
        """Compute where sources at places before the microphone face, as unit vectors."""
        x, y, z = (-view_m / view_m.norm(dim=-1, keepdim=True)).unbind(-1)
        cos, sin = self.facing_rad.cos(), self.facing_rad.sin()
        return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=-1)

    def compute_gains(self, cosine: Float[Tensor, "source *path"]) -> Float[Tensor, "source *path band"]:
        """Compute the amplitudes of paths that leave at angles from where the sources face, given by their cosines."""
        narrow = self._narrowness().reshape(len(self.strength), *[1] * (cosine.dim() - 1), len(BANDS_HZ))
        return 1.0 - narrow / 2 * (1.0 - cosine.unsqueeze(-1))

    def compute_mean_power(self) -> Float[Tensor, "source band"]:
        """Compute the mean of the squared amplitudes over all directions."""
        half = self._narrowness() / 2
        return (1.0 - half).square() + half.square() / 3

    def _narrowness(self) -> Float[Tensor, "source band"]:
        """Compute b of every source and band."""
        return self.strength.unsqueeze(-1) * torch.linspace(0.0, 1.0, len(BANDS_HZ), device=self.strength.device)


def filter_direct(
    directivity: Directivity, view_m: Float[Tensor, "source 3"], leaving: Float[Tensor, "source 3"], fft_samples: int
) -> Float[Tensor, "source frequency"]:
    """Compute the spectra by which sources at places filter what leaves them along vectors."""
    cosine = (directivity.compute_facing(view_m) * leaving).sum(dim=-1) / leaving.norm(dim=-1)
    return directivity.compute_gains(cosine) @ build_band_filters(fft_samples, str(view_m.device))
