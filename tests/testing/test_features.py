"""A feature that states something wrong breaks the contract of features."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.values import Feature
from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.power_shares import PowerShares
from seldfuse.testing import FeatureContract

FEATURES = load_registry().features


def compute_level_difference(batch: ClipBatch) -> Tensor:
    """A directional feature of a third party: which share of the power is on the left."""
    left, right = batch["mel_power"].split(1, dim=1)
    return (left - right) / (left + right + 1e-12)


def add_by_power(first: Tensor, second: Tensor, shares: PowerShares) -> Tensor:
    one, two = shares.bands
    return (one * first + two * second) / (one + two)


def add_plain_mean(first: Tensor, second: Tensor, shares: PowerShares) -> Tensor:
    return (first + second) / 2


def add_louder(first: Tensor, second: Tensor, shares: PowerShares) -> Tensor:
    one, two = shares.bands
    return torch.where(one > two, first, second)


def add_louder_level(first: Tensor, second: Tensor, shares: PowerShares) -> Tensor:
    return first.maximum(second)


def mirror_to_one_channel_more(computed: Tensor) -> Tensor:
    return computed.repeat(1, 2, 1, 1)


def compute_by_the_loudest_window(batch: ClipBatch) -> Tensor:
    power = batch["mel_power"]
    return power[:, :1] / power.amax()


GOOD = Feature(
    name="balance",
    api_version=2,
    summary="which share of the power is on the left",
    compute=f"{__name__}:compute_level_difference",
    axis="mel",
    needs=("mel_power",),
    mirror="negate",
    add=f"{__name__}:add_by_power",
    level="independent",
)


class TestGoodThirdParty(FeatureContract):
    feature = GOOD


MIRROR = "test_mirror_gives_the_feature_of_swapped_channels"
ADD = "test_add_gives_the_feature_of_both_sounds_at_once"
SHAPE = "test_shape_is_as_stated"
LEVEL = "test_level_is_as_stated"
LOGMEL, STPACC = FEATURES["logmel"].value, FEATURES["stpacc"].value


@pytest.mark.parametrize(
    ("wrong", "test", "message"),
    [
        (replace(GOOD, mirror="same"), MIRROR, "mirror, which is 'same', differ by"),
        (replace(GOOD, mirror="swap"), MIRROR, "mirror, which is 'swap', differ by"),
        (replace(STPACC, mirror="negate"), MIRROR, "mirror, which is 'negate', differ by"),
        (replace(LOGMEL, mirror="same"), MIRROR, "mirror, which is 'same', differ by"),
        (
            replace(GOOD, mirror=f"{__name__}:mirror_to_one_channel_more"),
            MIRROR,
            r"must have the shape \(8, 1, 100, 64",
        ),
        (replace(GOOD, add=f"{__name__}:add_plain_mean"), ADD, "add is .* away from the feature of both sounds"),
        (replace(GOOD, add=f"{__name__}:add_louder"), ADD, "add is .* away from the feature of both sounds"),
        (replace(LOGMEL, add=f"{__name__}:add_louder_level"), ADD, "add is .* away from the feature of both sounds"),
        (replace(STPACC, add=f"{__name__}:add_plain_mean"), ADD, "add is .* away from the feature of both sounds"),
        (replace(GOOD, level="decibel"), LEVEL, "12.0 dB higher, as level is 'decibel', differ by"),
        (replace(LOGMEL, level="independent"), LEVEL, "0.0 dB higher, as level is 'independent', differ by"),
        (replace(GOOD, channels=2), SHAPE, r"expected \(batch, channels, bins\) = \(8, 2, 64\), got \(8, 1, 64\)"),
        (replace(LOGMEL, channels=1), SHAPE, r"expected \(batch, channels, bins\) = \(8, 1, 64\), got \(8, 2, 64\)"),
        (replace(GOOD, bins=32), SHAPE, r"expected \(batch, channels, bins\) = \(8, 1, 32\), got \(8, 1, 64\)"),
        (replace(GOOD, needs=()), "test_it_asks_for_no_features_but_those_in_needs", "add 'mel_power' to needs"),
        (
            replace(GOOD, alike=("gcc",)),
            "test_features_that_are_alike_are_there_and_as_wide",
            r"alike names \('gcc',\)",
        ),
        (
            replace(GOOD, alike=("logmel",)),
            "test_features_that_are_alike_are_there_and_as_wide",
            "alike names logmel, which have not 1 channels",
        ),
        (
            replace(GOOD, compute=f"{__name__}:compute_by_the_loudest_window"),
            "test_windows_of_a_batch_do_not_depend_on_each_other",
            "the same window beside another differ by",
        ),
    ],
)
def test_a_wrong_statement_breaks_the_contract(wrong: Feature, test: str, message: str) -> None:
    contract = FeatureContract()
    contract.feature = wrong
    with pytest.raises(AssertionError, match=message):
        getattr(contract, test)()


def test_lags_that_are_called_mel_bands_break_the_contract() -> None:
    contract = FeatureContract()
    contract.feature = replace(STPACC, axis="mel")
    with pytest.raises(AssertionError, match=r"a tone in mel band 30 changes bin .* most; is axis really 'mel'"):
        contract.test_bins_of_a_mel_axis_are_mel_bands(30)


def test_a_division_by_silence_breaks_the_contract() -> None:
    contract = FeatureContract()
    contract.feature = replace(GOOD, compute=f"{__name__}:compute_by_the_loudest_window")
    with pytest.raises(AssertionError, match="not a number"):
        contract.test_every_value_is_finite(0.0)
