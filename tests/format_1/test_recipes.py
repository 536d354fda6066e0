"""Recipes and options in the words of version 0.1.0."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from format1 import FOLDER
from worlds import call

RECIPES = sorted((FOLDER / "recipes").glob("*.toml"))
OPTION = re.compile(r"^ {2}(?:(-\w), )?(--[a-z][\w-]*)")

NEW_PRESETS = ("doa-small", "sde-small", "sce-small", "mvanet-small")
"""What these names stand for is another network now; recipes that were written down keep the old one."""

CHANGED = {("synth", "procedural_sounds"): 0, ("synth", "class_balance"): 0.8, ("init",): "sce-medium"}
"""What presets say today; who wrote down what they said before keeps it."""

RECIPE_KEYS = (
    *("optimiser", "standardise", "batch", "accumulate", "change", "scenes", "data", "teacher", "teacher_weight"),
    *("evenness", "on_hand", "uses", "made_up", "sprites", "backdrops", "bank", "validation_scenes"),
    *("swap", "blind", "shift", "masks", "filters", "mixup", "overlay", "band_limit", "gain_db", "codec"),
    *("on_weight", "active_weight", "crowded_weight", "onscreen_weight", "activity_weight", "point_weight"),
    *("eyes", "heard", "seen", "dropped", "narrow", "multiplies", "column_dim"),
)
SETTINGS_KEYS = {
    "fusion": ("doubt", "low"),
    "vision": (
        *("sight", "unrelated", "deviation_deg", "astray", "disbelief", "untold"),
        *("look_above", "point_above", "heard_std_deg", "memory_s"),
    ),
    "rules-keypoint-mine": ("points", "place"),
    "rules-gdino-mine": ("place", "box_above", "text_above"),
}
ASSIGNMENTS = {
    "optimiser.peak_learning_rate": 0.0123,
    "standardise": False,
    "run.batch": 7,
    "run.accumulate": 9,
    "synth.evenness": 0.123,
    "synth.on_hand": 771,
    "synth.uses": 3,
    "synth.made_up": 11,
    "synth.sprites": "people",
    "synth.backdrops": "walls",
    "synth.bank": "scenes",
    "augment.swap": 0.121,
    "augment.blind": 0.122,
    "augment.shift": 0.124,
    "augment.masks": 0.125,
    "augment.filters": 0.126,
    "loss.on_weight": 1.27,
    "loss.active_weight": 1.28,
    "loss.crowded_weight": 1.29,
    "network.narrow": 13,
}


def printed(capsys: Any, *arguments: str) -> dict[str, Any]:
    """The recipe that a dry run prints."""
    assert call("train", *arguments, "--dry-run") == 0
    return tomllib.loads(capsys.readouterr().out)


def find_leaves(table: Mapping[str, Any], *above: str) -> dict[tuple[str, ...], Any]:
    """All values but tables, by the keys on the way to them."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in table.items():
        found |= find_leaves(value, *above, key) if isinstance(value, Mapping) else {(*above, key): value}
    return found


def leaves(value: Any) -> Iterator[str]:
    """All values but tables and lists, whatever their keys are called."""
    if isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from leaves(one)
    else:
        yield repr(value)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_taken_and_means_the_same(path: Path, capsys: Any, tmp_path: Path) -> None:
    backend = path.stem.partition("-")[0]
    told = printed(capsys, backend, "--recipe", str(path))
    # Values may come, under whatever keys, but none may go.
    assert not Counter(leaves(tomllib.loads(path.read_text()))) - Counter(leaves(told))
    if path.stem in NEW_PRESETS:
        return
    preset = printed(capsys, backend, "--preset", path.stem.partition("-")[2])
    before, today = find_leaves(told), find_leaves(preset)
    assert before.keys() == today.keys()
    changed = {path: value for path, value in today.items() if before[path] != value}
    assert changed.items() <= CHANGED.items()


@pytest.mark.parametrize("key", ASSIGNMENTS)
def test_a_setting_is_set_by_the_name_that_it_had(key: str, capsys: Any) -> None:
    recipe, value = str(FOLDER / "recipes" / "mvanet-small.toml"), ASSIGNMENTS[key]
    plain = Counter(leaves(printed(capsys, "mvanet", "--recipe", recipe)))
    text = value if isinstance(value, str) else str(value).lower()
    changed = Counter(leaves(printed(capsys, "mvanet", "--recipe", recipe, "--set", f"{key}={text}")))
    assert changed - plain == Counter([repr(value)])


def test_the_fixtures_have_every_key_there_was() -> None:
    recipes = "".join(
        path.read_text() for folder in ("recipes", "training") for path in (FOLDER / folder).glob("*.toml")
    )
    assert [key for key in RECIPE_KEYS if not _has(recipes, key)] == []
    for name, names in SETTINGS_KEYS.items():
        text = (FOLDER / "settings" / f"{name}.toml").read_text()
        assert [key for key in names if not _has(text, key)] == []


def _has(text: str, key: str) -> bool:
    """Whether TOML has a key: before its value, or in the name of a table."""
    return re.search(rf"^(\S+\.)?{key}(\.\S+)? = |^\[+(\S+\.)?{key}(\.\S+)?\]|[{{,] {key} = ", text, re.M) is not None


# Options


def options(text: str) -> set[str]:
    """Every option of a help text, short and long."""
    found = [OPTION.match(line) for line in text.splitlines()]
    return {name for match in found if match for name in match.groups() if name}


def commands(text: str) -> set[str]:
    return set(re.findall(r"^ {2}([a-z]+) {2,}", text.partition("Commands:")[2], re.M))


PARTS = {"synth": ("synth scenes",), "tune": ("tune fusion", "tune vision")}
"""Commands that are groups today, and those of the group that took their options over."""

RENAMED = {"tune": {"--post": "--detections"}}


@pytest.mark.parametrize("path", sorted((FOLDER / "help").glob("*.txt")), ids=lambda path: path.stem)
def test_no_option_has_gone(path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    command = "" if path.stem == "seldfuse" else path.stem.replace("_", " ")
    for part in PARTS.get(command, (command,)):
        assert call(*part.split(), "--help") == 0
    shown, kept = capsys.readouterr().out, path.read_text()
    expected = {RENAMED.get(command, {}).get(name, name) for name in options(kept)}
    assert expected
    assert expected <= options(shown)
    assert commands(kept) <= commands(shown)
