"""Sources that stand still: one response each, for the direct sound, the early reflections and the late room."""

import math
from collections.abc import Sequence

import scipy.fft
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.synth.rooms.bands import BANDS_HZ
from seldfuse.synth.rooms.directivity import Directivity, filter_direct
from seldfuse.synth.rooms.noise import draw_octave
from seldfuse.synth.rooms.shoebox import (
    EARLY_SAMPLES,
    LATE_STEP_S,
    LATE_STEPS,
    SPEED_OF_SOUND_M_S,
    ShoeboxRooms,
    compute_early,
    compute_late_power,
)

RESPONSE_SAMPLES = round((LATE_STEPS - 1) * LATE_STEP_S * SAMPLE_RATE_HZ) + 1
HALF_WIDTH = 32
"""Samples of the direct sound's pulse on either side; a source nearer than 0.46 m loses the first of them."""

_FFT_SAMPLES = 2 * EARLY_SAMPLES
_RINGING = 256
"""Samples that the filter of a directivity rings on either side."""


def compute_direct(view_m: Float[Tensor, "source 3"]) -> Float[Tensor, "source 2 sample"]:
    """Compute the direct sound in W and Y': a pulse at the distance's delay, a windowed sinc, weakened by 1 /
    distance."""
    distance_m = view_m.norm(dim=-1, keepdim=True)
    delay = distance_m * (SAMPLE_RATE_HZ / SPEED_OF_SOUND_M_S)
    at = delay.floor().long() + torch.arange(1 - HALF_WIDTH, HALF_WIDTH + 1, device=view_m.device)
    offset = at - delay
    pulse = torch.sinc(offset) * torch.cos(offset * (math.pi / 2 / HALF_WIDTH)).square() / distance_m * (at >= 0)
    response = view_m.new_zeros(len(view_m), RESPONSE_SAMPLES)
    response.scatter_add_(1, at.clamp(0, RESPONSE_SAMPLES - 1), pulse)
    return torch.stack([response, response * (view_m[:, 1:2] / distance_m)], dim=1)


def compute_directed(
    view_m: Float[Tensor, "source 3"], leaving: Float[Tensor, "source 3"], arriving_m: Float[Tensor, "source 3"],
    directivity: Directivity,
) -> Float[Tensor, "source 2 sample"]:  # fmt: skip
    """Compute a path in W and Y' that leaves sources at `view_m` along a vector and arrives as if from another place,
    filtered by the sources' directivities.
    """
    response = compute_direct(arriving_m)
    rows = directivity.directed.nonzero().squeeze(1)
    if len(rows) == 0:
        return response
    latest = int(arriving_m[rows].norm(dim=-1).max() * (SAMPLE_RATE_HZ / SPEED_OF_SOUND_M_S)) + HALF_WIDTH + _RINGING
    head = min(latest, RESPONSE_SAMPLES)
    fft_samples = scipy.fft.next_fast_len(head + _RINGING, real=True)
    spectra = filter_direct(directivity.select_rows(rows), view_m[rows], leaving[rows], fft_samples)
    mid = torch.fft.irfft(torch.fft.rfft(response[rows, 0, :head], fft_samples) * spectra, fft_samples)[:, :head]
    side = arriving_m[rows, 1:2] / arriving_m[rows].norm(dim=-1, keepdim=True)
    response[rows, :, :head] = torch.stack([mid, mid * side], dim=1)
    return response


def compute_reflections(
    rooms: ShoeboxRooms,
    of: Int[Tensor, "source"],
    view_m: Float[Tensor, "source 3"],
    directivity: Directivity | None = None,
) -> Float[Tensor, "source 2 sample"]:
    """Compute the early reflections in W and Y'."""
    response = torch.fft.irfft(compute_early(rooms, of, view_m, _FFT_SAMPLES, directivity), _FFT_SAMPLES)
    return F.pad(response[..., :EARLY_SAMPLES], (0, RESPONSE_SAMPLES - EARLY_SAMPLES))


def compute_late(
    rooms: ShoeboxRooms, of: Int[Tensor, "source"], starts: Sequence[int], directivity: Directivity | None = None
) -> Float[Tensor, "source 2 sample"]:
    """Compute the late reverberation in W and Y': noise that begins where the reflections are cut and decays as the
    walls say.

    `starts` picks the noise of each source. It is as diffuse as the room's `late_side` says; a directive source feeds
    it with what it sends in all directions.
    """
    envelope = F.interpolate(
        compute_late_power(rooms).sqrt(), size=RESPONSE_SAMPLES, mode="linear", align_corners=True
    )  # (room, band, sample)
    sent = None if directivity is None else directivity.compute_mean_power().sqrt()
    response = envelope.new_zeros(len(of), 2, RESPONSE_SAMPLES)
    for band in range(len(BANDS_HZ)):
        noise = draw_octave(band, starts, RESPONSE_SAMPLES, str(of.device))
        level = envelope[of, band] if sent is None else envelope[of, band] * sent[:, band : band + 1]
        response.addcmul_(noise, level.unsqueeze(1))
    response[:, 1] *= rooms.late_side[of].unsqueeze(1)
    return response
