"""CLAP's tower of sound (Wu et al. 2023, HTSAT), trained to match the words that describe a recording."""

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.compat.transformers import import_transformers
from seldfuse.encoders.interpolate import interpolate_to_frames
from seldfuse.encoders.models import AudioTokens
from seldfuse.weights.find import CONFIG, FRONT_END, find_weights

WEIGHTS = "laion/clap-htsat-unfused"
TOWER = ("audio_model.", "audio_projection.")
AT_ONCE = 8


class Clap:
    """`clap`: 512 values for a window, and 768 for each 100 ms of it, made of steps of 0.31 s.

    Windows are of up to 10 s, the network's own length. Shorter ones are repeated as often as they fit, as in its
    training; the steps of the first time are taken.
    """

    name = "clap"

    def __init__(self, reference: str, device: torch.device) -> None:
        """Weights of the whole model or of the tower. Raises CheckpointError, UsageError without transformers."""
        weights, library = find_weights(reference, (CONFIG, FRONT_END)), import_transformers()
        settings = weights.read_settings(CONFIG) or {}
        # The whole model's settings know how wide the projection is.
        config = (
            library.ClapConfig.from_dict(settings).audio_config
            if "audio_config" in settings
            else library.ClapAudioConfig.from_dict(settings)
        )
        network = library.ClapAudioModelWithProjection(config)
        weights.fill(network, weights.read_tensors(TOWER))
        self.version = weights.hash_version()
        self.front_end = library.ClapFeatureExtractor.from_dict(weights.read_settings(FRONT_END) or {})
        self.sample_rate_hz = int(self.front_end.sampling_rate)
        self.longest = int(self.front_end.nb_max_samples)
        self.steps_px = int(config.spec_size) * (int(config.spec_size) // int(config.num_mel_bins))
        self.whole_channels, self.channels = (
            int(config.projection_dim),
            int(network.audio_model.audio_encoder.num_features),
        )
        self.device = device
        self.dtype = torch.float16 if device.type == "cuda" else torch.float32
        self.network = network.to(device, self.dtype).eval()

    @torch.inference_mode()
    def encode(self, audio: Float[Tensor, "window sample"]) -> AudioTokens:
        """Encode windows of sound. Raises ValueError for windows that are longer than the network's."""
        if audio.shape[1] > self.longest:
            raise ValueError(f"expected windows of up to {self.longest} samples, got {audio.shape[1]}")
        parts = [self._encode(some) for some in torch.split(audio, AT_ONCE)]
        return AudioTokens(torch.cat([part.window for part in parts]), torch.cat([part.frames for part in parts]))

    def _encode(self, audio: Float[Tensor, "window sample"]) -> AudioTokens:
        prepared = self.front_end(
            list(audio.cpu().numpy()),
            sampling_rate=self.sample_rate_hz,
            truncation="rand_trunc",  # nothing is truncated; the other choice makes four spectra for models that fuse
            padding="repeatpad",
            return_tensors="pt",
        )
        spectra = prepared["input_features"].to(self.device, self.dtype)
        found = self.network(input_features=spectra)
        steps = found.last_hidden_state.float().mean(dim=2).transpose(1, 2)  # (window, 32, 768)
        middles = compute_step_centers_s(
            steps.shape[1], self.steps_px, spectra.shape[2], self.front_end.hop_length / self.sample_rate_hz
        )
        return AudioTokens(
            found.audio_embeds.float(), interpolate_to_frames(steps, middles, audio.shape[1] / self.sample_rate_hz)
        )


def load_clap(weights: str | None, device: torch.device) -> Clap:
    """Load `clap` with its published weights, or others. Raises CheckpointError, UsageError without transformers."""
    return Clap(weights or WEIGHTS, device)


def compute_step_centers_s(steps: int, columns: int, frames: int, hop_s: float) -> list[float]:
    """Compute when the middle of each step sounds.

    The network stretches a spectrum of `frames` frames to `columns` columns, first to first and last to last, and each
    step stands for as many columns.
    """
    wide = columns // steps
    scale = (frames - 1) / (columns - 1) * hop_s
    return [(step * wide + (wide - 1) / 2) * scale for step in range(steps)]
