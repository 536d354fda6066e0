"""Windows of sound on a device, encoders' tokens of them, and the features computed from them."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.grid import SAMPLES_PER_FRAME

FeatureFunction = Callable[["ClipBatch"], Tensor]


class ClipBatch:
    """Windows of equal length, 24 kHz stereo, on one device.

    `batch["logmel"]` is computed when it is first asked for, and once; features may ask for other features.
    `find_function` gives the function of a feature by its name (`seldfuse.features.load.find_function` those of the
    catalogue). `tokens` are what encoders made of the windows, by the encoders' references:
    `[batch, frame, token, channel]`, NaN in frames without a picture; `batch["compact-image"]` gives them back.
    Raises ValueError unless the windows are whole 100 ms frames.

    >>> import torch
    >>> from seldfuse.sdk import ClipBatch
    >>> batch = ClipBatch(torch.zeros(4, 2, 24_000), lambda name: {"power": lambda batch: batch.audio.square()}[name])
    >>> len(batch), batch.frames, batch["power"].shape
    (4, 10, torch.Size([4, 2, 24000]))
    """

    def __init__(
        self,
        audio: Float[Tensor, "batch 2 sample"],
        find_function: Callable[[str], FeatureFunction],
        tokens: Mapping[str, Tensor] | None = None,
    ) -> None:
        if audio.shape[-1] == 0 or audio.shape[-1] % SAMPLES_PER_FRAME:
            raise ValueError(
                f"windows must be whole frames of {SAMPLES_PER_FRAME} samples, got {audio.shape[-1]} samples"
            )
        self.audio = audio
        self._find_function = find_function
        self._computed: dict[str, Tensor] = dict(tokens or {})

    def __len__(self) -> int:
        return self.audio.shape[0]

    @property
    def device(self) -> torch.device:
        return self.audio.device

    @property
    def frames(self) -> int:
        """Return the number of 100 ms frames in each window."""
        return self.audio.shape[-1] // SAMPLES_PER_FRAME

    def __getitem__(self, name: str) -> Tensor:
        """Compute the feature of that name, or give it again. Raises PluginError where nothing computes it."""
        if name not in self._computed:
            self._computed[name] = self._find_function(name)(self)
        return self._computed[name]

    def count_writes(self) -> dict[str, int]:
        """Count the writes in place into each tensor that those who are given this batch share, by its name."""
        shared = {"audio": self.audio, **self._computed}
        # What is computed in inference mode counts none.
        return {name: one._version for name, one in shared.items() if not one.is_inference()}

    def find_written(self, before: Mapping[str, int]) -> str | None:
        """Find a tensor that was written in place since `count_writes` gave `before`; None where there is none."""
        now = self.count_writes()
        return next((name for name, count in before.items() if now.get(name, count) != count), None)
