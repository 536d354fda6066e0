"""The contract of features: what a value states about mirror, sums, level and axis is computed and compared."""

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Feature
from seldfuse.core.clip_batch import ClipBatch
from seldfuse.core.grid import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from seldfuse.features.load import make_batch
from seldfuse.features.power_shares import PowerShares
from seldfuse.features.spectrum import MELS, SPECTRA_PER_FRAME, get_mel_centers_hz
from seldfuse.testing.values import find_value

FRAMES = 20
HOPS = FRAMES * SPECTRA_PER_FRAME
WINDOWS = 8
LOUDER_DB = 12.0


class FeatureContract:
    """Tests of one feature; a subclass sets `feature` to its name, or to the value where it is not installed.

    Every cell of two tensors that should be equal may differ by `tolerance` of the feature's range. What `add` gives
    is compared on the mean over time and windows, as powers of independent sounds add up on average only; there it may
    differ by `add_tolerance` of the distance between the features of the two sounds.
    """

    feature: ClassVar[str | Feature]
    tolerance: ClassVar[float] = 1e-3
    add_tolerance: ClassVar[float] = 0.06

    @property
    def value(self) -> Feature:
        """Find the value under test."""
        return find_value(Feature, self.feature)

    def compute(self, audio: Float[Tensor, "batch 2 sample"]) -> Tensor:
        """Compute the feature; of one that is listed, as many time steps as networks are given."""
        computed = load_reference(self.value.compute)(make_batch(audio))
        return computed[:, :, :HOPS] if self.value.listed else computed  # type: ignore[no-any-return]

    def test_shape_is_as_stated(self) -> None:
        if not self.value.listed:
            pytest.skip("an intermediate result has the shape that its users expect")
        computed = load_reference(self.value.compute)(make_batch(_right_of_center()))
        batch, channels, time, bins = computed.shape
        expected, found = (WINDOWS, self.value.channels, self.value.bins), (batch, channels, bins)
        assert found == expected, f"expected (batch, channels, bins) = {expected}, got {found}"
        assert time in (HOPS, HOPS + 1), f"expected {HOPS} time steps, or one more, for {FRAMES} frames, got {time}"
        assert computed.dtype == torch.float32

    def test_it_is_computed_on_the_device_of_the_batch(self) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        assert self.compute(_right_of_center().to(device)).device.type == device.type

    @pytest.mark.parametrize("level", [0.0, 1e-4, 1.0])
    def test_every_value_is_finite(self, level: float) -> None:
        computed = self.compute(level * _right_of_center())
        assert bool(computed.isfinite().all()), f"not a number, or infinite, where the sound is {level} times as loud"

    def test_the_same_sound_gives_the_same_values(self) -> None:
        assert torch.equal(self.compute(_right_of_center()), self.compute(_right_of_center()))

    def test_windows_of_a_batch_do_not_depend_on_each_other(self) -> None:
        audio = torch.cat([_right_of_center()[:1], _left_of_center()[:1]])
        self._compare(
            self.compute(audio[:1]), self.compute(audio)[:1], "a window alone", "the same window beside another"
        )

    def test_it_asks_for_no_features_but_those_in_needs(self) -> None:
        audio = _right_of_center()
        needed = {name: make_batch(audio)[name] for name in self.value.needs}

        def refuse(name: str) -> Callable[[ClipBatch], Tensor]:
            raise AssertionError(f"compute asks for {name!r}, and needs is {self.value.needs}; add {name!r} to needs")

        load_reference(self.value.compute)(ClipBatch(audio, refuse, needed))

    def test_features_that_are_alike_are_there_and_as_wide(self) -> None:
        known = load_registry().features
        assert set(self.value.alike) <= set(known), f"alike names {self.value.alike}, known are {', '.join(known)}"
        other = [name for name in self.value.alike if known[name].value.channels != self.value.channels]
        assert not other, f"alike names {', '.join(other)}, which have not {self.value.channels} channels"

    def test_mirror_gives_the_feature_of_swapped_channels(self) -> None:
        if self.value.mirror is None:
            pytest.skip("mirror is None: whoever trains with it must set augment.channel_swap=0")
        audio = _right_of_center()
        self._compare(
            self.compute(audio.flip(1)),
            mirror_feature(self.value, self.compute(audio)),
            "the feature of the sound with left and right exchanged",
            f"mirror, which is {self.value.mirror!r},",
        )

    def test_add_gives_the_feature_of_both_sounds_at_once(self) -> None:
        if self.value.add is None:
            pytest.skip("add is None: whoever trains with it must set augment.overlay=0")
        add = load_reference(self.value.add)
        first, second = _right_of_center(), _left_of_center()
        for one, two in ((first, second), (second, first)):
            shares = PowerShares(*(make_batch(audio)["mel_power"][:, :, :HOPS] for audio in (one, two)))
            added = add(self.compute(one), self.compute(two), shares)
            expected = self.compute(one + two)
            assert added.shape == expected.shape, f"add must give {tuple(expected.shape)}, gave {tuple(added.shape)}"
            apart = _compute_distance(self.compute(one), self.compute(two))
            off = _compute_distance(added, expected)
            assert off <= self.add_tolerance * apart, (
                f"add is {off:.3g} away from the feature of both sounds at once, "
                f"expected at most {self.add_tolerance} of {apart:.3g}, the distance between the two sounds' features"
            )

    def test_level_is_as_stated(self) -> None:
        if self.value.level is None:
            pytest.skip("level is None: whoever trains with it must leave out what changes the level")
        audio = _right_of_center()
        risen_db = LOUDER_DB if self.value.level == "decibel" else 0.0
        self._compare(
            self.compute(10 ** (LOUDER_DB / 20) * audio),
            self.compute(audio) + risen_db,
            f"the feature of a sound that is {LOUDER_DB} dB louder",
            f"the feature of the sound, {risen_db} dB higher, as level is {self.value.level!r},",
        )

    @pytest.mark.parametrize("band", [12, 30, 50])
    def test_bins_of_a_mel_axis_are_mel_bands(self, band: int) -> None:
        if self.value.axis != "mel" or not self.value.listed:
            pytest.skip("its bins are not stated to be mel bands")
        assert self.value.bins == MELS, f"there are {MELS} mel bands, bins is {self.value.bins}"
        noise = 0.01 * _make_noise(seed=2).unsqueeze(1) * torch.tensor([[1.0], [1.0]])
        time_s = torch.arange(noise.shape[-1]) / SAMPLE_RATE_HZ
        tone = torch.sin(2 * torch.pi * float(get_mel_centers_hz()[band]) * time_s) * torch.tensor([[0.1], [0.02]])
        change = (self.compute(noise + tone) - self.compute(noise)).abs().mean(dim=(0, 1, 2))
        found = int(change.argmax())
        assert abs(found - band) <= 1, f"a tone in mel band {band} changes bin {found} most; is axis really 'mel'?"

    def _compare(self, one: Tensor, other: Tensor, what: str, than: str) -> None:
        if one.is_complex():
            one, other = torch.view_as_real(one), torch.view_as_real(other)
        assert other.shape == one.shape, f"{than} must have the shape {tuple(one.shape)}, got {tuple(other.shape)}"
        spread = float(one.amax() - one.amin())
        off = float((one - other).abs().amax())
        assert off <= self.tolerance * spread, (
            f"{what} and {than} differ by up to {off:.3g}, "
            f"expected at most {self.tolerance} of the feature's range, {spread:.3g}"
        )


def mirror_feature(value: Feature, computed: Tensor) -> Tensor:
    """Exchange left and right in a feature, as its value states it."""
    if value.mirror == "same":
        return computed
    if value.mirror == "negate":
        return -computed
    if value.mirror == "swap":
        return computed.roll(computed.shape[1] // 2, dims=1)
    return load_reference(str(value.mirror))(computed)  # type: ignore[no-any-return]


def _right_of_center() -> Tensor:
    """Soft noise that is weaker and later on the left."""
    return 0.015 * _pan(_make_noise(seed=0), (0.35, 1.0), delay_samples=4)


def _left_of_center() -> Tensor:
    """Louder noise with an echo, weaker and later on the right."""
    noise = _make_noise(seed=1)
    return 0.05 * _pan(noise + 0.8 * noise.roll(60, -1), (0.9, 0.25), delay_samples=-7)


def _make_noise(seed: int) -> Tensor:
    return torch.randn(WINDOWS, FRAMES * SAMPLES_PER_FRAME, generator=torch.Generator().manual_seed(seed))


def _pan(sound: Tensor, gains: tuple[float, float], delay_samples: int) -> Tensor:
    return torch.stack([gains[0] * sound.roll(delay_samples, -1), gains[1] * sound], dim=1)


def _compute_distance(one: Tensor, other: Tensor) -> float:
    """The root mean square, over channels and bins, of the difference of means over windows and time."""
    return float((one.mean(dim=(0, 2)) - other.mean(dim=(0, 2))).square().mean().sqrt())
