"""Whether a recipe can be trained, asked before anything runs."""

from collections.abc import Iterator, Sequence

from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.values import Augmentation, Encoder, Feature
from seldfuse.encoders.load import parse_name
from seldfuse.errors import UsageError
from seldfuse.train.recipe import Recipe, parse_stage_recipe

STATEMENTS = {
    "mirror": "what it is with left and right exchanged",
    "add": "what it is of two sounds at once",
    "level": "how it depends on the level of the sound",
}
"""What is missing where a feature's statement is None."""


def check_trainable(recipe: Recipe, registry: Registry) -> None:
    """Check that every feature, encoder and augmentation of a recipe is there, and that they can work together.

    In a recipe with stages each stage that has data is checked, or every one where no data is named. Raises PluginError
    for a name that nobody registered, and UsageError with the setting that would help for anything else.
    """
    for stage in _list_stages(recipe):
        features = check_features(stage.features, registry)
        encoders = [registry.find(Encoder, parse_name(reference)) for reference in stage.encoders]
        _check_logmel(stage.features, encoders)
        for name, amount in stage.augment.items():
            if amount > 0.0:
                _check_augmentation(registry.find(Augmentation, name).value, features, encoders)


def _list_stages(recipe: Recipe) -> list[Recipe]:
    stages = [parse_stage_recipe(recipe, stage) for stage in recipe.stages]
    return [stage for stage in stages if stage.data or not recipe.data] or [recipe]


def check_features(names: Sequence[str], registry: Registry) -> list[CatalogueEntry[Feature]]:
    """Check that features can be stacked for a network, and return their entries.

    Raises PluginError for a name that nobody registered, UsageError for anything else.
    """
    entries = [registry.find(Feature, name) for name in names]
    if not entries:
        raise UsageError("the recipe must name at least one feature, such as features = ['logmel']")
    for name, entry in zip(names, entries, strict=True):
        if name != entry.value.name:
            raise UsageError(f"the recipe must name the feature {entry.value.name!r} so, got {name!r}")
        if not entry.value.listed:
            raise UsageError(f"feature {name!r} is an intermediate result, which networks do not take; leave it out")
    if len(set(names)) < len(names):
        raise UsageError(f"the recipe must name each feature once, got {', '.join(names)}")
    if len({entry.value.bins for entry in entries}) > 1:
        bins = ", ".join(f"{entry.value.name} {entry.value.bins}" for entry in entries)
        raise UsageError(f"features are stacked, so they must have equally many bins, got {bins}; leave some out")
    return entries


def _check_logmel(features: Sequence[str], encoders: Sequence[CatalogueEntry[Encoder]]) -> None:
    for encoder in encoders:
        if encoder.value.input == "logmel" and "logmel" not in features:
            raise UsageError(
                f"encoder {encoder.value.name!r} takes log-mel spectrograms; the recipe must name the feature logmel, "
                f"got {', '.join(features)}"
            )


def _check_augmentation(
    value: Augmentation,
    features: Sequence[CatalogueEntry[Feature]],
    encoders: Sequence[CatalogueEntry[Encoder]],
) -> None:
    """Check that features and encoders state what an augmentation that is to happen needs."""
    remedy = f"`--set augment.{value.name}=0` does without"
    known = {entry.value.name for entry in features}
    for name in value.features:
        if name not in known:
            raise UsageError(f"augmentation {value.name} needs the feature {name}, which the recipe lacks; {remedy}")
    for entry in features:
        reason = next(_list_gaps(value, entry.value), None)
        if reason is not None:
            raise UsageError(
                f"feature {entry.value.name!r} of {entry.distribution} {reason}, which the augmentation {value.name} "
                f"needs; {remedy}"
            )
    for other in encoders:
        if "mirror" in value.uses and other.value.input == "pictures" and not other.value.has_mirror:
            raise UsageError(
                f"encoder {other.value.name!r} of {other.distribution} has no tokens of the mirrored picture, which "
                f"the augmentation {value.name} needs; {remedy}"
            )


def _list_gaps(augmentation: Augmentation, feature: Feature) -> Iterator[str]:
    """List what a feature leaves open that an augmentation uses."""
    for use in augmentation.uses:
        if use == "axis":
            if feature.level == "decibel" and feature.axis != "mel":
                yield "is a level in dB without mel bands (axis)"
        elif getattr(feature, use) is None:
            yield f"does not state {STATEMENTS[use]} ({use})"
