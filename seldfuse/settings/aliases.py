"""Old names of keys in TOML files and checkpoints: still read, never written.

A key is named by its path in today's words, `*` standing for any name: `detectors.*.distractors_per_frame` had another
name in every table below `detectors`.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from seldfuse.errors import UsageError

NETWORK: Mapping[str, str] = {
    "eyes": "visual",
    "heard": "audio_tokens",
    "seen": "visual_tokens",
    "visual.narrow": "gate_channels",
    "visual.multiplies": "multiplicative_gate",
    "audio_tokens.dropped": "dropout",
    "visual_tokens.dropped": "dropout",
}
"""The settings of a network, in a recipe's `[network]` and in the `config.json` of a checkpoint."""

_SECTIONS: Mapping[str, str] = {
    "optimiser": "optimizer",
    "run.batch": "batch_size",
    "run.accumulate": "accumulate_steps",
    "synth.evenness": "class_balance",
    "synth.on_hand": "pool_size",
    "synth.uses": "uses_per_scene",
    "synth.made_up": "procedural_sounds",
    "synth.sprites": "cutouts",
    "synth.backdrops": "backgrounds",
    "synth.bank": "scene_bank",
    "augment.swap": "channel_swap",
    "augment.blind": "drop_picture",
    "augment.shift": "band_shift",
    "augment.masks": "spec_mask",
    "augment.filters": "band_filter",
    "loss.on_weight": "onscreen_positive_weight",
    "loss.active_weight": "active_positive_weight",
    "loss.crowded_weight": "overlap_weight",
    **{f"network.{path}": name for path, name in NETWORK.items()},
}

RECIPE: Mapping[str, str] = {
    **_SECTIONS,
    "standardise": "standardize",
    "stages.change": "override",
    "stages.scenes": "source",
    **{f"stages.override.{path}": name for path, name in _SECTIONS.items()},
}

FUSION: Mapping[str, str] = {"doubt": "uncertainty", "decode.low": "offset_threshold"}

RULES: Mapping[str, str] = {
    "*.points": "keypoints",
    "*.place": "position",
    "box_above": "box_threshold",
    "text_above": "text_threshold",
}

VISION: Mapping[str, str] = {
    "sight": "detectors",
    "detectors.*.unrelated": "distractors_per_frame",
    "detectors.*.deviation_deg": "azimuth_std_deg",
    "astray": "azimuth_outlier_rate",
    "disbelief": "uninformative_rate",
    "untold": "onscreen_prior",
    "look_above": "activity_threshold",
    "point_above": "keypoint_threshold",
    "heard_std_deg": "audio_azimuth_std_deg",
    "memory_s": "smoothing_s",
}


class OldNameWarning(FutureWarning):
    """A file that uses old names of keys, which are still read."""


def rename_old_keys(table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return `table` with today's names in place of old ones.

    Raises UsageError where a table has both names of one key.
    """
    return _renamed(table, names, (), [])


def rename_typed_keys(table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the same for what a person typed: an OldNameWarning lists the old names, with those of today."""
    found: list[str] = []
    renamed = _renamed(table, names, (), found)
    if found:
        warnings.warn(
            f"these keys have new names, the old ones are still read: {', '.join(found)}", OldNameWarning, stacklevel=3
        )
    return renamed


def _renamed(
    table: Mapping[str, Any], names: Mapping[str, str], path: tuple[str, ...], found: list[str]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        new = _find_name(names, path, key)
        if new is not None:
            if new in table:
                raise UsageError(f"{'.'.join((*path, key))} is the old name of {new}; give {new} alone")
            found.append(f"{key} is {new}")
        result[new or key] = _renamed_value(value, names, (*path, new or key), found)
    return result


def _renamed_value(value: Any, names: Mapping[str, str], path: tuple[str, ...], found: list[str]) -> Any:
    if isinstance(value, Mapping):
        return _renamed(value, names, path, found)
    if isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
        return [_renamed_value(part, names, path, found) for part in value]
    return value


def restore_old_keys(table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return `table` with old names in place of today's.

    Digests of settings were made with the old names: with others, all that was finished before would be done again.
    """
    old_names: dict[str, str] = {}
    for path, new in names.items():
        *parents, old = path.split(".")
        old_names[".".join((*parents, new))] = old
    return _restored(table, old_names, ())


def _restored(table: Mapping[str, Any], old_names: Mapping[str, str], path: tuple[str, ...]) -> dict[str, Any]:
    result = {}
    for key, value in table.items():
        old = _find_name(old_names, path, key) or key
        result[old] = _restored(value, old_names, (*path, key)) if isinstance(value, Mapping) else value
    return result


def _find_name(names: Mapping[str, str], path: tuple[str, ...], key: str) -> str | None:
    """Look up a key by its path, then with any name for the table that it stands in."""
    exact = names.get(".".join((*path, key)))
    return exact or (names.get(".".join((*path[:-1], "*", key))) if path else None)
