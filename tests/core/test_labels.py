"""The classes that everything speaks of."""

import json

import pytest

from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.errors import UsageError


def test_dcase2025_has_its_thirteen_classes_in_order() -> None:
    assert len(DCASE2025) == 13
    assert DCASE2025.names[0] == "female_speech"
    assert DCASE2025.names[12] == "knock"


@pytest.mark.parametrize("word", ["water_tap", "Water tap, faucet", "WATER TAP", "faucet", "water"])
def test_a_class_answers_to_name_title_and_alias(word: str) -> None:
    assert DCASE2025.index(word) == 10


def test_an_unknown_class_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"'knok' is no class of dcase2025 .*did you mean 'knock'\?"):
        DCASE2025.index("knok")


def test_one_name_for_two_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="uses a name for two classes: bell"):
        LabelSet("mine", (Label("bell", "Bell"), Label("gong", "Gong", ("BELL",))))


def test_a_label_set_survives_json() -> None:
    measured = DCASE2025.replace_typical_distances([0.5 + cls for cls in range(13)])
    again = LabelSet.from_json(json.loads(json.dumps(measured.to_json())))
    assert again == measured
    assert again.has_same_classes(DCASE2025)
    assert again != DCASE2025


@pytest.mark.parametrize(
    "data", [{}, {"name": "x"}, {"name": "x", "classes": [{"nome": "bell"}]}, {"name": "x", "classes": 3}]
)
def test_what_is_no_label_set_is_refused(data: dict) -> None:
    with pytest.raises(UsageError, match="expected a label set with 'name' and 'classes'"):
        LabelSet.from_json(data)
