"""Sources that move: the direct sound by a delay that changes from sample to sample, reflections block by block.

Both are without clicks. The direct sound is read from the dry sound at the time at which it left, which also shifts
its pitch as a real approach does (Doppler). The reflections of overlapping blocks of 200 ms fade into each other;
their windows add up to one.
"""

from typing import NamedTuple

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.synth.rooms.directivity import Directivity
from seldfuse.synth.rooms.shoebox import EARLY_SAMPLES, SPEED_OF_SOUND_M_S, ShoeboxRooms, compute_early

HOP = SAMPLE_RATE_HZ // 10
BLOCK_FFT = 2 * HOP + EARLY_SAMPLES
"""A block and its reflections; a whole number of hops, so that blocks are added hop by hop."""

OVERSAMPLING = 2


class StraightPaths(NamedTuple):
    """Straight walks in a batch: from where to where in metres of the view's axes, between which times in seconds."""

    start_m: Float[Tensor, "source 3"]
    end_m: Float[Tensor, "source 3"]
    begin_s: Float[Tensor, "source"]
    end_s: Float[Tensor, "source"]

    def select_rows(self, which: Int[Tensor, "row"]) -> "StraightPaths":
        """Select some of the paths."""
        return StraightPaths(*(part[which] for part in self))

    def compute_position(
        self, source: Int[Tensor, "block"], time_s: Float[Tensor, "block time"]
    ) -> Float[Tensor, "block time 3"]:
        """Compute where sources are at times, a row of times for each."""
        begin_s, end_s = self.begin_s[source].unsqueeze(1), self.end_s[source].unsqueeze(1)
        way = ((time_s - begin_s) / (end_s - begin_s)).clamp(0.0, 1.0).unsqueeze(-1)
        start_m, end_m = self.start_m[source].unsqueeze(1), self.end_m[source].unsqueeze(1)
        return start_m + way * (end_m - start_m)


def render_direct(
    dry: Float[Tensor, "source sample"],
    spectra: Complex[Tensor, "source frequency"],
    fft_samples: int,
    walks: StraightPaths,
) -> Float[Tensor, "source 2 sample"]:
    """Render the direct sound in W and Y'. `spectra` are those of `dry` over `fft_samples`.

    Between samples the sound is read by cubic interpolation at twice the rate, true within 0.1 dB up to 6 kHz.
    """
    sources, samples = dry.shape
    hops = samples // HOP
    fine = torch.fft.irfft(spectra, OVERSAMPLING * fft_samples) * OVERSAMPLING  # (source, finer sample)
    source, hop = _sounding(dry.reshape(sources, hops, HOP), later=1)
    time = hop.unsqueeze(1) * HOP + torch.arange(HOP, device=dry.device)  # (block, sample)
    place_m = walks.compute_position(source, time / SAMPLE_RATE_HZ)
    distance_m = place_m.norm(dim=-1)
    delay = OVERSAMPLING * SAMPLE_RATE_HZ / SPEED_OF_SOUND_M_S * distance_m
    omni = _read(fine, source, OVERSAMPLING * time, delay) / distance_m
    rendered = torch.stack([omni, omni * place_m[..., 1] / distance_m], dim=1)
    out = dry.new_zeros(sources * hops, 2, HOP)
    out[source * hops + hop] = rendered
    return out.reshape(sources, hops, 2, HOP).transpose(1, 2).flatten(2)


def render_reflections(
    dry: Float[Tensor, "source sample"],
    rooms: ShoeboxRooms,
    of: Int[Tensor, "source"],
    walks: StraightPaths,
    directivity: Directivity | None = None,
) -> Float[Tensor, "source 2 sample"]:
    """Render the early reflections in W and Y'."""
    sources, samples = dry.shape
    hops = samples // HOP
    blocks = torch.nn.functional.pad(dry, (HOP, HOP)).unfold(1, 2 * HOP, HOP)  # (source, hops + 1, 2·HOP)
    source, number = _sounding(blocks)
    if len(source) == 0:  # a walk without a sound; some libraries refuse to transform nothing
        return dry.new_zeros(sources, 2, samples)
    time_s = number.unsqueeze(1) * (HOP / SAMPLE_RATE_HZ)
    place_m = walks.compute_position(source, time_s).squeeze(1)
    sending = directivity and directivity.select_rows(source)
    responses = compute_early(rooms, of[source], place_m, BLOCK_FFT, sending)
    window = torch.hann_window(2 * HOP, device=dry.device)
    spectra = torch.fft.rfft(blocks[source, number] * window, BLOCK_FFT)
    parts = torch.fft.irfft(spectra.unsqueeze(1) * responses, BLOCK_FFT).reshape(len(source), 2, BLOCK_FFT // HOP, HOP)
    # Block `number` begins one hop before its time; the padding keeps the first and the last within the rows.
    rows = hops + parts.shape[2]
    out = dry.new_zeros(sources * rows, 2, HOP)
    for part in range(parts.shape[2]):
        out.index_add_(0, source * rows + number + part, parts[:, :, part])
    return out.reshape(sources, rows, 2, HOP).transpose(1, 2)[:, :, 1 : hops + 1].flatten(2)


def _sounding(blocks: Float[Tensor, "source block sample"], later: int = 0) -> tuple[Tensor, Tensor]:
    """Which source and block are not silent, or follow within `later` blocks upon one that is not."""
    sounds = blocks.abs().amax(dim=-1) > 0
    for _ in range(later):
        sounds[:, 1:] |= sounds[:, :-1].clone()
    source, block = sounds.nonzero(as_tuple=True)
    return source, block


def _read(
    fine: Float[Tensor, "source entry"],
    source: Int[Tensor, "block"],
    at: Int[Tensor, "block sample"],
    delay: Float[Tensor, "block sample"],
) -> Float[Tensor, "block sample"]:
    """Values `delay` entries before whole entries (cubic Lagrange); nothing before the first."""
    whole = (-delay).floor()
    x = -delay - whole
    first = at + whole.long() - 1
    index = first.clamp_min(0) + source.unsqueeze(1) * fine.shape[1]
    a, b, c, d = (fine.flatten()[index + tap] for tap in range(4))
    value = (
        -a * (x * (x - 1) * (x - 2) / 6) + b * ((x + 1) * (x - 1) * (x - 2) / 2)
        - c * ((x + 1) * x * (x - 2) / 2) + d * ((x + 1) * x * (x - 1) / 6)
    )  # fmt: skip
    return value * (first >= 0)
