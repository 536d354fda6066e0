"""Submissions are checked clip by clip and packed as the challenge wants them."""

from pathlib import Path

import pytest

from seldfuse.errors import UsageError
from seldfuse.submission import find_evaluation_clips, pack

HEADER = "frame,class,source,azimuth,distance,onscreen\n"
LABEL = "Muster_XY_task3_1"


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    folder = tmp_path / "predictions"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"sample{number}.csv").write_text(HEADER + "0,0,0,30,200,1\n")
    return folder


CLIPS = ["sample1", "sample2"]


def test_a_package_holds_every_clip_and_metadata_with_places_to_fill_in(tmp_path: Path, predictions: Path) -> None:
    found = pack(predictions, CLIPS, LABEL, tmp_path / "out", predictions, predictions)
    folder = tmp_path / "out" / "task3" / LABEL
    assert sorted(path.name for path in (folder / f"{LABEL}.output").iterdir()) == ["sample1.csv", "sample2.csv"]
    text = (folder / f"{LABEL}.meta.yaml").read_text()
    assert f"  label: {LABEL}\n" in text
    assert "    DOAE: 0.0000\n" in text or "    DOAE: null\n" in text
    assert found.todo == text.count("TODO") > 5
    assert pack(predictions, CLIPS, LABEL, tmp_path / "out").clips == 2
    (folder / f"{LABEL}.meta.yaml").write_text(text.replace("TODO", "done"))
    with pytest.raises(UsageError, match="packed and filled in already"):
        pack(predictions, CLIPS, LABEL, tmp_path / "out")


def test_what_a_run_left_word_of_is_filled_in(tmp_path: Path, predictions: Path) -> None:
    (predictions / "sample1.json").write_text(
        '{"format": "seldfuse-events", "backends": ["doa"], "fusion": "mean", "detectors": {}}'
    )
    (predictions / "manifest.jsonl").write_text(
        '{"recipe": "1", "backends": [{"name": "doa", "checkpoint": {"doa-medium/config.json": "0"}}]}\n'
    )
    text = pack(predictions, CLIPS, LABEL, tmp_path / "out").metadata.read_text()
    assert '    ensemble_members: ["doa"]\n' in text
    assert "    ensemble_method_subsystem_count: 1\n" in text
    assert '    acoustic_features: ["logmel", "direct"]\n' in text
    assert "    total_parameters: 1945149" in text
    assert '    decision_making: "fusion mean"\n' in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0,0,30,200,1\n", r"expected the header frame,class,.*sample2\.csv"),
        (HEADER + "50,0,0,30,200,1\n", r"expected frames from 0 to 49, .*got 50 in line 2: .*sample2\.csv"),
        (HEADER + "0,0,0,150,200,1\n", r"expected azimuths from -90 to 90, .* got 150 in line 2"),
        (HEADER + "0,0,0,30,2.1,1\n", "look like metres"),
        (HEADER + "0,0,0,30,200,2\n", "expected 0 or 1 for onscreen"),
    ],
)
def test_what_the_challenge_does_not_take_is_refused(
    tmp_path: Path, predictions: Path, text: str, message: str
) -> None:
    (predictions / "sample2.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        pack(predictions, CLIPS, LABEL, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_clips_and_doubles_are_refused_and_others_left_out(tmp_path: Path, predictions: Path) -> None:
    with pytest.raises(UsageError, match=r"1 clip of the evaluation set of 3 have no predictions \(sample3\)"):
        pack(predictions, [*CLIPS, "sample3"], LABEL, tmp_path / "out")
    notes: list[str] = []
    pack(predictions, CLIPS[:1], LABEL, tmp_path / "out", note=notes.append)
    assert notes == ["1 files are of no clip of the evaluation set and were left out (sample2)"]
    (predictions / "again").mkdir()
    (predictions / "again" / "sample1.csv").write_text(HEADER)
    with pytest.raises(UsageError, match="several files are called like one clip: again/sample1"):
        pack(predictions, CLIPS, LABEL, tmp_path / "two")


@pytest.mark.parametrize("label", ["Muster", "Muster_task3_5", "Muster XY_task3_1", "../Muster_task3_1"])
def test_a_label_is_one_of_the_challenge(tmp_path: Path, predictions: Path, label: str) -> None:
    with pytest.raises(UsageError, match="--label expects a name such as Muster_XY_task3_1"):
        pack(predictions, CLIPS, label, tmp_path / "out")


def test_the_evaluation_set_is_a_folder_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    for name in ("sample1.wav", "sample2.WAV", ".hidden.wav", "notes.txt"):
        (tmp_path / "eval" / name).touch()
    assert find_evaluation_clips(tmp_path / "eval") == CLIPS
    for text in ("sample1\nsample2\n", "filename,length\nsample1.wav,5\nstereo_eval/eval/sample2.wav,5\n"):
        (tmp_path / "list.csv").write_text(text)
        assert find_evaluation_clips(tmp_path / "list.csv") == CLIPS
    for text, message in (("\n", "found none"), ("a\na.wav\n", "clips of one name: a")):
        (tmp_path / "list.csv").write_text(text)
        with pytest.raises(UsageError, match=message):
            find_evaluation_clips(tmp_path / "list.csv")
    with pytest.raises(UsageError, match="--evaluation expects a folder of clips, or a file"):
        find_evaluation_clips(tmp_path / "nowhere.txt")
