"""A backend without a network: it infers where a concert plays, and when."""

import torch

from seldfuse.sdk import DCASE2025, ClipBatch, Posterior, direction_from_azimuth

AUDIBLE_DB = -50.0


class Panning:
    """A coincident pair records a source at azimuth a with L − R = sin(a) · (L + R)."""

    def __init__(self) -> None:
        # It asks a batch for no feature, and for no tokens of an encoder.
        self.features: tuple[str, ...] = ()
        self.encoders: dict[str, str] = {}

    def infer(self, batch: ClipBatch) -> Posterior:
        left, right = batch.audio.unflatten(-1, (batch.frames, -1)).unbind(dim=1)  # (batch, frame, sample)
        both = left + right
        power = both.square().mean(-1)  # (batch, frame)
        sine = ((left - right) * both).mean(-1) / power.clamp_min(1e-12)
        azimuth_deg = torch.rad2deg(torch.asin(sine.clamp(-1, 1)))
        level_db = 10 * power.clamp_min(1e-12).log10()

        activity = torch.zeros(len(batch), batch.frames, len(DCASE2025), 1, device=batch.device)
        activity[:, :, DCASE2025.index("music"), 0] = torch.sigmoid((level_db - AUDIBLE_DB) / 3)
        azimuths_deg = azimuth_deg[:, :, None, None].expand_as(activity)  # (batch, frame, cls, track)
        return Posterior(activity, direction_from_azimuth(azimuths_deg))


def load(checkpoint: str | None, device: torch.device) -> Panning:
    """There are no weights to load, and the sound is on the device already."""
    return Panning()
