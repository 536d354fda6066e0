"""What was seen corrects what was heard: direction and on-screen, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from seldfuse.core.detections import KEYPOINTS, Detections
from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import UsageError
from seldfuse.vision.refine import ClipDetections, Refinement, collect_candidates, refine_posterior
from seldfuse.vision.settings import FITTED, DetectorReliability, VisionSettings
from seldfuse.vision.track import compute_iou, interpolate_tracks, track_objects

CAMERA = Camera()
SPEECH, BELL = DCASE2025.index("male_speech"), DCASE2025.index("bell")
FACE = ("nose", "left_eye", "right_eye")
RULES = Rules(
    {
        "male_speech": Rule(keypoints=FACE, position=(0.5, 0.1)),
        "footsteps": Rule(keypoints=("left_ankle",), position=(0.5, 0.97)),
    }
)
BELLS = Rules({"bell": Rule(("bell",))})
SURE = VisionSettings(
    audio_azimuth_std_deg=8.0,
    azimuth_outlier_rate=0.02,
    uninformative_rate=0.05,
    detectors={"default": DetectorReliability(recall=0.9, distractors_per_frame=0.3, azimuth_std_deg=1.0)},
)
PLAIN = replace(SURE, mode="rules")
TIMES_S = np.arange(4) / 2.0


def said(
    azimuth_deg: float, onscreen: float | None, cls: int = SPEECH, tracks: int = 1, activity: float = 0.9
) -> Posterior:
    """Two seconds of one class from one direction on the first track."""
    shape = (1, 20, len(DCASE2025), tracks)
    loud = torch.zeros(shape)
    loud[:, :, cls, 0] = 0.9
    direction = direction_from_azimuth(torch.full(shape, azimuth_deg))
    seen = None if onscreen is None else torch.full(shape, onscreen)
    return Posterior(loud, direction, torch.full(shape, 2.0), seen)


def box(
    azimuth_deg: float, top_px: float = 100.0, width_px: float = 60.0, height_px: float = 180.0
) -> tuple[float, ...]:
    middle = float(CAMERA.x_from_azimuth(azimuth_deg))
    return (middle - width_px / 2, top_px, middle + width_px / 2, top_px + height_px)


def person(azimuth_deg: float, times_s: Sequence[float] = TIMES_S) -> Detections:
    """Someone whose face is at an azimuth; nothing else of them is known."""
    points = np.full((len(times_s), len(KEYPOINTS), 3), np.nan)
    points[:, [KEYPOINTS.index(point) for point in FACE]] = (float(CAMERA.x_from_azimuth(azimuth_deg)), 120.0, 0.9)
    return Detections.from_rows([(time_s, "person", 0.9, *box(azimuth_deg), -1) for time_s in times_s], list(points))


def thing(azimuth_deg: float, phrase: str = "bell", times_s: Sequence[float] = TIMES_S) -> Detections:
    return Detections.from_rows([(time_s, phrase, 0.9, *box(azimuth_deg, 150.0, 30.0, 30.0), -1) for time_s in times_s])


def look(seen: Detections, rules: Rules = RULES, name: str = "keypoint") -> ClipDetections:
    return ClipDetections(name, "fake", rules, seen, TIMES_S, 640, 360)


def corrected(posterior: Posterior, *seen: ClipDetections, settings: VisionSettings = SURE) -> Refinement:
    return refine_posterior(posterior, seen, CAMERA, 0.5, settings)


def azimuth_deg(result: Refinement, cls: int = SPEECH, track: int = 0) -> float:
    direction = result.posterior.direction
    assert direction is not None
    return float(azimuth_from_direction(direction[0, 10, cls, track]))


def onscreen(result: Refinement, cls: int = SPEECH, track: int = 0) -> float:
    assert result.posterior.onscreen is not None
    return float(result.posterior.onscreen[0, 10, cls, track])


# One event, one thing


@pytest.mark.parametrize("settings", [SURE, PLAIN], ids=["bayes", "rules"])
def test_who_stands_where_somebody_is_heard_speaks(settings: VisionSettings) -> None:
    result = corrected(said(20.0, 0.5), look(person(25.0)), settings=settings)
    assert azimuth_deg(result) == pytest.approx(25.0, abs=0.8)
    assert onscreen(result) > 0.85


@pytest.mark.parametrize("settings", [SURE, PLAIN], ids=["bayes", "rules"])
def test_nobody_to_be_seen_where_somebody_is_heard_says_that_they_are_behind(settings: VisionSettings) -> None:
    result = corrected(said(20.0, 0.6), look(Detections.from_rows([])), settings=settings)
    assert onscreen(result) < 0.3
    assert azimuth_deg(result) == pytest.approx(20.0, abs=1e-4)


def test_a_far_thing_changes_little() -> None:
    near, far = (corrected(said(30.0, 0.5), look(person(azimuth))) for azimuth in (32.0, -30.0))
    assert onscreen(far) < 0.3 < onscreen(near)
    assert azimuth_deg(far) == pytest.approx(30.0, abs=3.0)


def test_whoever_is_surely_off_screen_is_not_drawn_to_someone_who_happens_to_stand_there() -> None:
    """A rear source is heard at its mirror image in front."""
    result = corrected(said(20.0, 0.02), look(person(22.0)))
    assert onscreen(result) < 0.4
    assert azimuth_deg(result) < 21.0


def test_the_more_things_there_are_that_make_no_sound_the_less_one_of_them_tells() -> None:
    crowded = replace(SURE, detectors={"default": DetectorReliability(0.9, 5.0, 1.0)})
    few, many = (corrected(said(20.0, 0.3), look(person(24.0)), settings=s) for s in (SURE, crowded))
    assert onscreen(few) > onscreen(many) + 0.1


def test_direction_moves_by_precision_weighting() -> None:
    """Where picture and sound are as good as each other, to the middle between them."""
    alike = replace(
        SURE,
        audio_azimuth_std_deg=4.0,
        azimuth_outlier_rate=0.0,
        uninformative_rate=0.0,
        detectors={"default": DetectorReliability(0.99, 0.02, 4.0)},
    )
    result = corrected(said(20.0, 0.9999), look(person(24.0)), settings=alike)
    assert azimuth_deg(result) == pytest.approx(22.0, abs=0.1)


def test_class_activity_and_distance_stay_to_the_last_bit() -> None:
    before = said(20.0, 0.5)
    after = corrected(before, look(person(25.0))).posterior
    assert before.distance is not None
    assert after.distance is not None
    assert torch.equal(after.activity, before.activity)
    assert torch.equal(after.distance, before.distance)


def test_classes_without_a_rule_and_times_that_nobody_looked_at_stay_as_they_were() -> None:
    before = said(20.0, 0.5, cls=BELL)
    after = corrected(before, look(person(25.0))).posterior
    for name in ("onscreen", "direction"):
        assert torch.equal(after.tensors()[name][:, :, BELL], before.tensors()[name][:, :, BELL])
    early = ClipDetections("keypoint", "fake", RULES, person(25.0, [0.0]), np.array([0.0]), 640, 360)
    half = corrected(said(20.0, 0.5), early).posterior.onscreen
    assert half is not None
    assert float(half[0, 1, SPEECH, 0]) > 0.6
    assert float(half[0, 10, SPEECH, 0]) == 0.5


def test_without_directions_or_looks_nothing_is_changed() -> None:
    before = said(20.0, 0.5)
    assert corrected(before).posterior is before
    blind = replace(before, direction=None)
    assert corrected(blind, look(person(25.0))).posterior is blind


def test_where_no_model_tells_on_screen_the_picture_does() -> None:
    assert onscreen(corrected(said(20.0, None), look(person(21.0)))) > 0.8
    assert onscreen(corrected(said(20.0, None), look(Detections.from_rows([])))) < 0.3
    sure = replace(SURE, onscreen_prior=0.1)
    assert onscreen(corrected(said(20.0, None), look(person(21.0)), settings=sure)) < 0.8
    # Beyond the picture's edge it is off-screen, whatever is seen.
    assert onscreen(corrected(said(80.0, None), look(person(21.0)))) < 0.05


def test_evidence_counts_less_for_who_has_looked_already_only() -> None:
    half = replace(SURE, evidence_weight=0.5)
    for called, changes in ((0.5, True), (None, False)):
        full, less = (onscreen(corrected(said(0.0, called), look(person(1.0)), settings=s)) for s in (SURE, half))
        assert (full > less + 0.02) is changes
        assert changes or full == less


def test_a_direction_behind_stays_behind() -> None:
    result = corrected(said(160.0, 0.5), look(person(24.0)))
    assert azimuth_deg(result) == pytest.approx(156.0, abs=1.0)


# Several


def test_two_of_one_class_do_not_share_one_person() -> None:
    posterior = said(20.0, 0.5, tracks=2)
    activity, direction = posterior.activity.clone(), posterior.direction
    assert direction is not None
    activity[:, :, SPEECH, 1] = 0.9
    direction = direction.clone()
    direction[:, :, SPEECH, 1] = direction_from_azimuth(torch.tensor(10.0))
    both = replace(posterior, activity=activity, direction=direction)
    for settings in (SURE, PLAIN):
        result = corrected(both, look(person(20.0)), settings=settings)
        assert onscreen(result, track=0) > onscreen(result, track=1) + 0.2


def test_one_thing_seen_by_two_counts_once() -> None:
    once = corrected(said(20.0, 0.3), look(person(24.0)))
    boxes = Rules({"male_speech": Rule(position=(0.5, 0.1))})
    twice = corrected(said(20.0, 0.3), look(person(24.0)), look(person(24.0), boxes, "gdino"))
    assert onscreen(twice) == pytest.approx(onscreen(once), abs=1e-5)
    assert set(twice.changes["postprocessor"]) == {"keypoint"}


def test_things_and_people_correct_their_own_classes_at_once() -> None:
    speech, bell = said(20.0, 0.5), said(-30.0, 0.5, cls=BELL)
    assert speech.direction is not None
    assert bell.direction is not None
    direction = speech.direction.clone()
    direction[:, :, BELL] = bell.direction[:, :, BELL]
    both = replace(speech, activity=speech.activity + bell.activity, direction=direction)
    result = corrected(both, look(person(24.0)), look(thing(-33.0), BELLS, "gdino"))
    assert azimuth_deg(result) == pytest.approx(24.0, abs=1.0)
    assert azimuth_deg(result, BELL) == pytest.approx(-33.0, abs=1.0)
    assert set(zip(result.changes["cls"], result.changes["phrase"], strict=True)) == {
        (SPEECH, "person"),
        (BELL, "bell"),
    }


def test_changes_tell_what_was_before_after_and_why() -> None:
    result = corrected(said(20.0, 0.5), look(person(25.0)))
    assert result.changes["frame"].tolist() == list(range(20))
    row = result.changes.iloc[10]
    assert (row["cls"], row["track"], row["postprocessor"], row["phrase"], row["thing"]) == (
        SPEECH,
        0,
        "keypoint",
        "person",
        0,
    )
    assert row["azimuth_deg_before"] == pytest.approx(20.0, abs=1e-3)
    assert row["azimuth_deg"] == pytest.approx(azimuth_deg(result), abs=1e-3)
    assert (row["onscreen_before"], row["onscreen"]) == (0.5, pytest.approx(onscreen(result)))
    assert 0.8 < row["common_cause"] <= row["onscreen"]
    absent = corrected(said(20.0, 0.5), look(Detections.from_rows([]))).changes.iloc[10]
    assert (absent["phrase"], absent["thing"]) == ("", -1)
    assert np.isnan(absent["common_cause"])


# Where a thing sounds


def test_a_body_may_be_seen_while_what_sounds_of_it_is_not() -> None:
    """Whose feet are below the picture's edge walks, but not in the picture."""
    walk = DCASE2025.index("footsteps")
    cut, whole = (
        Detections.from_rows([(time_s, "person", 0.9, *box(20.0, 100.0, 60.0, height), -1) for time_s in TIMES_S])
        for height in (260.0, 200.0)
    )
    assert onscreen(corrected(said(20.0, 0.5, walk), look(whole)), walk) > 0.7
    assert onscreen(corrected(said(20.0, 0.5, walk), look(cut)), walk) < 0.3


def test_the_camera_says_which_pixel_is_which_azimuth() -> None:
    """Of a picture twice as large, of a wider view."""
    wide = Camera(1280, 720, 120.0)
    seen = Detections.from_rows(
        [
            (time_s, "bell", 0.9, *(float(wide.x_from_azimuth(40.0)) + side for side in (-9, 0, 9, 9)), -1)
            for time_s in TIMES_S
        ]
    )
    table = seen.table.assign(top_px=300.0, bottom_px=330.0, right_px=seen.table["left_px"] + 18.0)
    at = ClipDetections("gdino", "fake", BELLS, Detections(table, seen.keypoints), TIMES_S, 1280, 720)
    result = refine_posterior(said(36.0, 0.5, BELL), [at], Camera(horizontal_fov_deg=120.0), 0.5, SURE)
    assert azimuth_deg(result, BELL) == pytest.approx(40.0, abs=0.7)


# From picture to picture


def test_identities_survive_a_miss_and_places_go_straight_in_between() -> None:
    seen = Detections.concat(
        [thing(0.0, times_s=[0.0, 1.0, 1.5]), thing(30.0, times_s=[0.0, 0.5, 1.5]), thing(0.0, "cat")]
    )
    followed = track_objects(seen, 0.5)
    assert followed.table.groupby(["phrase", "track"]).size().to_dict() == {
        ("bell", 0): 3,
        ("bell", 1): 3,
        ("cat", 2): 4,
    }
    moving = Detections.from_rows([(0.0, "bell", 0.9, 0, 0, 40, 40, -1), (0.5, "bell", 0.9, 10, 0, 50, 40, -1)])
    things = interpolate_tracks(track_objects(moving, 0.5), np.array([0.0, 0.1, 0.25, 0.5, 0.9, 1.1]), 0.5)
    np.testing.assert_allclose(things.box_px[:5, 0, 0], [0, 2, 5, 10, 10])
    assert things.there[:, 0].tolist() == [True] * 5 + [False]


def test_a_long_recording_needs_no_more_lanes_than_there_are_things_at_once() -> None:
    seen = Detections.concat(
        [thing(azimuth, times_s=[20.0 * time]) for time, azimuth in enumerate(np.arange(-40.0, 40.0, 8.0))]
    )
    things = interpolate_tracks(track_objects(seen, 0.5), np.arange(0.05, 200, 0.1), 0.5)
    assert things.track.shape[1] == 1
    assert len(np.unique(things.track)) == 11


def test_overlap_is_what_two_boxes_share_of_what_they_cover() -> None:
    one = np.array([0.0, 0.0, 10.0, 10.0])
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [np.nan] * 4])
    np.testing.assert_allclose(compute_iou(one, others), [1.0, 1 / 3, 0.0, 0.0])


def test_what_ships_can_be_read_and_names_known_classes() -> None:
    VisionSettings.read(FITTED).restrict_to(DCASE2025)


def test_numbers_of_classes_that_a_model_does_not_know_are_left_out_but_no_class_may_be_unheard_of() -> None:
    few = replace(DCASE2025, name="few", classes=DCASE2025.classes[:2])
    table = {"bell": 3.0, "female_speech": 4.0, "default": 5.0}
    settings = VisionSettings(
        audio_azimuth_std_deg=table, detectors={"default": DetectorReliability(recall={"bell": 0.3})}
    )
    known = settings.restrict_to(few)
    assert known.audio_azimuth_std_deg == {"female_speech": 4.0, "default": 5.0}
    assert known.detectors["default"].recall == {}
    with pytest.raises(UsageError, match=r"'bel' is no class of dcase2025 .*; did you mean 'bell'\?"):
        corrected(said(20.0, 0.5), look(person(25.0)), settings=replace(SURE, audio_azimuth_std_deg={"bel": 1.0}))


def test_of_a_place_seen_twice_the_better_known_one_speaks() -> None:
    settings = replace(
        SURE,
        detectors={
            "keypoint": DetectorReliability(azimuth_std_deg=1.0),
            "gdino": DetectorReliability(azimuth_std_deg=3.0),
        },
    )
    boxes = Rules({"male_speech": Rule(position=(0.5, 0.1))})
    looks = [look(person(24.0), boxes, "gdino"), look(person(24.0))]
    found = collect_candidates(said(20.0, 0.5), looks, CAMERA, 0.5, settings)
    assert found.origin == ("gdino", "keypoint")
    assert found.there[10, SPEECH].tolist() == [False, True]


def test_numbers_are_those_of_the_engine_else_of_the_post_processor_else_of_any() -> None:
    sight = {
        "gdino@yolox": DetectorReliability(0.1),
        "gdino": DetectorReliability(0.2),
        "default": DetectorReliability(0.3),
    }
    settings = VisionSettings(detectors=sight)
    asked = [("gdino", "yolox:nano 1f"), ("gdino@hf:big", "hf big"), ("keypoint@movenet", "movenet 3 on cpu")]
    assert [settings.get_reliability(*one).recall for one in asked] == [0.1, 0.2, 0.3]
    assert VisionSettings().get_reliability("gdino", "") == DetectorReliability()
