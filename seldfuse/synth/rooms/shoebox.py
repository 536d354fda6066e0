"""Shoebox rooms, batched: what arrives at a coincident first-order microphone from a source at a place.

A mirror image of the source stands behind every sequence of walls (J. B. Allen, D. A. Berkley, "Image method for
efficiently simulating small-room acoustics", JASA 65, 1979)::

    image:   +----------+----------+      A path that bounces off n walls is a straight line to an image of order n.
             |  ○       |       ●  |      It arrives distance / speed of sound later, weakened by 1 / distance and, wall
             |          |  ◎       |      by wall and band by band, by what the wall did not absorb.
             +----------+----------+      ● source, ○ its image behind the left wall, ◎ microphone

Images up to `ORDER` are placed one by one (`compute_early`). The many beyond are noise whose power follows from the
same law (`compute_late_power`): there is one image in each volume of the room's size, so that a shell of radius c·t
brings the power 4πc / V, times what the walls leave, averaged over directions. Where the images are cut, the noise
begins.

Everything is given for the omnidirectional channel W and for the side channel Y' of a view; a plane wave from
azimuth θ and elevation φ has Y' = sin θ cos φ · W. Amplitudes are those of a source that has 1 at 1 m.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.synth.rooms.bands import BANDS_HZ, build_band_filters
from seldfuse.synth.rooms.directivity import Directivity
from seldfuse.synth.scene import Room

SPEED_OF_SOUND_M_S = 343.0

ORDER = 4
EARLY_SAMPLES = int(0.1 * SAMPLE_RATE_HZ)
"""Images that arrive later than this are left to the noise."""

LATE_STEP_S = 0.005
LATE_STEPS = 241
"""The power of the noise is known every 5 ms, from 0 to 1.2 s."""

RANK = 3
"""The gains of all images over the bands are combinations of this many; what is left out lies below 1 %."""

LOWEST_HZ = 30.0
"""Reflections fade out below this."""

SCATTER, SCATTER_DB = 0.12, 3.0
"""Standard deviations by which the images of the most irregular room deviate: each coordinate, as a share of the
distance, and the level.
"""

SCATTER_ROWS = 4099

_NEVER = 1e-6
_SCATTER_SEED = 20251203


@dataclass(frozen=True)
class ShoeboxRooms:
    """Shoeboxes in a batch: sizes and microphones in metres in the room's axes, how far the view is turned, the natural
    logarithm of the amplitude that six walls leave in each band, and how they differ from a perfect shoebox
    (`late_side` is an amplitude; `irregularity_start` are rows of a table).
    """

    size_m: Float[Tensor, "room 3"]
    microphone_m: Float[Tensor, "room 3"]
    yaw_rad: Float[Tensor, "room"]
    log_reflection: Float[Tensor, "room 6 band"]
    irregularity: Float[Tensor, "room"]
    irregularity_start: Int[Tensor, "room"]
    late_side: Float[Tensor, "room"]

    @classmethod
    def from_scenes(cls, rooms: Sequence[Room], device: torch.device | str = "cpu") -> "ShoeboxRooms":
        """Build the batch of some rooms."""

        def tensor(values: list[Any], *shape: int) -> Tensor:
            return torch.tensor(values, dtype=torch.float32).reshape(len(rooms), *shape).to(device)

        absorption = tensor([room.absorption for room in rooms], 6, len(BANDS_HZ)).clamp(0.0, 1.0 - _NEVER)
        return cls(
            tensor([room.size_m for room in rooms], 3),
            tensor([room.microphone_m for room in rooms], 3),
            tensor([math.radians(room.yaw_deg) for room in rooms]),
            0.5 * torch.log1p(-absorption),
            tensor([room.irregularity for room in rooms]),
            torch.tensor([room.irregularity_start for room in rooms], dtype=torch.int64, device=device),
            tensor([10 ** (room.late_side_db / 20) for room in rooms]),
        )


def compute_early(
    rooms: ShoeboxRooms,
    of: Int[Tensor, "pair"],
    view_m: Float[Tensor, "pair 3"],
    fft_samples: int,
    directivity: Directivity | None = None,
) -> Complex[Tensor, "pair 2 frequency"]:
    """Compute the spectra of the reflections up to `ORDER` in W and Y', without the direct sound.

    `of` says in which room each pair stands, `view_m` where its source is, in the view's axes; without `directivity`
    all are omnidirectional. Time starts when the source sounds.
    """
    hits, steps, flips = _lattice(str(view_m.device))
    size_m, microphone_m, yaw_rad = rooms.size_m[of], rooms.microphone_m[of], rooms.yaw_rad[of]
    source_m = _turn(view_m, yaw_rad) + microphone_m
    image_m = flips * source_m.unsqueeze(1) + steps * size_m.unsqueeze(1) - microphone_m.unsqueeze(1)
    loss = torch.exp(hits @ rooms.log_reflection)  # (room, image, band)
    if rooms.irregularity.any():
        image_m, loss = _scatter(image_m, loss, rooms, of)
    distance_m = image_m.norm(dim=-1).clamp_min(0.05)  # (pair, image)
    left = torch.stack([-yaw_rad.sin(), yaw_rad.cos()], dim=-1).unsqueeze(-1)
    side = (image_m[..., :2] @ left).squeeze(-1) / distance_m

    gains, filters = (part[of] for part in _split_bands(loss, fft_samples))
    if directivity is not None and directivity.directed.any():
        rows = directivity.directed.nonzero().squeeze(1)
        own = directivity.select_rows(rows)
        facing = _turn(own.compute_facing(view_m[rows]), yaw_rad[rows]).unsqueeze(1) * flips
        cosine = -(facing * image_m[rows]).sum(dim=-1) / distance_m[rows]
        gains[rows], filters[rows] = _split_bands(loss[of[rows]] * own.compute_gains(cosine), fft_samples)
    weights = (gains / distance_m.unsqueeze(-1)).unsqueeze(-1)  # (pair, image, rank, 1)
    values = weights * torch.stack([torch.ones_like(side), side], dim=-1).unsqueeze(-2)
    trains = _trains(distance_m * (SAMPLE_RATE_HZ / SPEED_OF_SOUND_M_S), values.flatten(2))
    spectra = torch.fft.rfft(trains, fft_samples).reshape(len(of), RANK, 2, -1)
    summed: Tensor = (spectra * filters.unsqueeze(2)).sum(dim=1)
    return summed


def compute_late_power(rooms: ShoeboxRooms) -> Float[Tensor, "room band step"]:
    """Compute the mean square of each sample of the noise in W, every `LATE_STEP_S`, that stands for the images not
    placed.
    """
    directions = _octant(str(rooms.size_m.device))
    path_m = SPEED_OF_SOUND_M_S * LATE_STEP_S * torch.arange(LATE_STEPS, device=rooms.size_m.device)
    crossings = _crossings_per_m(directions, rooms)  # (room, direction)
    swallowed = _swallowed_per_m(directions, rooms)  # (room, direction, band)
    beyond = (path_m * crossings.unsqueeze(-1) > ORDER + 0.5) | (path_m > _early_m())
    left = torch.exp(-2.0 * swallowed.unsqueeze(-1) * path_m) * beyond.unsqueeze(2)
    volume_m3 = rooms.size_m.prod(dim=-1).reshape(-1, 1, 1)
    return left.mean(dim=1) * (4.0 * math.pi * SPEED_OF_SOUND_M_S / SAMPLE_RATE_HZ) / volume_m3


def find_absorption(
    size_m: Float[np.ndarray, "3"], pattern: Float[np.ndarray, "6 band"], rt60_s: Float[np.ndarray, "band"]
) -> Float[np.ndarray, "6 band"]:
    """Find the absorption whose reverberation decays by 60 dB in `rt60_s`, band by band.

    `pattern` is how much the walls absorb relative to each other. The decay is that of all mirror images, read off
    between −5 and −35 dB of the backward-integrated energy (ISO 3382-1). The logarithm of what a wall leaves scales
    the whole decay in time, so that one scale per band gives the wanted time exactly.
    """
    rooms = ShoeboxRooms(
        torch.as_tensor(size_m, dtype=torch.float32)[None], torch.zeros(1, 3), torch.zeros(1),
        -torch.as_tensor(pattern, dtype=torch.float32)[None], torch.zeros(1), torch.zeros(1, dtype=torch.int64),
        torch.ones(1),
    )  # fmt: skip
    scale = compute_decay_s(_swallowed_per_m(_octant("cpu"), rooms)[0]).numpy() / rt60_s
    return np.asarray(1.0 - np.exp(-2.0 * pattern * scale))


def compute_decay_s(swallowed_per_m: Float[Tensor, "direction band"]) -> Float[Tensor, "band"]:
    """Compute the time of 60 dB of decay of a field in which each direction decays by its own exponential."""
    rate = 2.0 * SPEED_OF_SOUND_M_S * swallowed_per_m  # of the energy, per second
    time_s = torch.linspace(0.0, 1.0, 300).square().unsqueeze(-1) * (14.0 / rate.min(dim=0).values)  # (time, band)
    energy = (torch.exp(-rate * time_s.unsqueeze(1)) / rate).mean(dim=1)
    level_db = 10.0 * torch.log10(energy / energy[0])
    first_s, last_s = (_crossing(time_s, level_db, edge_db) for edge_db in (-5.0, -35.0))
    return 2.0 * (last_s - first_s)


def _crossing(
    time_s: Float[Tensor, "time band"], level_db: Float[Tensor, "time band"], edge_db: float
) -> Float[Tensor, "band"]:
    """When falling levels reach `edge_db`, between two times of the grid."""
    after = (level_db > edge_db).sum(dim=0, keepdim=True)
    early_s, late_s = time_s.gather(0, after - 1), time_s.gather(0, after)
    high_db, low_db = level_db.gather(0, after - 1), level_db.gather(0, after)
    return (early_s + (late_s - early_s) * (high_db - edge_db) / (high_db - low_db)).squeeze(0)


def _scatter(
    image_m: Float[Tensor, "pair image 3"],
    loss: Float[Tensor, "room image band"],
    rooms: ShoeboxRooms,
    of: Int[Tensor, "pair"],
) -> tuple[Float[Tensor, "pair image 3"], Float[Tensor, "room image band"]]:
    """Images where the walls of an irregular room send them, none nearer than the mirror law has it by a fifth, and
    what their walls leave. An image deviates in the same way for every source of the room, wherever it goes.
    """
    images = image_m.shape[1]
    at = (rooms.irregularity_start.unsqueeze(1) + torch.arange(images, device=of.device)) % SCATTER_ROWS
    deviation = _deviations(str(of.device))[at] * rooms.irregularity.reshape(-1, 1, 1)  # (room, image, 4)
    length_m = image_m.norm(dim=-1, keepdim=True)
    moved_m = image_m + SCATTER * length_m * deviation[of][..., :3]
    moved_m = moved_m * (0.8 * length_m / moved_m.norm(dim=-1, keepdim=True)).clamp_min(1.0)
    return moved_m, loss * 10 ** (SCATTER_DB / 20 * deviation[..., 3:])


@lru_cache(maxsize=4)
def _deviations(device: str) -> Float[Tensor, "row 4"]:
    return torch.randn(SCATTER_ROWS, 4, generator=torch.Generator().manual_seed(_SCATTER_SEED)).to(device)


def _split_bands(
    gains: Float[Tensor, "room image band"], fft_samples: int
) -> tuple[Float[Tensor, "room image rank"], Float[Tensor, "room rank frequency"]]:
    """Gains of images over bands as few coefficients and as many filters, so that few trains need a spectrum.

    The filters come from the largest principal axes of the gains, which is the best that any `RANK` filters can do.
    """
    axes = torch.linalg.eigh(gains.mT @ gains).eigenvectors[..., -RANK:]  # (room, band, rank)
    # Far below the lowest mode all images add up in phase, which no room does.
    frequency_hz = torch.fft.rfftfreq(fft_samples, 1.0 / SAMPLE_RATE_HZ, device=gains.device)
    rumble = frequency_hz**2 / (frequency_hz**2 + LOWEST_HZ**2)
    return gains @ axes, axes.mT @ build_band_filters(fft_samples, str(gains.device)) * rumble


def _trains(
    delay: Float[Tensor, "pair image"], values: Float[Tensor, "pair image channel"]
) -> Float[Tensor, "pair channel sample"]:
    """Pulses at fractional delays in samples, each spread over four samples (cubic Lagrange)."""
    pairs, _, channels = values.shape
    whole = delay.floor()
    x = (delay - whole).unsqueeze(-1)
    near, far = (x + 1) * (x - 2), x * (x - 1)
    taps = torch.cat([-far * (x - 2) / 6, near * (x - 1) / 2, -near * x / 2, far * (x + 1) / 6], dim=-1)
    at = whole.long().unsqueeze(-1) + torch.arange(-1, 3, device=delay.device)
    taps = taps * ((at >= 0) & (at < EARLY_SAMPLES))
    at = at.clamp(0, EARLY_SAMPLES - 1) + EARLY_SAMPLES * torch.arange(pairs, device=delay.device).reshape(-1, 1, 1)
    trains = values.new_zeros(pairs * EARLY_SAMPLES, channels)
    trains.index_add_(0, at.flatten(), (taps.unsqueeze(-1) * values.unsqueeze(-2)).flatten(0, 2))
    return trains.reshape(pairs, EARLY_SAMPLES, channels).transpose(1, 2)


@lru_cache(maxsize=4)
def _lattice(device: str) -> tuple[Float[Tensor, "image 6"], Float[Tensor, "image 3"], Float[Tensor, "image 3"]]:
    """All images of order 1 to `ORDER`: how often each wall is hit, and the place as flip · source + step · size.

    Along one axis image k of a source at s stands at s + k·L for even k, at (k + 1)·L − s for odd k.
    """
    cells = [k for k in product(range(-ORDER, ORDER + 1), repeat=3) if 0 < sum(map(abs, k)) <= ORDER]
    k = torch.tensor(cells)
    odd = k % 2 == 1
    low, high = (torch.where(k * sign > 0, (k.abs() + 1) // 2, k.abs() // 2) for sign in (-1, 1))
    hits = torch.stack([low, high], dim=-1).flatten(1)
    steps, flips = torch.where(odd, k + 1, k), torch.where(odd, -1, 1)
    return hits.float().to(device), steps.float().to(device), flips.float().to(device)


@lru_cache(maxsize=4)
def _octant(device: str, count: int = 128) -> Float[Tensor, "direction 3"]:
    """Directions evenly over an eighth of the sphere: mirror images make the others alike."""
    index = torch.arange(count)
    height = (index + 0.5) / count
    angle = (index * ((math.sqrt(5.0) - 1.0) / 2.0) % 1.0) * (math.pi / 2)
    flat = (1.0 - height.square()).sqrt()
    return torch.stack([flat * angle.cos(), flat * angle.sin(), height], dim=-1).to(device)


def _crossings_per_m(directions: Float[Tensor, "direction 3"], rooms: ShoeboxRooms) -> Float[Tensor, "room direction"]:
    return (directions / rooms.size_m.unsqueeze(1)).sum(dim=-1)


def _swallowed_per_m(
    directions: Float[Tensor, "direction 3"], rooms: ShoeboxRooms
) -> Float[Tensor, "room direction band"]:
    """Mean loss of the amplitude's logarithm per metre: half of the crossings along an axis hit each of its walls."""
    per_axis = -rooms.log_reflection.reshape(-1, 3, 2, len(BANDS_HZ)).mean(dim=2)  # (room, axis, band)
    swallowed: Tensor = (directions / rooms.size_m.unsqueeze(1)) @ per_axis
    return swallowed


def _early_m() -> float:
    return EARLY_SAMPLES / SAMPLE_RATE_HZ * SPEED_OF_SOUND_M_S


def _turn(view_m: Float[Tensor, "pair 3"], yaw_rad: Float[Tensor, "pair"]) -> Float[Tensor, "pair 3"]:
    x, y, z = view_m.unbind(-1)
    cos, sin = yaw_rad.cos(), yaw_rad.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=-1)
