"""Cut-outs: what a folder may hold, who stands for which class, and what is drawn where there is nothing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.errors import MediaError, UsageError
from seldfuse.synth.pictures.body import LEFT_AND_RIGHT
from seldfuse.synth.pictures.cutout import Cutout
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.pictures.objects import KINDS, draw_object

HEAD, ARMS = [[50, 30], [54, 26], [46, 26], [60, 28], [40, 28]], [[75, 95], [25, 95], [78, 125], [22, 125]]
LEGS = [[62, 140], [38, 140], [62, 200], [38, 200], [62, 260], [38, 260]]
STANDING = np.array([*HEAD, [70, 60], [30, 60], *ARMS, *LEGS], dtype=float)
"""Someone 270 pixels tall, in a picture of 100 × 280."""


def write_cutout(path: Path, mode: str = "RGBA", size: tuple[int, int] = (100, 280), **told: object) -> Path:
    """A grey block with an empty margin of five pixels, and what is told of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new(mode, size)
    grey = {"RGBA": (90, 90, 90, 255), "LA": (90, 255), "RGB": (90, 90, 90)}[mode]
    picture.paste(grey, (5, 5, size[0] - 5, size[1] - 5))
    picture.save(path)
    if told:
        path.with_suffix(".json").write_text(json.dumps(told))
    return path


def keypoints(unseen: tuple[int, ...] = ()) -> list[list[float]]:
    return [[x, y, 0.0 if index in unseen else 2.0] for index, (x, y) in enumerate(STANDING.tolist())]


def cls(name: str) -> int:
    return DCASE2025.index(name)


def drawn_keys(cutouts, name: str, count: int = 40) -> set[str]:
    rng = np.random.default_rng(0)
    cutouts = replace(cutouts, drawn_share=0.0)
    return {cutouts.draw(cls(name), rng) for _ in range(count)}


def test_people_stand_for_all_classes_of_people_and_things_for_their_own(tmp_path):
    write_cutout(tmp_path / "person" / "anna.png", keypoints=keypoints())
    write_cutout(tmp_path / "03_telephone" / "black.png")
    cutouts = load_cutouts(tmp_path, DCASE2025)
    for name in ("female_speech", "male_speech", "laughter", "clapping", "footsteps", "knock"):
        assert drawn_keys(cutouts, name) == {"person/anna.png"}
    assert drawn_keys(cutouts, "telephone") == {"03_telephone/black.png"}
    assert cutouts.load_cutout("person/anna.png").phrase == "person"
    assert cutouts.load_cutout("03_telephone/black.png").phrase == "telephone"
    assert {key.rpartition("/")[0] for key in drawn_keys(cutouts, "bell")} == {"drawn/bell"}


def test_a_class_of_people_may_have_its_own(tmp_path):
    write_cutout(tmp_path / "person" / "anyone.png")
    write_cutout(tmp_path / "female_speech" / "anna.png")
    cutouts = load_cutouts(tmp_path, DCASE2025)
    assert drawn_keys(cutouts, "female_speech") == {"female_speech/anna.png"}
    assert drawn_keys(cutouts, "male_speech") == {"person/anyone.png"}
    assert cutouts.load_cutout("female_speech/anna.png").is_person


def test_only_people_whose_hands_are_known_clap_and_knock(tmp_path):
    write_cutout(tmp_path / "person" / "armless.png", keypoints=keypoints(unseen=(9, 10)))
    cutouts = load_cutouts(tmp_path, DCASE2025)
    assert drawn_keys(cutouts, "laughter") == {"person/armless.png"}
    assert {key.split("/")[1] for key in drawn_keys(cutouts, "clapping")} == {"person"}
    assert {key.split("/")[1] for key in drawn_keys(cutouts, "knock")} == {"door"}


def test_sounds_come_from_mouth_hands_and_feet(tmp_path):
    write_cutout(tmp_path / "person" / "anna.png", keypoints=keypoints())
    cutout = load_cutouts(tmp_path, DCASE2025).load_cutout("person/anna.png")
    # The empty margin of five pixels is cut off.
    assert cutout.rgba.shape == (270, 90, 4)
    assert cutout.get_sound_position("mouth") == pytest.approx((45.0, 27.8))
    assert cutout.get_sound_position("hands") == (45.0, 120.0)
    assert cutout.get_sound_position("feet") == (45.0, 255.0)
    assert cutout.get_sound_position("point") == cutout.get_sound_position("mouth")
    np.testing.assert_array_equal(cutout.keypoints[:, :2], STANDING - 5)


def test_without_keypoints_the_outline_tells_mouth_and_feet(tmp_path):
    write_cutout(tmp_path / "person" / "anna.png")
    cutout = load_cutouts(tmp_path, DCASE2025).load_cutout("person/anna.png")
    assert cutout.keypoints is None
    assert cutout.get_sound_position("mouth") == pytest.approx((45.0, 23.0))
    assert cutout.get_sound_position("feet") == pytest.approx((45.0, 265.0), abs=6)
    assert cutout.height_m == 1.7


def test_a_face_seen_from_behind_has_its_mouth_between_ears_and_shoulders(tmp_path):
    write_cutout(tmp_path / "person" / "anna.png", keypoints=keypoints(unseen=(0, 1, 2)))
    x, y = load_cutouts(tmp_path, DCASE2025).load_cutout("person/anna.png").get_sound_position("mouth")
    assert (x, y) == pytest.approx((45.0, 31.0))


def test_the_height_of_who_stands_and_of_who_lacks_his_legs(tmp_path):
    write_cutout(tmp_path / "person" / "whole.png", keypoints=keypoints())
    write_cutout(tmp_path / "person" / "half.png", size=(100, 155), keypoints=keypoints(unseen=(13, 14, 15, 16)))
    cutouts = load_cutouts(tmp_path, DCASE2025)
    whole, half = (cutouts.load_cutout(f"person/{name}.png").height_m for name in ("whole", "half"))
    assert whole == pytest.approx(1.9, abs=0.25)
    assert half == pytest.approx(whole * 145 / 270, rel=0.15)


def test_a_point_that_is_told_is_where_the_sound_comes_from(tmp_path):
    write_cutout(tmp_path / "water_tap" / "sink.png", point=[20, 60], height_m=0.4)
    cutout = load_cutouts(tmp_path, DCASE2025).load_cutout("water_tap/sink.png")
    assert (cutout.get_sound_position("point"), cutout.height_m, cutout.phrase) == ((15.0, 55.0), 0.4, "water tap")


def test_a_thing_sounds_from_its_middle_unless_told(tmp_path):
    write_cutout(tmp_path / "door" / "oak.png")
    assert load_cutouts(tmp_path, DCASE2025).load_cutout("door/oak.png").get_sound_position("point") == (45.0, 135.0)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_every_kind_of_png_keeps_its_alpha(tmp_path, mode):
    path = write_cutout(tmp_path / "door" / "oak.png", mode)
    with Image.open(path) as picture:
        faded = picture.copy()
        faded.putalpha(picture.getchannel("A").point(lambda value: value // 2))
    faded.save(path)
    assert load_cutouts(tmp_path, DCASE2025).load_cutout("door/oak.png").rgba[0, 0].tolist() == [90, 90, 90, 127]


def test_a_quarter_is_held_out_and_neither_side_sees_the_other(tmp_path):
    for number in range(8):
        write_cutout(tmp_path / "person" / f"{number}.png")
    for number in range(2):
        write_cutout(tmp_path / "bell" / f"{number}.png")
    write_cutout(tmp_path / "door" / "only.png")
    kept, held = (load_cutouts(tmp_path, DCASE2025, side) for side in ("train", "held"))
    assert (len(kept.people), len(held.people)) == (6, 2)
    assert not set(kept.people) & set(held.people)
    assert len(kept.classes["bell"]) == len(held.classes["bell"]) == 1
    assert (kept.classes["door"], held.classes["door"]) == (("door/only.png",), ())
    # A frozen plan of either side can be rendered with the other one's cutouts.
    assert kept.load_cutout(held.people[0]).is_person
    drawn = [{int(key.split("/")[2]) for key in drawn_keys(side, "water_tap")} for side in (kept, held)]
    assert not drawn[0] & drawn[1]
    assert not any(seed % 4 == 0 for seed in drawn[0])


def test_tables_say_what_pictures_are_and_what_they_are_for(tmp_path):
    people = []
    for name, told in {
        "anna": {"part": "full", "side": "train"}, "bob": {"part": "upper", "cut": ["b"], "side": "train"},
        "carl": {"part": "bust", "cut": ["l", "b"], "side": "train"}, "dora": {"part": "full", "side": "held"},
        "emil": {"part": "full", "side": "fit"}, "finn": {"side": "train", "licence": "LicenseRef-NonCommercial"},
    }.items():  # fmt: skip
        write_cutout(tmp_path / "people" / f"{name}.webp")
        people.append({"file": f"{name}.webp", "keypoints": keypoints(), **told})
    (tmp_path / "people" / "persons.json").write_text(json.dumps(people))
    write_cutout(tmp_path / "things" / "domestic" / "fan.webp")
    write_cutout(tmp_path / "things" / "cone.webp")
    (tmp_path / "things" / "things.json").write_text(
        json.dumps(
            [
                {"file": "domestic/fan.webp", "class": "domestic", "height_m": 0.4, "side": "train"},
                {"file": "cone.webp", "class": "distractor", "height_m": 0.7, "side": "train"},
            ]
        )
    )
    train, held, fit = (load_cutouts(tmp_path, DCASE2025, side) for side in ("train", "held", "fit"))
    assert train.people == ("people/anna.webp", "people/bob.webp")
    assert (held.people, fit.people) == (("people/dora.webp",), ("people/emil.webp",))
    assert train.classes == {"domestic_sounds": ("things/domestic/fan.webp",)}
    assert train.distractors == ("things/cone.webp",)
    assert drawn_keys(train, "footsteps") == {"people/anna.webp"}
    assert train.load_cutout("people/bob.webp").cut_below
    assert train.load_cutout("things/cone.webp").height_m == 0.7
    mixed = {train.draw(0, np.random.default_rng(seed)).partition("/")[0] for seed in range(40)}
    assert mixed == {"people", "drawn"}


def test_the_height_of_a_bust_is_that_of_a_bust(tmp_path):
    write_cutout(tmp_path / "person" / "bust.png", size=(100, 80), keypoints=keypoints(unseen=tuple(range(7, 17))))
    assert 0.3 < load_cutouts(tmp_path, DCASE2025).load_cutout("person/bust.png").height_m < 0.9


def test_what_was_used_comes_again_only_if_nothing_else_is_left(tmp_path):
    for name in ("a", "b"):
        write_cutout(tmp_path / "person" / f"{name}.png")
    cutouts = load_cutouts(tmp_path, DCASE2025)
    (only,) = cutouts.people
    assert replace(cutouts, drawn_share=0.0).draw(0, np.random.default_rng(0), avoid={only}) == only
    for number in range(2, 6):
        write_cutout(tmp_path / "person" / f"{number}.png")
    cutouts = replace(load_cutouts(tmp_path, DCASE2025), drawn_share=0.0)
    used: list[str] = []
    for _ in cutouts.people:
        used.append(cutouts.draw(0, np.random.default_rng(0), used))
    assert sorted(used) == sorted(cutouts.people)


def test_a_picture_without_alpha_is_refused_or_passed_over(tmp_path):
    photo = write_cutout(tmp_path / "person" / "photo.png", "RGB")
    expected = (
        "expected an RGBA cut-out, but no pixel of it is transparent; "
        f"cut the figure out and save it as PNG with an alpha channel: {photo}"
    )
    with pytest.raises(UsageError) as caught:
        load_cutouts(tmp_path, DCASE2025)
    assert str(caught.value) == expected
    write_cutout(tmp_path / "person" / "anna.png")
    problems: list[str] = []
    assert load_cutouts(tmp_path, DCASE2025, on_problem=problems.append).people == ("person/anna.png",)
    assert problems == [f"passed over: {expected}"]


def test_an_unknown_class_is_named(tmp_path):
    write_cutout(tmp_path / "gong" / "a.png")
    with pytest.raises(
        UsageError, match=r"expected folders named 'person' or after a class, but 'gong' is no class.*gong$"
    ):
        load_cutouts(tmp_path, DCASE2025)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"keypoints": [[1, 2, 2]] * 16}, "expected the 17 keypoints of COCO, got 16"),
        ({"keypoints": [[1, 2]] * 17}, r"expected 'keypoints' as \[\[x, y, visibility\], …\] in pixels"),
        ({"point": "middle"}, r"expected 'point' as \[x, y\] in pixels"),
    ],
)
def test_a_wrong_description_is_named(tmp_path, told, message):
    write_cutout(tmp_path / "person" / "anna.png", **told)
    with pytest.raises(UsageError, match=rf"{message}.*anna\.json$"):
        load_cutouts(tmp_path, DCASE2025)


def test_broken_files_are_named(tmp_path):
    broken = tmp_path / "person" / "anna.png"
    broken.parent.mkdir()
    broken.write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"expected a picture that FFmpeg reads .*anna\.png$"):
        load_cutouts(tmp_path, DCASE2025)
    write_cutout(broken).with_suffix(".json").write_text("{")
    with pytest.raises(UsageError, match=r"expected JSON .*anna\.json$"):
        load_cutouts(tmp_path, DCASE2025)
    (tmp_path / "persons.json").write_text('[{"keypoints": []}]')
    with pytest.raises(UsageError, match=r"expected a list of people with 'file' and 'keypoints' each.*persons\.json$"):
        load_cutouts(tmp_path, DCASE2025)


def test_an_empty_folder_and_none_are_told_apart(tmp_path):
    with pytest.raises(UsageError, match="expected cut-outs in folders named 'person' or after a class, found none"):
        load_cutouts(tmp_path, DCASE2025)
    with pytest.raises(UsageError, match="--sprites expects a folder of cut-outs"):
        load_cutouts(tmp_path / "nowhere", DCASE2025)


def test_a_key_that_is_not_there_is_an_error_that_names_the_kinds(tmp_path):
    with pytest.raises(UsageError, match=r"'drawn/KIND/SEED' \(kinds: person, telephone, .*got 'drawn/gong/1'"):
        load_cutouts(None, DCASE2025).load_cutout("drawn/gong/1")


def test_everything_can_be_drawn_for_any_labels():
    labels = LabelSet("two", (Label("laughter", "Laughter"), Label("gong", "Gong")))
    cutouts = load_cutouts(None, labels)
    kinds = [cutouts.load_cutout(cutouts.draw(number, np.random.default_rng(0))).phrase for number in (None, 0, 1)]
    assert kinds == ["person", "person", "loudspeaker"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 7])
def test_drawings_are_whole_and_sound_from_inside(kind, seed):
    cutout = draw_object(kind, seed)
    alpha = cutout.rgba[..., 3]
    assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
    assert 0.2 < (alpha == 255).mean() <= 1.0
    for place, (x, y) in cutout.points.items():
        assert 0 <= x < alpha.shape[1], place
        assert 0 <= y < alpha.shape[0], place
    x, y = cutout.get_sound_position("point")
    assert alpha[int(y), int(x)] == 255
    np.testing.assert_array_equal(draw_object(kind, seed).rgba, cutout.rgba)


def test_drawn_people_differ_and_have_their_left_at_the_right_of_the_picture():
    one, other = draw_object("person", 1), draw_object("person", 2)
    assert one.keypoints is not None
    assert one.rgba.shape != other.rgba.shape or (one.rgba != other.rgba).any()
    assert (one.keypoints[[1, 3, 5, 11, 13, 15], 0] > one.keypoints[[2, 4, 6, 12, 14, 16], 0]).all()
    for index in (5, 6, 9, 10, 15, 16):
        x, y = one.keypoints[index, :2].astype(int)
        assert one.rgba[y, x, 3] == 255


def test_a_mirror_swaps_left_and_right_of_every_pair():
    assert [LEFT_AND_RIGHT[index] for index in LEFT_AND_RIGHT] == list(range(17))
    assert LEFT_AND_RIGHT[0] == 0
    assert all(abs(index - other) == 1 for index, other in enumerate(LEFT_AND_RIGHT[1:], start=1))


def test_smaller_copies_keep_the_mean():
    rng = np.random.default_rng(0)
    cutout = Cutout(rng.integers(0, 256, (64, 128, 4)).astype(np.uint8), "thing", 1.0, {"point": (0.0, 0.0)})
    means = [level.mean(dim=(2, 3)).flatten().tolist() for level in cutout.pyramid]
    assert [tuple(level.shape[2:]) for level in cutout.pyramid] == [(64, 128), (32, 64), (16, 32), (8, 16)]
    for mean in means[1:]:
        assert mean == pytest.approx(means[0], rel=1e-4)


def test_the_people_of_the_development_folder_are_read(shared):
    kept, held = (load_cutouts(shared / "data" / "sprites", DCASE2025, side) for side in ("train", "held"))
    assert len(kept.people) == 4
    assert len(held.people) == 2
    for key in (*kept.people, *held.people):
        cutout = kept.load_cutout(key)
        x, y = cutout.get_sound_position("mouth")
        assert 0.05 < y / cutout.rgba.shape[0] < 0.25
        assert cutout.rgba[int(y), int(x), 3] > 200
        assert 0.8 < cutout.height_m < 2.1
