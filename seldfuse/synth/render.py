"""Scenes to sound and truth, batched.

The pair is coincident (mid-side): a plane wave of pressure s at azimuth θ and elevation φ gives L = s·(1 + sin θ cos φ)
and R = s·(1 − sin θ cos φ), s falling with 1 / distance. The late room is diffuse: it does not care where the source
stands, so all sources share one reverberant tail, whose Y part has a third of the power of its W part, so that L and R
correlate by one half. Tail, noise and band limit are applied to the spectrum of the whole scene at once.
"""

import math
from collections.abc import Sequence

import numpy as np
import scipy.fft
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from seldfuse.clip import SAMPLE_RATE_HZ
from seldfuse.directions import direction_from_azimuth
from seldfuse.geometry import fold_front
from seldfuse.labels import LabelSet
from seldfuse.posterior import Posterior
from seldfuse.synth.scene import LANES, Placed, Scene
from seldfuse.synth.sounds import FRAME_SAMPLES

TAIL_SAMPLES = int(0.7 * SAMPLE_RATE_HZ)
SPREAD = math.sqrt(1.0 / 3.0)
"""Level of the diffuse field's Y beside its W."""

PEAK = 0.99


def render(
    scenes: Sequence[Scene], labels: LabelSet, rng: np.random.Generator
) -> tuple[Float[Tensor, "batch 2 sample"], Posterior]:
    """Stereo sound at 24 kHz, and what sounded: activity 0 or 1, direction folded to the front, distance, three tracks.

    Tracks of a class are filled from the first. Sounds start up to half a frame beside their frame's start. Raises
    ValueError unless all scenes are of one length.
    """
    lengths = {scene.frames for scene in scenes}
    if len(lengths) != 1:
        raise ValueError(f"scenes of one batch must be of one length, got {sorted(lengths)} frames")
    samples = lengths.pop() * FRAME_SAMPLES
    fft_samples = scipy.fft.next_fast_len(samples + TAIL_SAMPLES, real=True)
    dry = torch.zeros(3, len(scenes), samples)  # W and Y of the direct sound, and what the room is fed with
    for row, scene in enumerate(scenes):
        for placed in scene.placed:
            _add_direct(dry[:, row], placed, rng)
    spectra = torch.fft.rfft(dry, fft_samples)  # (3, batch, frequency)
    frequency_hz = torch.fft.rfftfreq(fft_samples, 1 / SAMPLE_RATE_HZ)
    tails = torch.fft.rfft(_tails(scenes, rng), fft_samples)
    field = spectra[:2] + spectra[2] * tails + _noises(scenes, frequency_hz, rng)  # (W and Y, batch, frequency)
    field = field * _lowpass(scenes, frequency_hz)
    mid, side = torch.fft.irfft(field, fft_samples)[..., :samples]
    audio = torch.stack([mid + side, mid - side], dim=1) * _gains(scenes).reshape(-1, 1, 1)
    audio = audio / (audio.abs().amax(dim=(1, 2), keepdim=True) / PEAK).clamp_min(1.0)
    return audio, _truth(scenes, labels)


def _add_direct(dry: Float[Tensor, "3 sample"], placed: Placed, rng: np.random.Generator) -> None:
    start = placed.offset_frames * FRAME_SAMPLES
    samples = torch.from_numpy(placed.sound.samples[start : start + placed.frames * FRAME_SAMPLES])
    samples = _faded(samples) * 10 ** (placed.gain_db / 20)
    jitter = int(rng.integers(-FRAME_SAMPLES // 2, FRAME_SAMPLES // 2))
    at = max(0, placed.first_frame * FRAME_SAMPLES + jitter)
    side = math.sin(math.radians(placed.azimuth_deg)) * math.cos(math.radians(placed.elevation_deg))
    parts = torch.tensor([1.0 / placed.distance_m, side / placed.distance_m, 1.0]).unsqueeze(1)
    piece = dry[:, at : at + len(samples)]
    piece += parts * samples[: piece.shape[1]]


def _faded(samples: Float[Tensor, "sample"]) -> Float[Tensor, "sample"]:
    """Ends rounded off over 5 ms: a stretch cut out of a sound must not click."""
    ramp = torch.linspace(0.0, 1.0, SAMPLE_RATE_HZ // 200)
    samples = samples.clone()
    samples[: len(ramp)] *= ramp
    samples[-len(ramp) :] *= ramp.flip(0)
    return samples


def _tails(scenes: Sequence[Scene], rng: np.random.Generator) -> Float[Tensor, "2 batch sample"]:
    """The late room's W and Y: decaying noise, as loud as the direct sound is at the critical distance."""
    time_s = torch.arange(TAIL_SAMPLES) / SAMPLE_RATE_HZ
    decay_s = torch.tensor([scene.reverberation_s for scene in scenes]).unsqueeze(1)
    envelope = 10.0 ** (-3.0 * time_s / decay_s) * (time_s > 0.008)
    strength = torch.tensor([1.0 / scene.critical_distance_m for scene in scenes]).unsqueeze(1)
    envelope = envelope * strength / envelope.norm(dim=1, keepdim=True)
    noise = torch.from_numpy(rng.standard_normal((2, *envelope.shape), dtype=np.float32))
    tails: Tensor = noise * envelope * torch.tensor([1.0, SPREAD]).reshape(2, 1, 1)
    return tails


def _noises(
    scenes: Sequence[Scene], frequency_hz: Float[Tensor, "frequency"], rng: np.random.Generator
) -> Complex[Tensor, "2 batch frequency"]:
    """Spectra of diffuse background noise, W and Y, falling by a power of the frequency."""
    slope = torch.tensor([scene.noise_slope for scene in scenes]).unsqueeze(1)
    shape = (frequency_hz.clamp_min(50.0) / 1000.0) ** -slope
    level = torch.tensor([10 ** (scene.noise_db / 20) for scene in scenes]).unsqueeze(1)
    # By Parseval's theorem this norm of the half spectrum gives the wanted level in time.
    samples = 2 * (len(frequency_hz) - 1)
    shape = shape * level * samples / (math.sqrt(2.0) * shape.norm(dim=1, keepdim=True))
    white = torch.view_as_complex(torch.from_numpy(rng.standard_normal((2, *shape.shape, 2), dtype=np.float32)))
    noises: Tensor = white / math.sqrt(2.0) * shape * torch.tensor([1.0, SPREAD]).reshape(2, 1, 1)
    return noises


def _lowpass(scenes: Sequence[Scene], frequency_hz: Float[Tensor, "frequency"]) -> Float[Tensor, "batch frequency"]:
    cut_hz = torch.tensor([scene.lowpass_hz or SAMPLE_RATE_HZ for scene in scenes]).unsqueeze(1)
    return torch.sigmoid((cut_hz - frequency_hz) / 50.0)


def _gains(scenes: Sequence[Scene]) -> Float[Tensor, "batch"]:
    return torch.tensor([10 ** (scene.gain_db / 20) for scene in scenes])


def _truth(scenes: Sequence[Scene], labels: LabelSet) -> Posterior:
    shape = (len(scenes), scenes[0].frames, len(labels), LANES)
    activity, azimuth_deg, distance = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    for row, scene in enumerate(scenes):
        for placed in scene.placed:
            cell = (row, slice(placed.first_frame, placed.first_frame + placed.frames), placed.sound.cls, placed.lane)
            activity[cell] = placed.sound.active[placed.offset_frames :][: placed.frames]
            azimuth_deg[cell] = fold_front(placed.azimuth_deg)
            distance[cell] = placed.distance_m
    order = np.argsort(-activity, axis=-1, kind="stable")
    activity, azimuth_deg, distance = (np.take_along_axis(x, order, axis=-1) for x in (activity, azimuth_deg, distance))
    direction = direction_from_azimuth(torch.from_numpy(azimuth_deg))
    return Posterior(torch.from_numpy(activity), direction, torch.from_numpy(distance), labels=labels)
