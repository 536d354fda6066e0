"""Small values to test with: a training batch of four scenes, and the result of one clip."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.grid import FRAMES_PER_S, TRACKS
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.member_posteriors import MemberPosteriors
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import Result
from seldfuse.encoders.load import LoadedEncoder, load_encoder_cached
from seldfuse.encoders.models import AudioEncoderModel, ImageEncoderModel
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.features.load import make_batch
from seldfuse.features.spectrum import SPECTRA_PER_FRAME
from seldfuse.fusion import FusionSettings
from seldfuse.pipeline import fuse_and_decode
from seldfuse.testing.sounds import noise_clip, panned_clip, stack_audio
from seldfuse.train.batch import TrainingBatch

FRAMES = 20


def tiny_batch(
    features: Sequence[str] = ("logmel", "intensity"),
    scenes: int = 4,
    labels: LabelSet = DCASE2025,
    encoders: Sequence[str] = ("compact-image",),
) -> TrainingBatch:
    """Make a batch of two-second scenes, a source each and a second of its class in the first.

    `features` are computed from sound; the classes are the first ones. `encoders` are references (`name` or
    `name@weights`): tokens of pictures and sound are random numbers of their shape, and those of log-mel spectrograms
    follow from the features. Raises PluginError for what is not in the catalogue.
    """
    azimuths_deg = torch.linspace(-50.0, 60.0, scenes)
    loaded = [load_encoder_cached(reference, "cpu") for reference in encoders]
    return TrainingBatch(
        torch.cat([_compute_feature(name, tuple(azimuths_deg.tolist())) for name in features], dim=1),
        tuple(features),
        _make_target(azimuths_deg, labels),
        {encoder.name: _make_tokens(encoder, scenes) for encoder in loaded if encoder.value.input != "logmel"},
        tuple(encoder for encoder in loaded if encoder.value.input == "logmel"),
    )


def tiny_result(
    provides: Sequence[str] = ("activity", "direction", "distance", "onscreen"), empty: bool = False
) -> Result:
    """Make the result of a two-second clip in which one source sounds, or nothing where it is `empty`.

    `provides` are the fields that its one backend gives. Events are decoded from them as in a run.
    """
    target = _make_target(torch.tensor([30.0]), DCASE2025)
    tensors: dict[str, Any] = {name: tensor for name, tensor in target.tensors().items() if name in provides}
    if empty:
        tensors["activity"] = torch.zeros_like(target.activity)
    members = MemberPosteriors("tiny", {"tiny": Posterior(**tensors)}, FRAMES / FRAMES_PER_S)
    return fuse_and_decode(members, FusionSettings.resolve("mean"), "cpu")


@lru_cache(maxsize=32)
def _compute_feature(name: str, azimuths_deg: tuple[float, ...]) -> Tensor:
    """Compute a feature of tones with a little noise. It is copied before anyone changes it."""
    clips = [panned_clip(azimuth_deg, FRAMES / FRAMES_PER_S, seed) for seed, azimuth_deg in enumerate(azimuths_deg)]
    noise = [noise_clip(FRAMES / FRAMES_PER_S, level_db=-50.0, seed=seed) for seed in range(len(clips))]
    return make_batch(stack_audio(*clips) + stack_audio(*noise))[name][:, :, : FRAMES * SPECTRA_PER_FRAME]


def _make_target(azimuths_deg: Tensor, labels: LabelSet) -> Posterior:
    """What sounds: class after class, a second source of the same class in the first scene."""
    scenes = len(azimuths_deg)
    shape = (scenes, FRAMES, len(labels), TRACKS)
    activity = torch.zeros(shape)
    rows = torch.arange(scenes)
    activity[rows, 5:15, rows % len(labels), 0] = 1.0
    activity[0, 8:12, 0, 1] = 1.0
    azimuth_deg = azimuths_deg[:, None, None, None].expand(shape).clone()
    azimuth_deg[0, :, 0, 1] = 75.0
    onscreen = (azimuth_deg.abs() < 45.0).float()
    return Posterior(activity, direction_from_azimuth(azimuth_deg), torch.full(shape, 1.5), onscreen, labels=labels)


def _make_tokens(encoder: LoadedEncoder, scenes: int) -> EncoderTokens:
    """Make tokens at the encoder's own rate."""
    model = encoder.model
    generator = torch.Generator().manual_seed(0)
    if isinstance(model, AudioEncoderModel):
        shape = (scenes, FRAMES, 1, model.channels + model.whole_channels)
        return EncoderTokens(torch.randn(shape, generator=generator), input="audio")
    assert isinstance(model, ImageEncoderModel)
    pictures = FRAMES * model.rate_hz // FRAMES_PER_S
    plain, flipped = torch.randn(2, scenes, pictures, model.tokens, model.channels, generator=generator)
    return EncoderTokens(plain, flipped if encoder.value.has_mirror else None)
