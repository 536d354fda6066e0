"""How much of each augmentation of the catalogue, a recipe's `[augment]`."""

from collections.abc import Mapping

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.values import Augmentation
from seldfuse.errors import PluginError, UsageError


def complete_amounts(given: Mapping[str, float]) -> dict[str, float]:
    """Return the amount of every augmentation, by their names in the catalogue's order: the given one or its default.

    Raises UsageError for a name that nobody registered, for one that is given twice, for a share outside 0 to 1, and
    for decibels that are negative or no number.
    """
    amounts = {name: entry.value.default for name, entry in load_registry().augmentations.items()}
    names: dict[str, str] = {}
    for name, amount in given.items():
        value = _find_augmentation(name)
        if value.name in names:
            raise UsageError(
                f"augment.{names[value.name]} and augment.{name} are one setting; give augment.{value.name}"
            )
        _check_amount(value, amount)
        names[value.name] = name
        amounts[value.name] = float(amount)
    return amounts


def _find_augmentation(name: str) -> Augmentation:
    registry = load_registry()
    if name in registry.augmentations:
        # One that lacks an extra is refused where its amount is not 0 (`train/check.py`).
        return registry.augmentations[name].value
    try:
        return registry.find(Augmentation, name).value
    except PluginError as error:
        raise UsageError(f"augment.{name}: {error}") from error


def _check_amount(value: Augmentation, amount: float) -> None:
    if value.amount == "share" and not 0.0 <= amount <= 1.0:
        raise UsageError(f"augmentation {value.name} must be a share of the clips, from 0 to 1, got {amount}")
    if value.amount == "decibel" and not 0.0 <= amount < float("inf"):
        raise UsageError(f"augmentation {value.name} must be 0 dB or more, got {amount}")
