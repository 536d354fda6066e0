"""Rules that users edit: read, and told apart from what is wrong."""

from pathlib import Path

import pytest

from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import UsageError


def read(folder: Path, text: str) -> Rules:
    path = folder / "rules.toml"
    path.write_text(text)
    return Rules.read(path, DCASE2025)


def test_a_class_gets_its_rule(tmp_path: Path) -> None:
    rules = read(
        tmp_path, '[clapping]\nkeypoints = ["left_wrist"]\n[bell]\nprompts = ["Bell", "hand bell"]\nposition = [0.5, 1]'
    )
    assert rules.by_class["clapping"] == Rule(keypoints=("left_wrist",))
    assert rules.by_class["bell"] == Rule(("bell", "hand bell"), (), (0.5, 1.0), ("bell", "hand bell"))


def test_classes_that_state_what_is_looked_for_have_that_and_others_the_rule_of_their_name() -> None:
    people = Rules(
        {"female_speech": Rule(keypoints=("nose",), position=(0.5, 0.1)), "knock": Rule(keypoints=("nose",))}
    )
    things = Rules({"bell": Rule(("bell",), prompts=("bell",)), "female_speech": Rule(prompts=("person",))})
    labels = LabelSet(
        "mine",
        (
            Label("woman", "Woman", ("female_speech",), keypoints=("left_wrist",)),
            Label("gong", "Gong", prompts=("gong", "cymbal"), keypoints=("left_ankle",)),
            Label("bell", "Bell", visible=False),
            Label("hum", "Hum"),
        ),
    )
    assert people.adapt_to(labels).by_class == {
        "woman": Rule(keypoints=("left_wrist",), position=(0.5, 0.1)),
        "gong": Rule(keypoints=("left_ankle",)),
    }
    gong = Rule(("gong", "cymbal"), prompts=("gong", "cymbal"))
    assert things.adapt_to(labels, asks=True).by_class == {"woman": Rule(prompts=("person",)), "gong": gong}
    # A detector that cannot be asked does not look for gongs.
    assert set(things.adapt_to(labels).by_class) == {"woman"}
    assert people.adapt_to(DCASE2025) == people


def test_thresholds_stand_before_the_classes(tmp_path: Path) -> None:
    rules = read(tmp_path, 'box_threshold = 0.4\n[bell]\nprompts = ["bell"]')
    assert (rules.box_threshold, rules.text_threshold) == (0.4, 0.25)
    assert list(rules.by_class) == ["bell"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[yodel]", "classes that are unknown: yodel"),
        ('[bell]\nkeypoints = ["tail"]', "unknown keypoints tail; expected some of nose"),
        ("[bell]\nprompts = ['']", "bell.prompts must be a list of words that are not empty"),
        ("[bell]\nposition = [0.5, 2]", "bell.position must be two numbers from 0 to 1"),
        ("[bell]\nposition = 3", "bell.position must be two numbers from 0 to 1"),
        ("[bell]\ncolour = 1", r"'colour' is no setting of bell \(phrases, keypoints, position, prompts\)"),
        ("box_threshold = 2", "box_threshold must be a number from 0 to 1, got 2"),
        ("text_threshold = true", "text_threshold must be a number from 0 to 1, got True"),
        ("bell = 1", "bell must be a table, got 1"),
        ("[bell", "expected a TOML file of rules"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a TOML file of rules that can be read \(No such file"):
        Rules.read(tmp_path / "none.toml", DCASE2025)
