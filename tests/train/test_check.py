"""What cannot be trained is refused before anything runs, with the reason and what would help."""

from dataclasses import replace

import pytest

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.values import Augmentation, CatalogueValue, Encoder, Feature
from seldfuse.errors import PluginError, UsageError
from seldfuse.train.check import check_trainable
from seldfuse.train.recipe import DataPart, Recipe, TrainingStage

STATED = {"mirror": "negate", "add": "acme:add", "level": "independent", "axis": "mel"}


def feature(**changes: object) -> Feature:
    return Feature(name="gcc", api_version=2, summary="", compute="acme:gcc", **{**STATED, **changes})  # type: ignore[arg-type]


def registry(*values: CatalogueValue) -> Registry:
    """What is installed, and what acme brings."""
    return Registry((*load_registry().entries, *(CatalogueEntry(value, "acme", "1.0") for value in values)))


def recipe(*features: str, encoders: tuple[str, ...] = (), **amounts: float) -> Recipe:
    return Recipe(features, {}, encoders=encoders, augment={"channel_swap": 0.0, **amounts})


def test_a_feature_that_states_everything_can_be_trained_with_everything() -> None:
    amounts = dict.fromkeys(load_registry().augmentations, 0.5)
    check_trainable(Recipe(("logmel", "gcc"), {}, augment=amounts), registry(feature()))


@pytest.mark.parametrize(
    ("missing", "augmentation", "reason"),
    [
        ("mirror", "channel_swap", "does not state what it is with left and right exchanged (mirror)"),
        ("add", "overlay", "does not state what it is of two sounds at once (add)"),
        ("level", "gain_db", "does not state how it depends on the level of the sound (level)"),
        ("level", "band_filter", "does not state how it depends on the level of the sound (level)"),
        ("level", "band_limit", "does not state how it depends on the level of the sound (level)"),
    ],
)
def test_a_missing_statement_is_refused_where_it_is_needed(missing: str, augmentation: str, reason: str) -> None:
    known = registry(feature(**{missing: None}))
    with pytest.raises(UsageError) as caught:
        check_trainable(recipe("logmel", "gcc", **{augmentation: 0.1}), known)
    assert str(caught.value) == (
        f"feature 'gcc' of acme {reason}, which the augmentation {augmentation} needs; "
        f"`--set augment.{augmentation}=0` does without"
    )
    check_trainable(recipe("logmel", "gcc", **{augmentation: 0.0}, spec_mask=0.5, mixup=0.5), known)


@pytest.mark.parametrize("augmentation", ["band_filter", "band_limit"])
def test_a_level_without_mel_bands_cannot_be_filtered(augmentation: str) -> None:
    known = registry(feature(level="decibel", axis="other"))
    with pytest.raises(UsageError, match=rf"is a level in dB without mel bands \(axis\).*augment\.{augmentation}=0"):
        check_trainable(recipe("gcc", **{augmentation: 0.1}), known)
    check_trainable(recipe("gcc", gain_db=6.0), known)


def test_an_overlay_needs_the_powers_of_both_sounds() -> None:
    with pytest.raises(
        UsageError, match=r"augmentation overlay needs the feature logmel, which the recipe lacks; `--set"
    ):
        check_trainable(recipe("ild", overlay=0.1), load_registry())


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ((), "the recipe must name at least one feature"),
        (("logmel", "logmel"), "the recipe must name each feature once, got logmel, logmel"),
        (("LogMel",), "the recipe must name the feature 'logmel' so, got 'LogMel'"),
        (("mel_power",), "feature 'mel_power' is an intermediate result, which networks do not take"),
        (("logmel", "gcc"), "they must have equally many bins, got logmel 64, gcc 96; leave some out"),
    ],
)
def test_features_that_cannot_be_stacked_are_refused(features: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_trainable(recipe(*features), registry(feature(bins=96)))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (recipe("logmell"), "there is no feature 'logmell'; did you mean 'logmel'?"),
        (recipe("logmel", encoders=("eye@there",)), "there is no encoder 'eye'"),
        (replace(recipe("logmel"), encoders=("lens",)), "there is no encoder 'lens'"),
    ],
)
def test_what_nobody_registered_is_told(wanted: Recipe, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        check_trainable(wanted, load_registry())
    assert str(caught.value).startswith(message)


def test_an_augmentation_of_a_plugin_that_has_gone_is_told() -> None:
    value = Augmentation(name="reverb", api_version=2, summary="", apply="acme:reverb", order=1, requires=("acme_far",))
    wanted = recipe("logmel")
    wanted.augment["reverb"] = 0.1
    with pytest.raises(PluginError, match="there is no augmentation 'reverb'"):
        check_trainable(wanted, load_registry())
    entry = CatalogueEntry(value, "acme", "1.0", ("acme_far",))
    with pytest.raises(PluginError, match="augmentation 'reverb' needs the modules acme_far, which are not installed"):
        check_trainable(wanted, Registry((*load_registry().entries, entry)))


def test_pictures_that_cannot_be_mirrored_are_not_swapped() -> None:
    lens = Encoder(name="lens", api_version=2, summary="", load="acme:load", input="pictures")
    message = r"encoder 'lens' of acme has no tokens of the mirrored picture.*`--set augment.channel_swap=0`"
    with pytest.raises(UsageError, match=message):
        check_trainable(recipe("logmel", encoders=("lens@there",), channel_swap=0.5), registry(lens))
    check_trainable(recipe("logmel", encoders=("lens",), channel_swap=0.5), registry(replace(lens, has_mirror=True)))
    check_trainable(recipe("logmel", encoders=("lens",), channel_swap=0.5), registry(replace(lens, input="audio")))


def test_every_stage_that_has_data_is_checked() -> None:
    stages = (
        TrainingStage("first", "synth", 1.0),
        TrainingStage("then", "folders", 1.0, {"augment": {"channel_swap": 0.5}}),
    )
    known, staged = registry(feature(mirror=None)), replace(recipe("gcc"), stages=stages)
    for data in ((), (DataPart("mine"),), (DataPart("synth"), DataPart("mine"))):
        with pytest.raises(UsageError, match="which the augmentation channel_swap needs"):
            check_trainable(replace(staged, data=data), known)
    check_trainable(replace(staged, data=(DataPart("synth"),)), known)
