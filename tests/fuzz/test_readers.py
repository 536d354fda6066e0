"""Every reader, given damaged files: it reads them or says in a sentence what is wrong, and nothing else.

`SELDFUSE_FUZZ_CASES` files in all, 500 where it is not set; `make fuzz N=10000` is the long run.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fuzzing import READERS, read_damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.rules import Rules
from seldfuse.errors import SeldfuseError
from seldfuse.fusion.settings import FusionSettings
from seldfuse.storage.read_json import parse_json
from seldfuse.storage.text import make_printable
from seldfuse.synth.scene import ScenePlan
from seldfuse.train.recipe import parse_recipe
from seldfuse.vision.settings import VisionSettings

CASES = int(os.environ.get("SELDFUSE_FUZZ_CASES", "500"))
FIRST = int(os.environ.get("SELDFUSE_FUZZ_FIRST", "0"))


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    wrong = []
    for seed in range(FIRST, FIRST + max(1, CASES // len(READERS))):
        folder = tmp_path / "case"
        folder.mkdir()
        if found := read_damaged(name, seed, folder):
            wrong.append(f"{name} {seed}: {found:.300}")
        shutil.rmtree(folder)
    assert not wrong, "\n".join(wrong[:10])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)

KEYS = st.sampled_from(
    ["decode", "threshold", "weights", "calibration", "smooth", "events", "preset", "classes", "name", "network", "run",
     "steps", "features", "augment", "synth", "data", "detectors", "recall", "music", "phrases", "position", "combine"]
)  # fmt: skip

TABLES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(KEYS, VALUES, max_size=4)

PARSERS = {
    "fusion": FusionSettings.resolve,
    "vision": VisionSettings.resolve,
    "rules": lambda table: Rules.from_table(table, DCASE2025),
    "recipe": parse_recipe,
    "labels": LabelSet.from_json,
}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=max(10, CASES // 20), deadline=None, suppress_health_check=list(HealthCheck))
@given(table=TABLES)
def test_any_table_is_taken_or_refused(name: str, table: dict[str, Any]) -> None:
    with suppress(SeldfuseError):
        PARSERS[name](table)


@settings(max_examples=max(10, CASES // 20), deadline=None)
@given(text=st.text() | VALUES.map(str))
def test_any_text_is_json_or_a_value_error(text: str) -> None:
    for read in (parse_json, ScenePlan.from_json):
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            read(text)


@settings(max_examples=max(20, CASES // 10), deadline=None)
@given(text=st.text())
def test_what_is_printed_cannot_act_on_a_terminal(text: str) -> None:
    assert all(one.isprintable() or one in "\u200c\u200d\ufeff\u00ad" or ord(one) > 127 for one in make_printable(text))
    assert "\x1b" not in make_printable(text)
    assert "\n" not in make_printable(text)
