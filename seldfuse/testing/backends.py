"""The contract of backends: what they state, and what their posteriors must be."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.models import BackendModel
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.catalogue.values import Backend, Encoder
from seldfuse.core.clip import Clip
from seldfuse.core.clip_batch import ClipBatch, FeatureFunction
from seldfuse.core.grid import SAMPLES_PER_FRAME, WINDOW_FRAMES
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.load import load_encoder_cached
from seldfuse.encoders.models import AudioEncoderModel, EncoderModel, ImageEncoderModel
from seldfuse.features.load import make_batch
from seldfuse.testing.sounds import noise_clip, panned_clip, resample, silent_clip, stack_audio
from seldfuse.testing.values import expect_refusal, find_value

AZIMUTH_DEG = 40.0
FIELDS = ("activity", "direction", "distance", "onscreen")
NOWHERE = "no-such-checkpoint"


class BackendContract:
    """Tests of one backend; a subclass sets `backend` to its name, `name@checkpoint`, or the value itself.

    `clip` is a sound that the backend detects, from an azimuth in degrees (positive is left): bell-like tones, unless a
    subclass overrides it. Between that sound on the left and on the right, the mean y component of the direction must
    differ by more than `least_swing`; 1.3 would be perfect.
    """

    backend: ClassVar[str | Backend]
    least_swing: ClassVar[float] = 0.2

    @property
    def request(self) -> BackendRequest:
        """Find the backend as a user asks for it."""
        if isinstance(self.backend, Backend):
            return BackendRequest(self.backend, self.backend.name, self.backend.default_checkpoint, "tests")
        return load_registry().find_backend(self.backend)

    def load(self) -> BackendModel:
        """Load the backend onto the processor."""
        return self.request.load(torch.device("cpu"))

    def clip(self, azimuth_deg: float) -> Clip:
        """Make a clip of a sound that the backend detects."""
        return panned_clip(azimuth_deg)

    def infer(self, *clips: Clip) -> Posterior:
        """Infer clips of one length in one batch."""
        model = self.load()
        return model.infer(make_model_batch(model, stack_audio(*clips)))

    def test_features_and_encoders_of_the_model_are_in_the_catalogue(self) -> None:
        model, registry = self.load(), load_registry()
        for name in model.features:
            assert name in registry.features, f"the model names the feature {name!r}, which nobody registers"
        for reference, version in model.encoders.items():
            assert find_value(Encoder, reference.partition("@")[0])
            assert version, f"the model must give the version of {reference} that it was trained with"

    def test_it_asks_for_nothing_but_the_features_and_encoders_that_it_names(self) -> None:
        model = self.load()
        batch = make_model_batch(model, stack_audio(self.clip(AZIMUTH_DEG)))
        asked = {name: batch[name] for name in (*model.features, *model.encoders)}

        def refuse(name: str) -> FeatureFunction:
            raise AssertionError(f"infer asks for {name!r}, which the model names neither in features nor in encoders")

        model.infer(ClipBatch(batch.audio, refuse, asked))

    def test_a_window_gives_a_row_and_a_frame_for_each_100_ms(self) -> None:
        posterior = self.infer(self.clip(AZIMUTH_DEG), noise_clip())
        expected, found = (2, WINDOW_FRAMES), tuple(posterior.activity.shape[:2])
        assert found == expected, f"expected (windows, frames) = {expected}, got {found}"
        assert posterior.activity.device.type == "cpu"

    def test_every_value_is_finite_and_possible(self) -> None:
        for name, tensor in self.infer(self.clip(AZIMUTH_DEG), noise_clip(), silent_clip()).tensors().items():
            assert bool(tensor.isfinite().all()), f"{name} has values that are not numbers"
            low, high = float(tensor.amin()), float(tensor.amax())
            if name in ("activity", "onscreen"):
                assert low >= 0, f"{name} is a probability, found {low}"
                assert high <= 1, f"{name} is a probability, found {high}"
            elif name == "direction":
                torch.testing.assert_close(tensor.norm(dim=-1), torch.ones(tensor.shape[:-1]), atol=1e-3, rtol=0)
            else:
                assert low >= 0, f"{name} must not be negative, found {low}"

    def test_it_provides_what_its_value_promises(self) -> None:
        found = [name for name in self.infer(self.clip(AZIMUTH_DEG)).provides if name in FIELDS]
        promised = list(self.request.value.provides)
        assert sorted(found) == sorted(promised), f"provides is {promised}, the posterior has {found}"

    def test_the_same_sound_gives_the_same_posterior(self) -> None:
        one, other = (self.infer(self.clip(AZIMUTH_DEG)).tensors() for _ in range(2))
        assert all(torch.equal(one[name], other[name]) for name in one), "two calls with one sound differ"

    def test_windows_of_a_batch_do_not_depend_on_each_other(self) -> None:
        alone = self.infer(self.clip(AZIMUTH_DEG)).activity
        beside = self.infer(self.clip(AZIMUTH_DEG), noise_clip(level_db=0.0)).activity[:1]
        torch.testing.assert_close(alone, beside, atol=1e-4, rtol=1e-3)

    def test_the_sound_is_detected_and_silence_is_not(self) -> None:
        activity = self.infer(self.clip(AZIMUTH_DEG), silent_clip()).activity.amax(dim=(1, 2, 3))
        sound, silence = activity.tolist()
        assert sound > silence, f"the activity of the sound is {sound:.2f}, that of silence {silence:.2f}"
        assert silence < 0.5, f"the activity of silence is {silence:.2f}"

    def test_exchanged_channels_give_the_mirrored_direction(self) -> None:
        if "direction" not in self.request.value.provides:
            pytest.skip("it provides no direction")
        posterior = self.infer(self.clip(AZIMUTH_DEG), self.clip(-AZIMUTH_DEG))
        assert posterior.direction is not None
        left, right = _mean_over_activity(posterior.direction[..., 1], posterior.activity).tolist()
        assert left - right > self.least_swing, (
            f"the mean y component is {left:.2f} for the sound on the left and {right:.2f} for the one on the right, "
            f"expected a difference of more than {self.least_swing}; y points to the left"
        )

    def test_a_checkpoint_that_is_not_there_is_refused_by_its_name(self) -> None:
        value = self.request.value
        if value.default_checkpoint is None:
            pytest.skip("it has no checkpoints")
        load = load_reference(str(value.load))
        expect_refusal(lambda: load(NOWHERE, torch.device("cpu")), NOWHERE)


def make_model_batch(model: BackendModel, audio: Tensor) -> ClipBatch:
    """Make a batch of windows without pictures, with the tokens of every encoder that a model names."""
    encoders = {reference: load_encoder_cached(reference, "cpu").model for reference in model.encoders}
    found = {reference: _encode(encoder, audio) for reference, encoder in encoders.items()}
    return make_batch(audio, {reference: tokens for reference, tokens in found.items() if tokens is not None})


def _encode(encoder: EncoderModel, audio: Tensor) -> Tensor | None:
    """Encode windows without pictures; None where the batch does it."""
    frames = audio.shape[-1] // SAMPLES_PER_FRAME
    if isinstance(encoder, ImageEncoderModel):
        return torch.full((len(audio), frames, encoder.tokens, encoder.channels), torch.nan)
    if isinstance(encoder, AudioEncoderModel):
        return encoder.encode(resample(audio, encoder.sample_rate_hz)).to_frames()
    return None


def _mean_over_activity(values: Tensor, activity: Tensor) -> Tensor:
    """The mean of each window, cells weighted with the square of their activity."""
    weight = activity.square()
    return (weight * values).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp_min(1e-12)
