"""Windows of sound on a device, what is seen meanwhile, and the features computed from them."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip import SAMPLE_RATE_HZ
from seldfuse.encoders.compact_audio import compute_compact_audio
from seldfuse.errors import PluginError
from seldfuse.features.intensity import compute_ild, compute_intensity
from seldfuse.features.logmel import compute_logmel
from seldfuse.features.spectrum import compute_mel_power, compute_spectrum
from seldfuse.features.stpacc import compute_stpacc

SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // 10

FeatureFunction = Callable[["ClipBatch"], Tensor]

BUILTIN: Mapping[str, FeatureFunction] = {
    "spectrum": compute_spectrum,
    "mel_power": compute_mel_power,
    "logmel": compute_logmel,
    "ild": compute_ild,
    "intensity": compute_intensity,
    "stpacc": compute_stpacc,
    "compact-audio": compute_compact_audio,
}


class ClipBatch:
    """Windows of equal length, 24 kHz stereo, on one device.

    `batch["logmel"]` is computed when it is first asked for and kept; features may ask for other features. `others`
    adds features from plugins by name. `embeddings` are what encoders made of the windows, by the encoders' names:
    `[batch, frame, token, channel]`, NaN in frames without a picture; `batch["compact-image"]` gives them back.
    Raises ValueError unless the windows are whole 100 ms frames.
    """

    def __init__(
        self,
        audio: Float[Tensor, "batch 2 sample"],
        others: Mapping[str, FeatureFunction] | None = None,
        embeddings: Mapping[str, Tensor] | None = None,
    ) -> None:
        if audio.shape[-1] == 0 or audio.shape[-1] % SAMPLES_PER_FRAME:
            raise ValueError(
                f"windows must be whole frames of {SAMPLES_PER_FRAME} samples, got {audio.shape[-1]} samples"
            )
        self.audio = audio
        self._functions = {**(others or {}), **BUILTIN}
        self._computed: dict[str, Tensor] = dict(embeddings or {})

    def __len__(self) -> int:
        return self.audio.shape[0]

    @property
    def device(self) -> torch.device:
        return self.audio.device

    @property
    def frames(self) -> int:
        """Number of 100 ms frames in each window."""
        return self.audio.shape[-1] // SAMPLES_PER_FRAME

    def __getitem__(self, name: str) -> Tensor:
        """The feature of that name. Raises PluginError where nothing computes it."""
        if name not in self._computed:
            if name not in self._functions:
                known = ", ".join(sorted(self._functions))
                raise PluginError(f"no feature is called {name!r}; there are {known}")
            self._computed[name] = self._functions[name](self)
        return self._computed[name]
