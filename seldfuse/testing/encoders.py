"""The contract of encoders: tokens of the stated shape, the same for the same input, under a version."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Encoder
from seldfuse.errors import CheckpointError
from seldfuse.features.load import make_batch
from seldfuse.features.spectrum import SPECTRA_PER_FRAME
from seldfuse.testing.samples import FRAMES
from seldfuse.testing.sounds import noise_clip, panned_clip, resample, stack_audio
from seldfuse.testing.values import expect_refusal, find_value

NOWHERE = "no-such-weights"


class EncoderContract:
    """Tests of one encoder; a subclass sets `encoder` to its name, or to the value where it is not installed.

    `weights` are those that it is loaded with, None its own. Tests are skipped where published weights are not here.
    """

    encoder: ClassVar[str | Encoder]
    weights: ClassVar[str | None] = None

    @property
    def value(self) -> Encoder:
        """Find the value under test."""
        return find_value(Encoder, self.encoder)

    def load(self) -> Any:
        """Load the encoder onto the processor."""
        try:
            return load_reference(self.value.load)(self.weights, torch.device("cpu"))
        except CheckpointError as error:
            if not self.value.published:
                raise
            pytest.skip(f"its weights are not here: {error}")

    def material(self, model: Any) -> Tensor:
        """Make two inputs: pictures, windows of mono sound, or log-mel spectrograms of two seconds."""
        if self.value.input == "pictures":
            shape = (2, 3, model.height_px, model.width_px)
            return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        audio = stack_audio(panned_clip(duration_s=FRAMES / 10), noise_clip(FRAMES / 10))
        if self.value.input == "logmel":
            return make_batch(audio)["logmel"][:, :, : FRAMES * SPECTRA_PER_FRAME]
        return resample(audio, model.sample_rate_hz)

    def encode(self, model: Any, material: Tensor) -> dict[str, Tensor]:
        """Encode, and give the tokens by a name."""
        tokens = model.encode(material)
        return {"tokens": tokens} if isinstance(tokens, Tensor) else {"window": tokens.window, "frames": tokens.frames}

    def expected_shapes(self, model: Any) -> dict[str, tuple[int, ...]]:
        """Compute the shapes that its model states."""
        if self.value.input == "pictures":
            return {"tokens": (2, model.tokens, model.channels)}
        if self.value.input == "logmel":
            return {"tokens": (2, FRAMES, model.tokens, model.channels)}
        return {"window": (2, model.whole_channels), "frames": (2, FRAMES, model.channels)}

    def test_it_has_the_name_of_its_value_and_a_version(self) -> None:
        model = self.load()
        assert model.name == self.value.name, f"the model is called {model.name!r}, its value {self.value.name!r}"
        assert isinstance(model.version, str), "version is a text that says with which weights it is"
        assert model.version == self.load().version, "the version must depend on the weights alone"
        assert model.version

    def test_pictures_are_taken_at_a_rate_that_fits_the_frames(self) -> None:
        if self.value.input != "pictures":
            pytest.skip("it takes no pictures")
        rate_hz = self.load().rate_hz
        assert 10 % rate_hz == 0, f"rate_hz must divide 10, got {rate_hz}"

    def test_tokens_have_the_stated_shape(self) -> None:
        model = self.load()
        found = {name: tuple(tokens.shape) for name, tokens in self.encode(model, self.material(model)).items()}
        assert found == self.expected_shapes(model), f"expected {self.expected_shapes(model)}, got {found}"

    def test_tokens_are_finite_and_on_the_device(self) -> None:
        model = self.load()
        for name, tokens in self.encode(model, self.material(model)).items():
            assert bool(tokens.isfinite().all()), f"{name} has values that are not numbers"
            assert tokens.device.type == "cpu"
            assert tokens.is_floating_point()

    def test_nothing_to_encode_is_finite_too(self) -> None:
        model = self.load()
        for name, tokens in self.encode(model, torch.zeros_like(self.material(model))).items():
            assert bool(tokens.isfinite().all()), f"{name} has values that are not numbers where all is dark or silent"

    def test_it_is_frozen(self) -> None:
        model = self.load()
        for name, tokens in self.encode(model, self.material(model)).items():
            assert not tokens.requires_grad, f"{name} has a gradient; encode under torch.no_grad()"

    def test_the_same_input_gives_the_same_tokens(self) -> None:
        model = self.load()
        one, other = (self.encode(model, self.material(model)) for _ in range(2))
        assert all(torch.equal(one[name], other[name]) for name in one)

    def test_inputs_of_a_batch_do_not_depend_on_each_other(self) -> None:
        model = self.load()
        material = self.material(model)
        both, alone = self.encode(model, material), self.encode(model, material[:1])
        for name, tokens in alone.items():
            torch.testing.assert_close(both[name][:1], tokens, atol=1e-3, rtol=1e-3)

    def test_different_inputs_give_different_tokens(self) -> None:
        model = self.load()
        for name, tokens in self.encode(model, self.material(model)).items():
            assert not torch.equal(tokens[0], tokens[1]), f"{name} are the same whatever is encoded"

    def test_weights_that_are_not_there_are_refused_by_their_name(self) -> None:
        load = load_reference(self.value.load)
        expect_refusal(lambda: load(NOWHERE, torch.device("cpu")), NOWHERE)
