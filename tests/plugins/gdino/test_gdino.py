"""gdino: words and phrases, boxes and things, YOLOX, recorded detections, and which engine looks."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.models import DetectorModel
from seldfuse.checkpoint import find_bundled_file
from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.detections import KEYPOINTS, Detections
from seldfuse.core.labels import DCASE2025
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import CheckpointError, SeldfuseError, UsageError
from seldfuse.storage.digest import hash_file
from seldfuse.synth.pictures.cutout_set import THINGS as DRAWN
from seldfuse.synth.pictures.cutouts import PLACES
from seldfuse.synth.pictures.objects import draw_object
from seldfuse.vision.recorded import SUFFIX
from seldfuse_gdino import yolox
from seldfuse_gdino.coco import THINGS
from seldfuse_gdino.detector import RULES, load
from seldfuse_gdino.engine import PhraseBoxes, to_detections
from seldfuse_gdino.vocabulary import Vocabulary

CPU = torch.device("cpu")
SHIPPED = Vocabulary(Rules.read(RULES, DCASE2025))


def frames(count: int = 2, height: int = 36, width: int = 64) -> list[Frame]:
    rng = np.random.default_rng(0)
    return [Frame(index / 2, rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for index in range(count)]


def clip(folder: Path | None = None) -> Clip:
    silence = ArrayAudio(np.zeros((2, 24_000), dtype=np.float32))
    return Clip("clip", silence, path=folder / "clip.wav" if folder else None)


def refused(engine: str | None, rules: Path | None = None) -> SeldfuseError:
    with pytest.raises(SeldfuseError) as error:
        load(engine, CPU, rules)
    return error.value


# Words


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("guitar", "guitar"),
        ("cell phone telephone", "telephone"),
        ("Cell Phone.", "telephone"),
        ("vacuum", "vacuum cleaner"),
        ("car door", "door"),
        ("door bell", "bell"),
        ("a man playing", "person"),
        ("tap", "water tap"),
        ("faucet", "water tap"),
        ("speaker", "loudspeaker"),
        ("elephant", None),
        ("", None),
    ],
)
def test_what_a_detector_says_is_brought_to_a_phrase(said: str, meant: str | None) -> None:
    assert SHIPPED.match(said) == meant


def test_what_pictures_of_scenes_show_speaks_for_its_class() -> None:
    for name, kind in {**DRAWN, **dict.fromkeys(PLACES, "person")}.items():
        assert SHIPPED.match(draw_object(kind, 0).phrase) in SHIPPED.rules.by_class[name].phrases


def test_every_class_has_a_rule() -> None:
    assert set(SHIPPED.rules.by_class) == set(DCASE2025.names)


def test_names_of_one_thing_are_known_as_such() -> None:
    thing = dict(zip(SHIPPED.phrases, SHIPPED.things, strict=True))
    assert thing["microwave"] == thing["oven"]
    assert len({thing["person"], thing["telephone"], thing["door"], thing["bell"], thing["oven"]}) == 5


def test_prompts_stand_for_the_phrase_that_is_closest_or_else_for_the_first() -> None:
    rules = Rules({"bell": Rule(phrases=("brass bell", "gong"), prompts=("a big gong", "bell", "chime"))})
    vocabulary = Vocabulary(rules)
    assert [vocabulary.phrases[answer] for answer in vocabulary.answers] == ["gong", "brass bell", "brass bell"]


def test_rules_that_ask_for_nothing_or_in_vain_are_refused() -> None:
    with pytest.raises(UsageError, match="expected prompts for at least one class"):
        Vocabulary(Rules({"bell": Rule(phrases=("bell",))}))
    speech, knock = Rule(("person",), prompts=("woman",)), Rule(("door",), prompts=("door", "woman"))
    with pytest.raises(UsageError) as error:
        Vocabulary(Rules({"female_speech": speech, "knock": knock}))
    assert str(error.value) == (
        "knock: the prompt 'woman' finds what another class calls 'person'; expected it among the phrases, got door"
    )


def test_an_empty_prompt_is_named(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[bell]\nprompts = ["bell", " "]')
    error = refused(None, tmp_path / "rules.toml")
    assert str(error).startswith("bell.prompts must be a list of words that are not empty, got ['bell', ' ']")


def test_the_rules_of_the_page_can_be_read(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "gdino.md"
    (text,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    vocabulary = Vocabulary(Rules.read(tmp_path / "rules.toml", DCASE2025))
    assert vocabulary.names["woman"] == "person"
    assert vocabulary.match("cell phone") == "telephone"


# Boxes


def boxes(*rows: tuple[int, str, float, tuple[float, float, float, float]]) -> PhraseBoxes:
    pictures, phrases, scores, places = zip(*rows, strict=True)
    indices = [SHIPPED.phrases.index(phrase) for phrase in phrases]
    return PhraseBoxes(torch.tensor(places), torch.tensor(scores), torch.tensor(pictures), torch.tensor(indices))


def test_one_thing_that_was_found_under_two_names_is_one() -> None:
    here, beside, elsewhere = (0.0, 0.0, 20.0, 30.0), (1.0, 0.0, 20.0, 30.0), (30.0, 0.0, 50.0, 30.0)
    found = to_detections(
        boxes(
            (1, "oven", 0.5, here),
            (0, "oven", 0.6, here),
            (0, "microwave", 0.9, beside),
            (0, "door", 0.3, here),
            (0, "microwave", 0.4, elsewhere),
        ),
        frames(),
        SHIPPED,
    )
    rows = sorted(found.table[["time_s", "phrase", "score"]].itertuples(index=False, name=None))
    assert [(time_s, phrase, round(score, 6)) for time_s, phrase, score in rows] == [
        (0.0, "door", 0.3),
        (0.0, "microwave", 0.4),
        (0.0, "microwave", 0.9),
        (0.5, "oven", 0.5),
    ]
    assert found.table["time_s"].is_monotonic_increasing
    assert (found.table["track"] == -1).all()
    assert np.isnan(found.keypoints).all()


def test_boxes_end_where_the_picture_does() -> None:
    nan = float("nan")
    found = to_detections(
        boxes(
            (0, "door", 0.5, (-5.0, -1e9, 200.0, 30.0)),
            (0, "bell", 0.5, (70.0, 0.0, 90.0, 30.0)),
            (0, "sink", 0.5, (nan, 0.0, 9.0, 9.0)),
        ),
        frames(),
        SHIPPED,
    )
    assert found.table["phrase"].tolist() == ["door"]
    assert found.table[["left_px", "top_px", "right_px", "bottom_px"]].to_numpy().tolist() == [[0, 0, 64, 30]]


# YOLOX


def test_decoding_is_what_its_paper_says() -> None:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn((2, 64 + 16 + 4, 85), generator=generator)
    wanted = raw.clone()
    place = 0
    for stride in (8, 16, 32):
        for row in range(64 // stride):
            for column in range(64 // stride):
                wanted[:, place, 0] = (raw[:, place, 0] + column) * stride
                wanted[:, place, 1] = (raw[:, place, 1] + row) * stride
                wanted[:, place, 2:4] = raw[:, place, 2:4].exp() * stride
                place += 1
    torch.testing.assert_close(yolox.decode(raw, 64), wanted)


def test_a_picture_lies_at_the_top_of_its_square_blue_first() -> None:
    rgb = np.zeros((36, 64, 3), dtype=np.uint8)
    rgb[..., 0], rgb[:, 48:, 2] = 250, 100
    shown, scale = yolox.letterbox(rgb, 32)
    assert (shown.shape, scale) == ((1, 3, 32, 32), 0.5)
    assert (shown[0, 2, :18] == 250).all()
    assert shown[0, 0, 0].tolist() == [0.0] * 24 + [100.0] * 8
    assert (shown[0, :, 18:] == 114).all()


class Session:
    """Of a network that sees a person, a car and a telephone in every picture."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="images", shape=[1, 3, 64, 64])]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="output", shape=[1, 84, 85])]

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]

    def run(self, _: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert given["images"].shape == (1, 3, 64, 64)
        raw = np.zeros((1, 84, 85), dtype=np.float32)
        # In the cell of the second row and third column of the finest grid: its corner is at (16, 8).
        raw[0, 8 + 2, :5] = (0.5, 0.25, np.log(3.0), np.log(2.0), 0.9)
        raw[0, 8 + 2, 5 + THINGS.index("person")] = 0.8
        raw[0, 80, :5] = (0.5, 0.5, 0.0, 0.0, 0.8)
        raw[0, 80, [5 + THINGS.index("car"), 5 + THINGS.index("cell phone")]] = (0.9, 0.5)
        raw[0, 81, 4:] = 0.49
        return [raw]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the session above stands for."""
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    (tmp_path / "tiny.onnx").write_bytes(b"weights")
    return tmp_path / "tiny.onnx"


def test_yolox_says_what_of_its_things_the_rules_know(file: Path) -> None:
    looks = load(f"yolox:{file}", CPU, None)
    found = looks.detect(clip(), frames(3, 72, 128), None)
    assert found.table["time_s"].tolist() == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert found.table["phrase"].tolist() == ["person", "telephone"] * 3
    assert found.table["score"].tolist() == pytest.approx([0.72, 0.4] * 3)
    places = found.table[["left_px", "top_px", "right_px", "bottom_px"]].to_numpy()
    # Pixels of the square are two of the picture's; the second box hangs out of neither side.
    np.testing.assert_allclose(places[0], [2 * (20 - 12), 2 * (10 - 8), 2 * (20 + 12), 2 * (10 + 8)], rtol=1e-5)
    np.testing.assert_allclose(places[1], [0, 0, 64, 64], rtol=1e-5)


def test_yolox_knows_eighty_things_and_shipped_rules_speak_for_some() -> None:
    assert len(set(THINGS)) == 80
    known = {name for name in THINGS if SHIPPED.match(name)}
    assert known == {"person", "cell phone", "television", "microwave", "oven", "toaster", "sink", "hair dryer"}


def test_a_missing_file_of_yolox_is_named(tmp_path: Path) -> None:
    error = refused(f"yolox:{tmp_path}/none.onnx")
    assert error.exit_code == 5
    assert str(error) == f"there is no such file of YOLOX: {tmp_path}/none.onnx"


def test_another_network_is_not_taken_for_yolox(tmp_path: Path) -> None:
    from onnxruntime.datasets import get_example

    other = Path(get_example("sigmoid.onnx"))
    assert str(refused(f"yolox:{other}")) == (
        "expected YOLOX, which takes square pictures [1, 3, side, side] and gives 85 values for each cell; "
        f"this takes [3, 4, 5] and gives [3, 4, 5]: {other}"
    )
    (tmp_path / "text.onnx").write_text("no network")
    assert str(refused(f"yolox:{tmp_path}/text.onnx")).startswith("expected YOLOX in ONNX (")


def test_yolox_finds_the_people_of_real_photos(shared: Path) -> None:
    import PIL.Image

    looks = load("yolox", CPU, None)
    labels = json.loads((shared / "media/photos/coco_keypoints.json").read_text())
    names = {entry["id"]: entry["file_name"] for entry in labels["images"]}
    assert len(names) == 4
    for number, name in names.items():
        photo = np.asarray(PIL.Image.open(shared / "media/photos" / name).convert("RGB"))
        found = looks.detect(clip(), [Frame(0.0, photo)], None).table
        people = found.loc[found["phrase"] == "person", ["left_px", "top_px", "right_px", "bottom_px"]].to_numpy()
        largest = max((one for one in labels["annotations"] if one["image_id"] == number), key=lambda one: one["area"])
        left, top, width, height = largest["bbox"]
        wrong = np.abs(people - (left, top, left + width, top + height)).max(axis=1)
        assert wrong.min() < 0.2 * max(width, height)


def test_what_ships_gives_what_the_original_gives(shared: Path) -> None:
    import PIL.Image

    original, ships = (load(name, CPU, None).engine for name in (f"yolox:{shared}/models/yolox_nano.onnx", "yolox"))
    photos = sorted((shared / "media/photos").glob("*.jpg"))
    pictures = [Frame(0.0, np.asarray(PIL.Image.open(photo).convert("RGB"))) for photo in photos]
    assert (original.at_once, ships.at_once, ships.side_px) == (1, yolox.AT_ONCE, 416)
    wanted = torch.cat([original._candidates([picture]) for picture in pictures])
    torch.testing.assert_close(ships._candidates(pictures), wanted, atol=1e-3, rtol=0)


def test_what_ships_finds_in_whole_pictures_what_the_original_finds(shared: Path) -> None:
    import PIL.Image

    original, ships = (load(name, CPU, None) for name in (f"yolox:{shared}/models/yolox_nano.onnx", "yolox"))
    for photo in sorted((shared / "media/photos").glob("*.jpg")):
        frame = Frame(0.0, np.asarray(PIL.Image.open(photo).convert("RGB")))
        both = [one.detect(clip(), [frame], None).table for one in (original, ships)]
        wanted, found = (table.loc[table["score"].idxmax()] for table in both)
        assert found["phrase"] == wanted["phrase"]
        assert found["score"] == pytest.approx(wanted["score"], abs=0.1)
        middles = [(one["left_px"] + one["right_px"]) / 2 for one in (found, wanted)]
        assert middles[0] == pytest.approx(middles[1], abs=0.05 * frame.rgb.shape[1])


def test_it_takes_other_sizes_and_gives_features_for_networks_that_look() -> None:
    session = load("yolox", CPU, None).engine.session
    names = ["candidates", "class_features_8", "class_features_16", "class_features_32"]
    assert [output.name for output in session.get_outputs()] == names
    found = session.run(names, {"pictures": np.zeros((2, 3, 192, 320), dtype=np.float32)})
    assert [one.shape for one in found] == [(2, 1260, 85), (2, 64, 24, 40), (2, 64, 12, 20), (2, 64, 6, 10)]


# Recorded


def record(path: Path) -> None:
    rows = [
        (0.0, "cell phone telephone", 0.9, 1.0, 2.0, 3.0, 4.0, 7),
        (0.0, "elephant", 0.9, 1.0, 2.0, 3.0, 4.0, 8),
        (0.5, "person", 0.8, 5.0, 6.0, 7.0, 8.0, 9),
    ]
    Detections.from_rows(rows, [np.zeros((len(KEYPOINTS), 3))] * 3).save(path)


def test_recorded_things_speak_whatever_they_were_called(tmp_path: Path) -> None:
    record(tmp_path / f"clip{SUFFIX}")
    for engine, where in (("recorded", clip(tmp_path)), (f"recorded:{tmp_path}", clip())):
        found = load(engine, CPU, None).detect(where, frames(), None)
        assert found.table[["time_s", "phrase"]].to_numpy().tolist() == [[0.0, "telephone"], [0.5, "person"]]
        assert np.isnan(found.keypoints).all()


def test_no_recording_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there are no recorded detections of clip; expected ") as error:
        load("recorded", CPU, None).detect(clip(tmp_path), frames(), None)
    assert str(error.value).endswith(f"{tmp_path / f'clip{SUFFIX}'}")
    assert str(refused(f"recorded:{tmp_path}/none")).startswith("there is no such folder of recorded detections: ")


# Which engine looks


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights at all."""
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SELDFUSE_YOLOX", raising=False)
    return tmp_path


@pytest.mark.parametrize("engine", [None, "auto"])
def test_by_itself_it_detects_with_the_yolox_that_ships(bare: Path, engine: str | None) -> None:
    digest = hash_file(find_bundled_file("yolox", "nano.onnx"), "sha256", 16)
    assert load(engine, CPU, None).engine_id.startswith(
        f"yolox:nano {digest} on whole pictures at 0.25 on cpu, asked for "
    )


def test_an_installation_without_its_weights_says_so_before_anything_is_heard(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seldfuse.checkpoint.BUNDLED", (bare,))
    error = refused(None)
    assert error.exit_code == 5
    for told in (
        "no engine of gdino is ready (hf: ",
        "`seldfuse checkpoints fetch IDEA-Research/grounding-dino-tiny`",
        "groundingdino: ",
        f"yolox: weights that come with seldfuse are missing; install it anew: {bare}/yolox/nano.onnx)",
    ):
        assert told in str(error)


def test_by_itself_it_takes_what_is_there(bare: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELDFUSE_YOLOX", str(file))
    assert load(None, CPU, None).engine_id.startswith("yolox:tiny ")


def test_an_unknown_engine_is_told_the_known_ones() -> None:
    assert str(refused("radar")) == (
        "no engine of gdino is called 'radar'; there is auto, hf, groundingdino, yolox, recorded"
    )
    assert str(refused("hf:")) == "expected weights or a folder after the colon, got 'hf:'; `gdino@hf` without one"


def test_a_missing_package_says_what_to_install(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "transformers" else object())
    assert str(refused("hf")) == 'hf needs transformers; `pip install "seldfuse[gdino]"`'


# The post-processor


@pytest.fixture
def engine_id(file: Path, tmp_path: Path) -> Callable[[str], str]:
    def asked(text: str) -> str:
        (tmp_path / "rules.toml").write_text(text)
        return load(f"yolox:{file}", CPU, tmp_path / "rules.toml").engine_id

    return asked


def test_what_looks_is_told_apart_by_weights_and_words_only(engine_id: Callable[[str], str], file: Path) -> None:
    plain = engine_id('[bell]\nprompts = ["bell"]')
    assert plain.startswith("yolox:tiny 9a129038d9a00aed at 0.25 on cpu, asked for ")
    assert engine_id('[bell]\nprompts = ["bell"]\nposition = [0.1, 0.1]') == plain
    assert engine_id('[bell]\nprompts = ["gong"]') != plain
    file.write_bytes(b"others")
    assert engine_id('[bell]\nprompts = ["bell"]') != plain


def test_no_pictures_show_nothing(file: Path) -> None:
    assert len(load(f"yolox:{file}", CPU, None).detect(clip(), [], None)) == 0


def test_the_engine_finds_it_by_name(bare: Path) -> None:
    (request,) = load_registry().find_post("gdino@auto")[0]
    looks = request.load(CPU)
    assert isinstance(looks, DetectorModel)
    assert looks.rules == SHIPPED.rules
