"""What cheap equipment does to a scene: too much gain, or one that follows the level, a narrow band, a lossy codec."""

import zlib
from collections.abc import Sequence

import av
import numpy as np
import scipy.fft
import torch
from av.audio.frame import AudioFrame
from jaxtyping import Float, Float32
from torch import Tensor

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.synth.codec import apply_codec
from seldfuse.synth.scene import RecordingChain

AAC_DELAY = 1024
"""Samples by which what was decoded comes late."""

_STEEPNESS = 4
"""Order of the band limits: 24 dB an octave."""

_RINGING = SAMPLE_RATE_HZ // 10

GAIN_BLOCK = SAMPLE_RATE_HZ // 50
AGC_RANGE_DB = 20.0
LIMITER_RELEASE_S = 0.15

_SEEDING = ("gain_db", "highpass_hz", "lowpass_hz", "codec_kbps")
"""The fields of a chain that seed its codec: those of the first plans."""


def apply_chain(
    audio: Float[Tensor, "batch 2 sample"], chains: Sequence[RecordingChain]
) -> Float[Tensor, "batch 2 sample"]:
    """Apply the recording chain of each scene at 24 kHz: the channels' gains, automatic gain, a limiter, clipping at
    ±1, band limits, then a codec.

    The codec is `codec.apply_codec`; what is random in it depends on the chain alone. What overshoots in the end is
    clipped, as a player does. Raises ValueError for a bit rate that `codec.RATES` does not hold.
    """
    gain_db = torch.tensor([chain.gain_db for chain in chains], device=audio.device).reshape(-1, 1, 1)
    mismatch_db = torch.tensor([chain.mismatch_db for chain in chains], device=audio.device).reshape(-1, 1, 1)
    if mismatch_db.any():
        gain_db = gain_db + mismatch_db * torch.tensor([[0.5], [-0.5]], device=audio.device)
    audio = audio * 10 ** (gain_db / 20)
    for row, chain in enumerate(chains):
        if chain.agc_db is not None:
            audio[row] *= compute_agc(audio[row], chain.agc_db, chain.agc_release_s)
        if chain.limiter_db is not None:
            audio[row] *= compute_limiter(audio[row], chain.limiter_db)
    audio = audio.clamp_(-1.0, 1.0)
    limited = [row for row, chain in enumerate(chains) if chain.highpass_hz is not None or chain.lowpass_hz is not None]
    if limited:
        audio[limited] = _limit_bandwidth(audio[limited], [chains[row] for row in limited])
    lossy = {row: chain.codec_kbps for row, chain in enumerate(chains) if chain.codec_kbps is not None}
    if lossy:
        starts = [_compute_start(chains[row]) for row in lossy]
        audio[list(lossy)] = apply_codec(audio[list(lossy)], list(lossy.values()), starts)
    return audio.clamp_(-1.0, 1.0)


def _compute_start(chain: RecordingChain) -> int:
    """Compute what seeds the codec. The text has a former name of the class and the fields that it had, so that old
    plans sound as they did.
    """
    values = ", ".join(f"{name}={getattr(chain, name)!r}" for name in _SEEDING)
    return zlib.crc32(f"Wear({values})".encode())


def compute_agc(audio: Float[Tensor, "2 sample"], target_db: float, release_s: float) -> Float[Tensor, "sample"]:
    """Compute the gain that brings a pair to a level, dB of its mean square below full scale, by 20 dB up or down at
    most.

    It falls within a block of 20 ms, and rises by 10 dB in `release_s`.
    """
    power = _blocks(audio).square().mean(dim=(0, 2))
    level_db = 10 * torch.log10(power + 1e-10)
    gain_db = (target_db - _hold(level_db, release_s)).clamp(-AGC_RANGE_DB, AGC_RANGE_DB)
    return _interpolate(gain_db, audio.shape[1])


def compute_limiter(audio: Float[Tensor, "2 sample"], ceiling_db: float) -> Float[Tensor, "sample"]:
    """Compute the gain that keeps peaks of a pair at a ceiling; it looks a block of 20 ms ahead, and rises by 10 dB in
    150 ms.
    """
    peak_db = 20 * torch.log10(_blocks(audio).abs().amax(dim=(0, 2)) + 1e-5)
    # The gain is interpolated between the middles of blocks, so that a peak has to bind its neighbours too.
    near_db = torch.nn.functional.max_pool1d(peak_db[None, None], 3, stride=1, padding=1)[0, 0]
    return _interpolate((ceiling_db - _hold(near_db, LIMITER_RELEASE_S)).clamp_max(0.0), audio.shape[1])


def _blocks(audio: Float[Tensor, "2 sample"]) -> Float[Tensor, "2 block entry"]:
    missing = -audio.shape[1] % GAIN_BLOCK
    return torch.nn.functional.pad(audio, (0, missing)).unfold(1, GAIN_BLOCK, GAIN_BLOCK)


def _hold(level_db: Float[Tensor, "block"], release_s: float) -> Float[Tensor, "block"]:
    """Levels that fall by 10 dB in `release_s` at most: the maximum of all before, each fallen as far as it may."""
    fall_db = torch.arange(len(level_db), device=level_db.device) * (10 * GAIN_BLOCK / SAMPLE_RATE_HZ / release_s)
    return (level_db + fall_db).cummax(dim=0).values - fall_db


def _interpolate(gain_db: Float[Tensor, "block"], samples: int) -> Float[Tensor, "sample"]:
    """Amplitudes of every sample from gains of blocks."""
    gain = torch.nn.functional.interpolate(
        10 ** (gain_db[None, None] / 20), scale_factor=GAIN_BLOCK, mode="linear", align_corners=False
    )
    return gain[0, 0, :samples]


def _limit_bandwidth(
    audio: Float[Tensor, "batch 2 sample"], chains: Sequence[RecordingChain]
) -> Float[Tensor, "batch 2 sample"]:
    """Butterworth's magnitudes without their phases, on the spectrum of the whole scene."""
    samples = audio.shape[-1]
    fft_samples = scipy.fft.next_fast_len(samples + _RINGING, real=True)
    frequency_hz = torch.fft.rfftfreq(fft_samples, 1.0 / SAMPLE_RATE_HZ, device=audio.device)
    low_hz = _corners(chains, "highpass_hz", 0.0, audio.device)
    high_hz = _corners(chains, "lowpass_hz", float("inf"), audio.device)
    order = 2 * _STEEPNESS
    damping = (1 + (low_hz / frequency_hz.clamp_min(1e-3)) ** order) * (1 + (frequency_hz / high_hz) ** order)
    limited: Tensor = torch.fft.irfft(torch.fft.rfft(audio, fft_samples) * damping.rsqrt(), fft_samples)
    return limited[..., :samples]


def _corners(
    chains: Sequence[RecordingChain], name: str, absent_hz: float, device: torch.device
) -> Float[Tensor, "batch 1 1"]:
    corners_hz = [getattr(chain, name) for chain in chains]
    return torch.tensor([absent_hz if hz is None else hz for hz in corners_hz], device=device).reshape(-1, 1, 1)


def encode_aac(audio: Float32[np.ndarray, "2 sample"], kbps: int) -> Float32[np.ndarray, "2 sample"]:
    """Encode and decode a scene at 24 kHz with real AAC in memory; the output has its length and is in time with it.

    The encoder is FFmpeg's own at its default settings, with intensity stereo and noise substitution as in most videos;
    `kbps` is for both channels together.
    """
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE_HZ, "stereo", "fltp"
    encoder.bit_rate = 1000 * kbps
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout="stereo")
    frame.sample_rate = SAMPLE_RATE_HZ
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = encoder.extradata
    decoded = [piece.to_ndarray() for packet in (*packets, None) for piece in decoder.decode(packet)]
    return np.concatenate(decoded, axis=1)[:, AAC_DELAY : AAC_DELAY + audio.shape[1]]
