"""Old names of keys: read with a warning that names the new ones, refused beside them, and what digests are made of."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from seldfuse.core.labels import DCASE2025
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.fitted import find_path
from seldfuse.settings.aliases import FUSION, RECIPE, RULES, VISION, OldNameWarning, rename_old_keys, restore_old_keys
from seldfuse.train.recipe import apply_assignments, parse_recipe
from seldfuse.vision.settings import FITTED, DetectorReliability, VisionSettings

RECIPE_TABLE = {"features": ["logmel"], "network": {}}


def read_rules(table: Mapping[str, Any]) -> Rules:
    return Rules.from_table(table, DCASE2025)


CASES: dict[str, tuple[Callable[[Mapping[str, Any]], Any], dict[str, Any], dict[str, Any]]] = {
    "doubt is uncertainty": (
        FusionSettings.from_table,
        {"doubt": {"azimuth": {"constant": 2.0}}},
        {"uncertainty": {"azimuth": {"constant": 2.0}}},
    ),
    "low is offset_threshold": (
        FusionSettings.from_table,
        {"decode": {"low": {"bell": 0.2}}},
        {"decode": {"offset_threshold": {"bell": 0.2}}},
    ),
    "sight is detectors, unrelated is distractors_per_frame, deviation_deg is azimuth_std_deg": (
        VisionSettings.from_table,
        {"sight": {"gdino@yolox": {"unrelated": 0.5, "deviation_deg": {"bell": 3}}}},
        {"detectors": {"gdino@yolox": {"distractors_per_frame": 0.5, "azimuth_std_deg": {"bell": 3}}}},
    ),
    "astray is azimuth_outlier_rate, untold is onscreen_prior, memory_s is smoothing_s": (
        VisionSettings.from_table,
        {"astray": 0.2, "untold": 0.4, "memory_s": 2},
        {"azimuth_outlier_rate": 0.2, "onscreen_prior": 0.4, "smoothing_s": 2},
    ),
    "box_above is box_threshold, points is keypoints, place is position": (
        read_rules,
        {"box_above": 0.4, "bell": {"points": ["nose"], "place": [0.5, 0.1]}},
        {"box_threshold": 0.4, "bell": {"keypoints": ["nose"], "position": [0.5, 0.1]}},
    ),
    "batch is batch_size, optimiser is optimizer": (
        parse_recipe,
        {**RECIPE_TABLE, "run": {"batch": 8}, "optimiser": {"name": "adam"}},
        {**RECIPE_TABLE, "run": {"batch_size": 8}, "optimizer": {"name": "adam"}},
    ),
    "change is override, scenes is source, batch is batch_size": (
        parse_recipe,
        {
            **RECIPE_TABLE,
            "stages": [{"change": {"run": {"batch": 8}}, "name": "first", "share": 1.0, "scenes": "synth"}],
        },
        {
            **RECIPE_TABLE,
            "stages": [{"override": {"run": {"batch_size": 8}}, "name": "first", "share": 1.0, "source": "synth"}],
        },
    ),
}


@pytest.mark.parametrize("names", CASES)
def test_old_keys_are_read_with_a_warning_and_new_ones_without(names: str) -> None:
    read, old, new = CASES[names]
    with pytest.warns(OldNameWarning) as caught:
        found = read(old)
    assert [sorted(str(one.message).partition("read: ")[2].split(", ")) for one in caught] == [
        sorted(names.split(", "))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(new) == found


BOTH = {
    "doubt is the old name of uncertainty; give uncertainty alone": (
        FusionSettings.from_table,
        ("doubt", "uncertainty"),
    ),
    "astray is the old name of azimuth_outlier_rate; give azimuth_outlier_rate alone": (
        VisionSettings.from_table,
        ("astray", "azimuth_outlier_rate"),
    ),
}


@pytest.mark.parametrize("message", BOTH)
def test_both_names_of_one_key_are_refused(message: str) -> None:
    read, names = BOTH[message]
    with pytest.raises(UsageError) as caught:
        read({key: {} for key in names})
    assert str(caught.value) == message


@pytest.mark.parametrize("nested", ["sight", "detectors"])
def test_both_names_of_one_key_in_a_nested_table_are_refused(nested: str) -> None:
    table = {nested: {"gdino": {"unrelated": 1.0, "distractors_per_frame": 1.0}}}
    with pytest.raises(
        UsageError, match=r"^detectors\.gdino\.unrelated is the old name of distractors_per_frame; give"
    ):
        VisionSettings.from_table(table)


def test_a_file_with_both_names_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text("[bell]\nplace = [0.5, 0.5]\nposition = [0.5, 0.5]\n")
    with pytest.raises(UsageError) as caught:
        Rules.read(path, DCASE2025)
    assert str(caught.value) == f"bell.place is the old name of position; give position alone: {path}"


def test_assignments_take_old_keys_in_the_table_and_beside_it() -> None:
    with pytest.warns(OldNameWarning) as caught:
        table = apply_assignments({"run": {"batch": 8, "steps": 2}}, ["run.accumulate=3", "run.batch=16"])
    assert table == {"run": {"batch_size": 16, "steps": 2, "accumulate_steps": 3}}
    assert len(caught) == 2


def test_a_class_or_detector_may_have_the_name_of_an_old_key() -> None:
    """Names of one's own are no keys: only what stands in their tables is."""
    assert rename_old_keys({"detectors": {"sight": {"recall": 1}}}, VISION) == {"detectors": {"sight": {"recall": 1}}}


def test_digests_are_made_of_the_old_names() -> None:
    settings = VisionSettings(detectors={"keypoint": DetectorReliability(azimuth_std_deg=3)})
    table = restore_old_keys(settings.to_json(), VISION)
    assert list(table) == [
        "mode", "look_above", "point_above", "heard_std_deg", "astray", "disbelief", "prior_weight", "prior_bias",
        "evidence_weight", "untold", "memory_s", "tolerance_deg", "margin_deg", "sight",
    ]  # fmt: skip
    assert table["sight"] == {"keypoint": {"recall": 0.7, "unrelated": 0.7, "deviation_deg": 3}}
    rule = {"bell": {"phrases": ["bell"], "keypoints": [], "position": [0.5, 0.5]}}
    assert restore_old_keys(rule, RULES) == {"bell": {"phrases": ["bell"], "points": [], "place": [0.5, 0.5]}}


WRITTEN = {
    "fusion": (FUSION, lambda: FusionSettings.read(find_path(("doa", "sde", "sce"))).to_json()),
    "vision": (VISION, lambda: VisionSettings.read(FITTED).to_json()),
    "recipe": (RECIPE, lambda: parse_recipe(RECIPE_TABLE).to_json()),
    "rules": (RULES, lambda: {"bell": vars(Rule())}),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_written_has_no_old_name(kind: str) -> None:
    names, write = WRITTEN[kind]
    assert rename_old_keys(write(), names) == write()
