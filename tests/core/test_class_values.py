"""Numbers by class: what a table may name."""

import pytest

from seldfuse.core.class_values import to_class_tensor
from seldfuse.core.labels import Label, LabelSet
from seldfuse.errors import UsageError

MINE = LabelSet("mine", (Label("woman", "Woman", ("female_speech",)), Label("gong", "Gong")))


def test_a_table_for_the_challenges_classes_serves_others_by_name_and_alias() -> None:
    table = {"default": 0.5, "female_speech": 0.4, "music": 0.9}
    assert to_class_tensor(table, MINE, 0.0).tolist() == pytest.approx([0.4, 0.5])


def test_a_name_that_neither_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'gog' is no class of mine .*did you mean 'gong'"):
        to_class_tensor({"gog": 0.4}, MINE, 0.0)
