"""Label sets by name and from files: what is read, and what is said of files that are none."""

from pathlib import Path

import pytest

from seldfuse.core.label_sets import (
    KNOWN,
    TAU_NIGENS_2020,
    TAU_NIGENS_2021,
    find_labels,
    labels_to_toml,
    read_annotated_labels,
    read_labels,
)
from seldfuse.core.labels import DCASE2025, match_classes
from seldfuse.errors import UsageError


def test_known_sets_are_found_by_name_whatever_its_case_and_blanks() -> None:
    assert find_labels("tau nigens 2021") == find_labels("TAU-NIGENS 2021") == TAU_NIGENS_2021
    assert (len(TAU_NIGENS_2020), len(TAU_NIGENS_2021)) == (14, 12)
    assert TAU_NIGENS_2020.index("dog") == 3
    assert TAU_NIGENS_2021.index("ringing phone") == 10
    for name in ("STARSS22", "starss23"):
        assert find_labels(name).names == DCASE2025.names
    assert len(KNOWN) == 5


def test_older_classes_are_those_of_2025_by_name() -> None:
    places = dict(zip(DCASE2025.names, match_classes(DCASE2025, TAU_NIGENS_2021), strict=True))
    found = {name: TAU_NIGENS_2021.names[place] for name, place in places.items() if place is not None}
    assert found == {name: name for name in ("female_speech", "male_speech", "telephone", "footsteps", "knock")}


def test_a_file_states_classes_by_name_or_in_full(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "DCASE2025"\nlabelled = ["Grand piano", "music"]\n'
        '[[classes]]\nname = "piano"\naliases = ["grand piano"]\nprompts = ["piano"]\nvisible = false\n'
    )
    labels, labelled = read_annotated_labels(path)
    assert (labels.name, labels.names[:13], labels.names[13:]) == ("mine", DCASE2025.names, ("piano",))
    assert labelled == ("piano", "music")
    assert (labels.classes[13].title, labels.classes[13].visible) == ("Piano", False)
    path.write_text(labels_to_toml(labels))
    assert read_labels(path) == labels
    (tmp_path / "short.json").write_text('{"name": "band", "classes": ["piano", "snare_drum"]}')
    short = find_labels(str(tmp_path / "short.json"))
    assert (short.name, [label.title for label in short.classes]) == ("band", ["Piano", "Snare drum"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('classes = ["piano", "Piano"]', "label set 'bad' uses a name for two classes: piano"),
        ('class = ["piano"]', "'class' is no key of a file of labels"),
        ("classes = []", "label set 'bad' has no class"),
        ('classes = [{name = "x", keypoints = ["knee"]}]', "x: expected keypoints among nose"),
        ('classes = [{name = " "}]', "every class needs a name that is not empty"),
        ('classes = [{name = "x", typical_distance_m = 0}]', "x: expected a typical_distance_m of more than 0 and"),
        ('classes = ["dog"]\nlabelled = ["cat"]', "'cat' is no class of bad"),
        ('extends = "dcase"', "'dcase' is no label set: expected DCASE2025, STARSS22"),
        ("classes = [", "this is no TOML"),
    ],
)
def test_a_file_that_is_none_is_told_apart(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        find_labels(str(path))
    assert message in str(caught.value)
    assert str(caught.value).endswith(str(path))


def test_a_name_or_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="'DCASE2019' is no label set: expected DCASE2025"):
        find_labels("DCASE2019")
    with pytest.raises(UsageError, match=r"expected a file of labels, there is none: mine\.toml"):
        find_labels("mine.toml")
