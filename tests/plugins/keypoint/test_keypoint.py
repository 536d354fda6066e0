"""The detector keypoint: how it is named, what it falls back to, and what it gives."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.models import DetectorModel
from seldfuse.checkpoint import find_bundled_file
from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.detections import KEYPOINTS, UNTRACKED, Detections
from seldfuse.core.labels import DCASE2025
from seldfuse.core.rules import Rules
from seldfuse.errors import CheckpointError, SeldfuseError, UsageError
from seldfuse.storage.digest import hash_file
from seldfuse_keypoint.detector import RULES, load
from seldfuse_keypoint.found_boxes import InFoundBoxes
from seldfuse_keypoint.people import select_people
from seldfuse_keypoint.places import PersonBoxes

CPU = torch.device("cpu")
SILENCE = ArrayAudio(np.zeros((2, 2400), dtype=np.float32))
MOVENET_DIGEST = hash_file(find_bundled_file("movenet", "multipose.onnx"), "sha256", 8)
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights in variables or the cache."""
    for variable in ("SELDFUSE_MOVENET", "SELDFUSE_MMPOSE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))


def frames(*times_s: float, height: int = 90, width: int = 160) -> list[Frame]:
    return [Frame(time_s, np.zeros((height, width, 3), dtype=np.uint8)) for time_s in times_s]


def clip_with(folder: Path, seen: Detections | None) -> Clip:
    if seen is not None:
        seen.save(folder / "talk.detections.parquet")
    return Clip("talk", SILENCE, path=folder / "talk.wav")


def seen(*rows: tuple[float, str, float, tuple[float, float, float, float]]) -> Detections:
    return Detections.from_rows([(time_s, phrase, score, *box_px, 7) for time_s, phrase, score, box_px in rows])


def refused(engine: str, kind: type[SeldfuseError]) -> str:
    with pytest.raises(kind) as error:
        load(engine, CPU, None)
    return str(error.value)


# Names, and what is there


def test_seldfuse_finds_it_by_its_name() -> None:
    (request,) = load_registry().find_post("keypoint@recorded")[0]
    assert request.load(CPU).engine_id == "recorded detections beside the clip"


def test_its_own_rules_say_which_points_speak_for_which_class() -> None:
    rules = Rules.read(RULES, DCASE2025).by_class
    assert {name: rule.keypoints for name, rule in rules.items()} == {
        **dict.fromkeys(("female_speech", "male_speech", "laughter"), FACE),
        **dict.fromkeys(("clapping", "knock"), ("left_wrist", "right_wrist")),
        "footsteps": ("left_ankle", "right_ankle"),
    }
    assert all(rule.phrases == ("person",) for rule in rules.values())
    assert rules["laughter"].position[1] < rules["knock"].position[1] < rules["footsteps"].position[1]


def test_a_file_of_rules_takes_their_place(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[bell]\nkeypoints = ["left_wrist"]')
    assert list(load(None, CPU, path).rules.by_class) == ["bell"]
    path.write_text('[bell]\nkeypoints = ["tail"]')
    with pytest.raises(UsageError, match=r"bell.keypoints: unknown keypoints tail"):
        load(None, CPU, path)


def test_an_unknown_engine_is_told_the_known_ones() -> None:
    assert refused("openpose:weights", UsageError) == (
        "no engine of keypoint is called 'openpose'; there is auto, mmpose, vitpose, movenet, recorded"
    )
    assert refused("movenet:", UsageError) == (
        "expected a file or folder after the colon, got 'movenet:'; `keypoint@movenet` without one"
    )


def test_a_package_that_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert refused("vitpose", CheckpointError) == 'vitpose needs transformers; `pip install "seldfuse[keypoint]"`'
    assert refused("mmpose:folder", CheckpointError) == (
        'mmpose needs mmcv and mmengine and mmpose; `pip install "seldfuse[keypoint]"` and '
        "`pip install --no-deps mmpose==1.3.2`"
    )


@pytest.fixture
def all_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())


@pytest.mark.usefixtures("all_packages")
def test_weights_that_are_missing_say_where_they_belong(tmp_path: Path) -> None:
    assert refused("movenet:none.onnx", CheckpointError) == "there is no such file of MoveNet: none.onnx"
    assert refused("mmpose", CheckpointError) == (
        "mmpose needs a folder with a config (.py) and its checkpoint (.pth); "
        "name it, `keypoint@mmpose:FOLDER`, or set SELDFUSE_MMPOSE"
    )
    assert refused("mmpose:none", CheckpointError).endswith("there is none: none")
    assert refused(f"mmpose:{tmp_path}", CheckpointError) == (
        f"expected one file *.py of OpenMMLab's, found none: {tmp_path}"
    )
    for name in ("one.py", "one.pth", "other.pth"):
        (tmp_path / name).touch()
    assert refused(f"mmpose:{tmp_path}", CheckpointError) == (
        f"expected one file *.pth of OpenMMLab's, found one.pth, other.pth: {tmp_path}"
    )
    assert refused("recorded:none", CheckpointError) == "there is no such folder of recorded detections: none"


# Recorded people


def test_recorded_people_speak(tmp_path: Path) -> None:
    box = (1.0, 2.0, 30.0, 40.0)
    clip = clip_with(tmp_path, seen((0.0, "person", 0.9, box), (0.0, "bell", 0.9, box), (0.5, "person", 0.8, box)))
    looker = load("recorded", CPU, None)
    assert isinstance(looker, DetectorModel)
    assert looker.engine_id == "recorded detections beside the clip"
    found = looker.detect(clip, frames(0.0, 0.5), None)
    assert found.table[["time_s", "phrase", "score"]].values.tolist() == [[0.0, "person", 0.9], [0.5, "person", 0.8]]
    assert (found.table["track"] == UNTRACKED).all()
    in_folder = load(f"recorded:{tmp_path}", CPU, None)
    assert in_folder.engine_id == f"recorded detections in {tmp_path}"
    assert len(in_folder.detect(clip, frames(0.0), None)) == 1


def test_a_clip_without_a_recording_is_told_where_one_belongs(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there are no recorded detections of talk; expected ") as error:
        load("recorded", CPU, None).detect(clip_with(tmp_path, None), frames(0.0), None)
    assert error.value.exit_code == 5


# Which engine detects by itself


@pytest.mark.parametrize("engine", [None, "auto"])
def test_by_itself_it_detects_with_the_movenet_that_ships(engine: str | None) -> None:
    assert load(engine, CPU, None).engine_id == f"movenet {MOVENET_DIGEST} on cpu"


def test_what_a_user_names_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SELDFUSE_MOVENET", str(tmp_path / "movenet.onnx"))
    with pytest.raises(CheckpointError, match=r"no engine of keypoint is ready \(.*no such file of MoveNet"):
        load(None, CPU, None)
    (tmp_path / "movenet.onnx").write_text("no network")
    with pytest.raises(CheckpointError, match=r"expected MoveNet MultiPose in ONNX \(.*movenet\.onnx"):
        load(None, CPU, None)


def test_an_installation_without_its_weights_says_so_before_anything_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seldfuse.checkpoint.BUNDLED", (Path("none"),))
    with pytest.raises(CheckpointError) as error:
        load(None, CPU, None)
    assert re.fullmatch(
        r"no engine of keypoint is ready \(mmpose: .*; vitpose: .*; movenet: weights that come with seldfuse are "
        r"missing; install it anew: none/movenet/multipose\.onnx\)",
        str(error.value),
    )
    assert error.value.exit_code == 5


class Engine:
    """Gives what it is told to, and remembers what it was given."""

    def __init__(self, engine_id: str, found: Detections) -> None:
        self.engine_id, self.found, self.given = engine_id, found, list[Detections | None]()

    def detect(self, _clip: Clip, _frames: object, seen: Detections | None) -> Detections:
        self.given.append(seen)
        return self.found


def test_a_top_down_engine_gets_boxes_by_movenet_where_no_detector_came_before() -> None:
    poses, people = Engine("vitpose", seen()), Engine("movenet", seen((0.0, "person", 0.9, BOX)))
    engine = InFoundBoxes(poses, people)
    assert engine.engine_id == "vitpose in boxes by movenet"
    earlier = seen()
    for given in (None, earlier):
        assert engine.detect(Clip("talk", SILENCE), frames(0.0), given) is poses.found
    assert poses.given[0] is people.found
    assert poses.given[1] is earlier
    assert people.given == [None]


def test_no_frames_are_no_people() -> None:
    assert len(load("recorded", CPU, None).detect(Clip("talk", SILENCE), [], None)) == 0


# People in pixels


def points(*places: tuple[float, float, float]) -> np.ndarray:
    """The first points as given, the others in the middle of the picture."""
    rest = [(80.0, 45.0, 0.5)] * (len(KEYPOINTS) - len(places))
    return np.array([[*places, *rest]])


def test_boxes_end_at_the_picture_and_points_outside_count_nothing() -> None:
    boxes_px = np.array([[-5.0, 10.0, 170.0, 95.0]])
    corners = points((-0.1, 5.0, 0.9), (0.0, 0.0, 0.9), (159.9, 89.9, 1.2), (160.0, 5.0, 0.9))
    found = select_people(frames(0.0, 0.5), np.array([1]), boxes_px, np.array([1.1]), corners)
    assert found.table.iloc[0].tolist() == [0.5, "person", 1.0, 0.0, 10.0, 160.0, 90.0, UNTRACKED]
    assert found.keypoints[0, :4, 2].tolist() == [0.0, 0.9, 1.0, 0.0]
    assert found.keypoints[0, 0, :2].tolist() == [-0.1, 5.0]


def test_who_is_not_in_the_picture_is_dropped_and_what_is_nan_stays() -> None:
    boxes_px = np.array([[170.0, 0.0, 190.0, 50.0], [np.nan, 0.0, 10.0, 50.0], [0.0, 0.0, 10.0, 50.0]])
    found = select_people(
        frames(0.0), np.zeros(3, dtype=int), boxes_px, np.array([0.9, 0.8, np.nan]), points().repeat(3, 0)
    )
    np.testing.assert_array_equal(found.table["score"], [0.8, np.nan])
    assert np.isnan(found.table["left_px"][0])


def test_nobody_is_an_empty_table() -> None:
    found = select_people(frames(0.0), np.zeros(0, dtype=int), np.empty((0, 4)), np.empty(0), np.empty((0, 17, 3)))
    assert len(found) == 0
    assert found.table["phrase"].dtype == Detections.from_rows([]).table["phrase"].dtype


# Where one person is looked for

BOX = (10.0, 10.0, 50.0, 80.0)


def test_places_are_the_people_seen_in_a_frame_or_the_whole_picture() -> None:
    rows = [
        (0.0, "bell", 0.9, BOX),
        (0.25, "person", 0.9, BOX),
        (0.5, "person", 0.7, BOX),
        (0.5, "person", 0.9, (np.nan, 0.0, 1.0, 1.0)),
        (0.5, "person", 0.6, (0.0, 0.0, 9.0, 9.0)),
        (1.5, "person", 0.5, BOX),
    ]
    places = PersonBoxes.from_detections(frames(0.0, 0.5, 1.0, 1.5), seen(*rows))
    assert places.frame_indices.tolist() == [0, 1, 1, 2, 3]
    assert places.whole.tolist() == [True, False, False, True, False]
    assert places.scores.tolist() == [1.0, 0.7, 0.6, 1.0, 0.5]
    whole = [0.0, 0.0, 160.0, 90.0]
    assert places.boxes_px.tolist() == [whole, list(BOX), [0.0, 0.0, 9.0, 9.0], whole, list(BOX)]
    assert PersonBoxes.from_detections(frames(0.0, 0.5), None).whole.tolist() == [True, True]


def test_a_person_s_score_is_that_of_the_place_and_the_points() -> None:
    places = PersonBoxes.from_detections(frames(0.0, 0.5), seen((0.0, "person", 0.7, BOX), (0.5, "person", 0.5, BOX)))
    found = places.people(frames(0.0, 0.5), points((0.0, 0.0, 0.9)).repeat(2, 0))
    assert found.table["score"].tolist() == pytest.approx([0.7 * (16 * 0.5 + 0.9) / 17, 0.5 * (16 * 0.5 + 0.9) / 17])
    assert found.table[["left_px", "top_px", "right_px", "bottom_px"]].values.tolist() == [list(BOX), list(BOX)]


def test_in_a_whole_picture_points_that_are_sure_make_a_person() -> None:
    places = PersonBoxes.from_detections(frames(0.0, 0.5, 1.0), None)
    sure, faint, broken = points((20.0, 30.0, 0.9), (60.0, 50.0, 0.9), (150.0, 80.0, 0.1)), points(), points((1, 1, 1))
    faint[..., 2], broken[..., 2] = 0.2, np.nan
    found = places.people(frames(0.0, 0.5, 1.0), np.concatenate([sure, faint, broken]))
    assert found.table["time_s"].tolist() == [0.0, 1.0]
    assert found.table[["left_px", "top_px", "right_px", "bottom_px"]].values[0].tolist() == [20.0, 30.0, 80.0, 50.0]
    assert np.isnan(found.table["score"][1])
