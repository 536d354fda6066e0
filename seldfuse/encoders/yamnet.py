"""YAMNet (Plakal and Ellis 2020): a MobileNet v1 (Howard et al. 2017) trained on AudioSet's 521 classes.

The network and its front end are those of `research/audioset/yamnet` in the repository tensorflow/models, with batch
norms folded into the convolutions. There it takes patches of 0.96 s; here it is convolutional in time, and has one step
every 320 ms. A step depends on 3.15 s around it.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.encoders.interpolate import interpolate_to_frames
from seldfuse.encoders.models import AudioTokens
from seldfuse.encoders.shipped_weights import load_bundled_weights, refuse_weights
from seldfuse.nn.channels_last import order_channels_last
from seldfuse.nn.mobilenet import EMBEDDING, STRIDE, MobileNet

NAME = "yamnet"
SAMPLE_RATE_HZ = 16_000
WINDOW, HOP, FFT_SIZE = 400, 160, 512
MEL_BANDS, LOWEST_HZ, HIGHEST_HZ, LOG_OFFSET = 64, 125.0, 7500.0, 0.001
CLASSES = 521
CHANNELS = 128
"""Principal components that tokens consist of."""
AT_ONCE = 4


class YamnetNetwork(MobileNet):
    """Log-mel spectra every 10 ms to an embedding of 1024 values every 320 ms.

    `classifier` gives the scores of AudioSet's classes from an embedding, before the sigmoid. `projection` is that to
    the strongest principal components of embeddings of isolated sounds, at unit variance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(EMBEDDING, CLASSES)
        self.projection = nn.Linear(EMBEDDING, CHANNELS)


class Yamnet:
    """`yamnet`: 128 values for a window, and 128 for each 100 ms of it, interpolated between steps of 320 ms.

    They are principal components of the embedding, the window's those of its mean. Networks would otherwise have to
    store and read 2048 values for each frame.
    """

    name = NAME
    sample_rate_hz = SAMPLE_RATE_HZ
    whole_channels = channels = CHANNELS

    def __init__(self, device: torch.device) -> None:
        """Load the weights. Raises CheckpointError where they are missing."""
        weights, self.version = load_bundled_weights("model", NAME)
        # Random numbers must not depend on whether an encoder was loaded.
        with torch.random.fork_rng(devices=[]):
            network = YamnetNetwork()
        network.load_state_dict(weights)
        order_channels_last(network)
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = device

    @torch.inference_mode()
    def encode(self, audio: Float[Tensor, "window sample"]) -> AudioTokens:
        """Encode windows of sound at 16 kHz."""
        tokens = self.network.projection(self.embed(audio))
        frames = interpolate_to_frames(tokens, compute_step_centers_s(tokens.shape[1]), audio.shape[1] / SAMPLE_RATE_HZ)
        return AudioTokens(tokens.mean(dim=1), frames)

    @torch.inference_mode()
    def classify(self, audio: Float[Tensor, "window sample"]) -> Float[Tensor, "window 521"]:
        """Compute the scores of AudioSet's classes for whole windows, before the sigmoid."""
        return self.network.classifier(self.embed(audio).mean(dim=1))  # type: ignore[no-any-return]

    @torch.inference_mode()
    def embed(self, audio: Float[Tensor, "window sample"]) -> Float[Tensor, "window step 1024"]:
        """Compute the embedding of every 320 ms; silence follows a window until its last step is whole."""
        parts = torch.split(audio.to(self.device, torch.float32), AT_ONCE)
        return torch.cat([self.network(compute_logmel(pad_to_steps(part))) for part in parts])


def load_yamnet(weights: str | None, device: torch.device) -> Yamnet:
    """Load `yamnet`. Raises UsageError for weights of one's own, CheckpointError where its own are missing."""
    refuse_weights(NAME, weights)
    return Yamnet(device)


def compute_logmel(audio: Float[Tensor, "window sample"]) -> Float[Tensor, "window time 64"]:
    """Compute log-mel spectra of 25 ms every 10 ms: the magnitudes of 64 bands from 125 to 7500 Hz, natural log."""
    pieces = audio.unfold(1, WINDOW, HOP) * torch.hann_window(WINDOW, device=audio.device)
    magnitudes = torch.fft.rfft(pieces, FFT_SIZE).abs()
    return (magnitudes @ make_mel_matrix().to(audio.device) + LOG_OFFSET).log()  # type: ignore[no-any-return]


def compute_step_centers_s(steps: int) -> list[float]:
    """Compute when the middle of each step sounds: padding at the end only puts it on the last of its 32 spectra."""
    return [((step * STRIDE + STRIDE - 1) * HOP + WINDOW / 2) / SAMPLE_RATE_HZ for step in range(steps)]


def pad_to_steps(audio: Float[Tensor, "window sample"]) -> Float[Tensor, "window longer"]:
    """Pad with silence so that spectra hold every sample and fill whole steps."""
    spectra = max(0, math.ceil((audio.shape[1] - WINDOW) / HOP)) + 1
    whole = math.ceil(spectra / STRIDE) * STRIDE
    return F.pad(audio, (0, (whole - 1) * HOP + WINDOW - audio.shape[1]))


def make_mel_matrix() -> Float[Tensor, "bin 64"]:
    """Make triangles that are linear in mel (HTK's), without the mean, as `tf.signal.linear_to_mel_weight_matrix`."""
    edges = _make_edges_mel()
    bins = _to_mel(np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SIZE // 2 + 1))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.clip(np.minimum(rising, falling), 0.0, None)
    triangles[0] = 0.0
    return torch.from_numpy(triangles.astype(np.float32))


def get_mel_centers_hz() -> np.ndarray:
    """Return the center frequency in Hz of each band."""
    return 700.0 * np.expm1(_make_edges_mel()[1:-1] / 1127.0)


def _make_edges_mel() -> np.ndarray:
    lowest, highest = _to_mel(np.array([LOWEST_HZ, HIGHEST_HZ]))
    return np.linspace(lowest, highest, MEL_BANDS + 2)


def _to_mel(frequency_hz: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(frequency_hz / 700.0)
