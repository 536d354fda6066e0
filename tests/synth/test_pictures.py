"""Pictures of scenes: what sounds is where the pinhole law puts it, and detections say exactly what is to be seen."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path as File

import numpy as np
import pytest
from PIL import Image

from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import MediaError, UsageError
from seldfuse.synth.pictures.background import BackgroundSet, estimate_room, load_backgrounds
from seldfuse.synth.pictures.cutout_set import CutoutSet, load_cutouts
from seldfuse.synth.pictures.cutouts import CutoutCard
from seldfuse.synth.pictures.film import compute_detections, render_frames
from seldfuse.synth.pictures.views import draw_view
from seldfuse.synth.scene import (
    CameraView,
    Figure,
    MeasuredRoom,
    PictureLook,
    Room,
    ScenePlan,
    ScenePlanSource,
    SourcePath,
)

CAMERA = Camera()
SPEECH, CLAPPING, DOOR = (DCASE2025.index(name) for name in ("female_speech", "clapping", "door"))
ROOM = Room((7.0, 6.0, 2.8), (3.0, 2.5, 1.4), 30.0, ())
SLOW = Fraction(2)

HEIGHT, WIDTH, MOUTH = 300, 100, (35.0, 40.0)
"""A person of one colour, whose mouth is a red dot left of the middle and whose left hand is a blue one."""

LEFT_HAND, RIGHT_HAND = (80.0, 150.0), (15.0, 170.0)


def person() -> np.ndarray:
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[...] = (0, 160, 0, 255)
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    for (dot_x, dot_y), colour in ((MOUTH, (255, 0, 0, 255)), (LEFT_HAND, (0, 0, 255, 255))):
        rgba[np.hypot(x - dot_x, y - dot_y) < 9] = colour
    rgba[0, 0, 3] = 254  # lest it be taken for a picture without alpha
    return rgba


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> File:
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(person()).save(folder / "person.png")
    for name, colour in (("white", (255, 255, 255, 255)), ("blue", (0, 0, 250, 255)), ("faint", (200, 200, 200, 128))):
        block = np.full((60, 40, 4), colour, np.uint8)
        block[0, 0, 3] = min(colour[3], 254)
        Image.fromarray(block).save(folder / f"{name}.png")
    (folder / "backgrounds").mkdir()
    Image.new("RGB", (64, 36)).save(folder / "backgrounds" / "black.png")
    return folder


@pytest.fixture(scope="module")
def cutouts(folder: File) -> CutoutSet:
    nose, eye = (MOUTH[0], MOUTH[1] - 7), (MOUTH[0], MOUTH[1] - 17)
    points = [(*nose, 2.0), (*eye, 2.0), (*eye, 2.0)] + [(0.0, 0.0, 0.0)] * 6 + [(*LEFT_HAND, 2.0), (*RIGHT_HAND, 2.0)]
    cards = {"person": CutoutCard(folder / "person.png", None, (*points, *[(0.0, 0.0, 0.0)] * 6))}
    cards |= {name: CutoutCard(folder / f"{name}.png", "door") for name in ("white", "blue", "faint")}
    return CutoutSet(DCASE2025, cards, people=("person",), with_hands=("person",))


@pytest.fixture(scope="module")
def black(folder: File) -> BackgroundSet:
    return load_backgrounds(folder / "backgrounds")


def place(azimuth_deg: float, distance_m: float, height_m: float = 0.0) -> tuple[float, float, float]:
    azimuth = np.radians(azimuth_deg)
    return float(distance_m * np.cos(azimuth)), float(distance_m * np.sin(azimuth)), height_m


def one(
    path: SourcePath, cls: int = SPEECH, cutout: str = "person", height_m: float = 1.8, **more: object
) -> ScenePlan:
    view = CameraView("black.png", (Figure(cutout, height_m, 0, **more),))  # type: ignore[arg-type]
    return ScenePlan((ScenePlanSource(cls, (), path),), view=view)


def pixel(azimuth_deg: float, elevation_deg: float = 0.0, camera: Camera = CAMERA) -> tuple[float, float]:
    azimuth_deg = float(azimuth_deg)
    return float(camera.x_from_azimuth(azimuth_deg)), float(camera.y_from_direction(azimuth_deg, elevation_deg))


def still(azimuth_deg: float, distance_m: float, height_m: float = 0.0) -> SourcePath:
    return SourcePath(place(azimuth_deg, distance_m, height_m), place(azimuth_deg, distance_m, height_m))


def block(at: SourcePath, cutout: str, height_m: float = 1.0) -> Figure:
    return Figure(cutout, height_m, None, at)


def centre(weight: np.ndarray) -> tuple[float, float]:
    """The centre of what is bright, in pixels from the picture's corner."""
    weight = weight.clip(0).astype(float)
    rows, columns = np.indices(weight.shape) + 0.5
    return float((weight * columns).sum() / weight.sum()), float((weight * rows).sum() / weight.sum())


def red(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0].astype(int) - picture[..., 1] - picture[..., 2]


def blue(picture: np.ndarray) -> np.ndarray:
    return picture[..., 2].astype(int) - picture[..., 0] - picture[..., 1]


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize(
    ("azimuth_deg", "distance_m", "height_m"),
    [(0, 2.0, 0.2), (30, 1.5, 0.1), (-30, 4.0, 0.3), (44, 2.5, -0.2), (-44, 1.2, 0.0), (10, 6.0, 0.5)],
)
def test_the_mouth_of_who_speaks_is_at_the_pixel_of_the_source(
    cutouts, black, azimuth_deg, distance_m, height_m, mirrored
):
    scene = one(still(azimuth_deg, distance_m, height_m), mirrored=mirrored, sway=5)
    expected = pixel(azimuth_deg, np.degrees(np.arctan2(height_m, distance_m)))
    for picture in render_frames(scene, cutouts, black, fps=SLOW):
        assert centre(red(picture)) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
def test_the_mouth_of_who_walks_follows_the_source(cutouts, black, mirrored):
    path = SourcePath(place(35, 2.0, 0.2), place(-35, 3.5, 0.2), 0.5, 4.5)
    scene = one(path, mirrored=mirrored, sway=3)
    found = [centre(red(picture)) for picture in render_frames(scene, cutouts, black, fps=Fraction(3))]
    places = path.compute_position(np.arange(15) / 3)
    azimuth_deg = np.degrees(np.arctan2(places[:, 1], places[:, 0]))
    elevation_deg = np.degrees(np.arctan2(places[:, 2], np.hypot(places[:, 0], places[:, 1])))
    expected = np.stack(
        [CAMERA.x_from_azimuth(azimuth_deg), CAMERA.y_from_direction(azimuth_deg, elevation_deg)], axis=1
    )
    np.testing.assert_allclose(np.array(found), expected, atol=0.5)


def test_who_claps_has_the_middle_of_the_hands_there(cutouts, black):
    scene = one(still(20, 2.0, -0.1), CLAPPING, sway=1)
    seen = compute_detections(scene, cutouts, CAMERA, np.array([1.0]))
    left, right = seen.keypoints[0, 9:11, :2]
    expected = pixel(20, np.degrees(np.arctan2(-0.1, 2.0)))
    assert ((left + right) / 2).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
def test_keypoints_lie_where_they_are_drawn_and_keep_their_side(cutouts, black, mirrored):
    scene = one(still(-10, 2.0), mirrored=mirrored, sway=8)
    picture = next(render_frames(scene, cutouts, black))
    keypoints = compute_detections(scene, cutouts, CAMERA, np.array([0.0])).keypoints[0]
    # What was the left hand is the right one in a mirror.
    assert keypoints[10 if mirrored else 9, :2] == pytest.approx(centre(blue(picture)), abs=0.5)
    assert keypoints[[0, 9, 10], 2].tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(keypoints[5]).all()


def test_a_thing_of_as_many_pixels_as_its_size_is_pasted_unchanged(cutouts, black):
    """One metre at the distance of the focal length over sixty is sixty pixels high."""
    view = CameraView("black.png", (block(still(0.0, CAMERA.focal_px / 60), "white"),))
    picture = next(render_frames(ScenePlan((), view=view), cutouts, black))
    expected = np.zeros((360, 640, 3), np.uint8)
    expected[150:210, 300:340] = 255
    expected[150, 300] = 254
    assert np.abs(picture.astype(int) - expected).max() <= 1
    (row,) = compute_detections(ScenePlan((), view=view), cutouts, CAMERA, np.array([0.0])).table.itertuples(
        index=False
    )
    assert (row.left_px, row.top_px, row.right_px, row.bottom_px) == (300, 150, 340, 210)
    assert (row.phrase, row.score, row.track, row.time_s) == ("door", 1.0, 0, 0.0)


def test_what_is_half_clear_shows_half_of_both(cutouts, black, folder):
    view = CameraView("black.png", (block(still(0.0, 2.0), "faint"),))
    picture = next(render_frames(ScenePlan((), view=view), cutouts, black))
    assert picture[180, 320].tolist() == pytest.approx([100] * 3, abs=2)
    other = replace(view, figures=(block(still(0.0, 3.0), "white", 3.0), *view.figures))
    picture = next(render_frames(ScenePlan((), view=other), cutouts, black))
    assert picture[180, 320].tolist() == pytest.approx([228] * 3, abs=2)


@pytest.mark.parametrize(
    ("azimuth_deg", "distance_m", "height_m"), [(0, 2.5, 0.0), (49, 2.0, 0.0), (-47, 1.2, 0.3), (5, 0.9, -0.4)]
)
def test_a_box_holds_what_is_drawn_up_to_the_border(cutouts, black, azimuth_deg, distance_m, height_m):
    scene = one(still(azimuth_deg, distance_m, height_m), sway=2)
    times_s = np.arange(10) / 2
    seen = compute_detections(scene, cutouts, CAMERA, times_s)
    assert seen.table["time_s"].tolist() == times_s.tolist()
    for row, picture in zip(seen.table.itertuples(), render_frames(scene, cutouts, black, fps=SLOW), strict=True):
        drawn = picture.max(axis=2) > 79
        columns, rows = np.flatnonzero(drawn.any(axis=0)), np.flatnonzero(drawn.any(axis=1))
        extent = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        assert (row.left_px, row.top_px, row.right_px, row.bottom_px) == pytest.approx(extent, abs=1)
        assert 0 <= row.left_px < row.right_px <= 640
        assert 0 <= row.top_px < row.bottom_px <= 360


def test_keypoints_outside_of_the_picture_score_nothing(cutouts):
    scene = one(still(0.0, 1.0, -0.6), sway=2)
    keypoints = compute_detections(scene, cutouts, CAMERA, np.array([0.0])).keypoints[0]
    assert keypoints[0, 2] == 1.0
    assert keypoints[9:11, 2].tolist() == [0.0, 0.0]
    assert (keypoints[9:11, 1] > 360).all()


@pytest.mark.parametrize("azimuth_deg", [180.0, 120.0, -91.0, 75.0])
def test_nothing_is_drawn_of_what_the_camera_does_not_see(cutouts, black, azimuth_deg):
    scene = one(still(azimuth_deg, 3.0))
    assert not any(picture.any() for picture in render_frames(scene, cutouts, black, fps=SLOW))
    assert len(compute_detections(scene, cutouts, CAMERA, np.arange(5.0))) == 0


def test_the_nearer_one_covers_the_farther_one_while_it_is_nearer(cutouts, black):
    """The blue block walks through the white one, which stands at 3 m."""
    walk = SourcePath((2.0, 0.0, 0.0), (4.0, 0.0, 0.0), 0.0, 4.0)
    figures = (block(still(0.0, 3.0), "white"), block(walk, "blue", 1.0))
    scene = ScenePlan((), view=CameraView("black.png", figures))
    pictures = list(render_frames(scene, cutouts, black, fps=Fraction(1)))
    assert [tuple(picture[180, 320].tolist()) for picture in (pictures[0], pictures[3])] == [
        (0, 0, 250),
        (255, 255, 255),
    ]
    seen = compute_detections(scene, cutouts, CAMERA, np.array([0.0, 3.5])).table
    # Whoever is covered as a whole is not seen.
    assert seen["track"].tolist() == [1, 0]


def test_a_box_leaves_out_what_a_nearer_figure_covers(cutouts):
    far, near = still(0.0, CAMERA.focal_px / 60), (1.0, 0.05, 0.0)
    figures = (block(far, "white"), block(SourcePath(near, near), "blue", 1.0))
    seen = compute_detections(ScenePlan((), view=CameraView("black.png", figures)), cutouts, CAMERA, np.array([0.0]))
    alone = compute_detections(
        ScenePlan((), view=CameraView("black.png", figures[1:])), cutouts, CAMERA, np.array([0.0])
    ).table
    assert seen.table["track"].tolist() == [1]
    figures = (block(far, "white"), block(SourcePath((1.0, 0.35, 0.0), (1.0, 0.35, 0.0)), "blue", 1.0))
    seen = compute_detections(ScenePlan((), view=CameraView("black.png", figures)), cutouts, CAMERA, np.array([0.0]))
    white, blue_box = seen.table.iloc[0], seen.table.iloc[1]
    assert white["left_px"] == blue_box["right_px"] > 300
    assert white["right_px"] == 340
    assert np.isnan(seen.keypoints).all()
    assert alone["phrase"].tolist() == ["door"]


def test_a_silent_one_goes_its_own_way(cutouts, black):
    walk = SourcePath(place(20, 3.0), place(-20, 3.0), 0.0, 5.0)
    scene = replace(one(still(180.0, 2.0)), view=CameraView("black.png", (Figure("person", 1.8, None, walk),)))
    first, *_, last = render_frames(scene, cutouts, black, fps=SLOW)
    assert centre(red(first))[0] == pytest.approx(pixel(20)[0], abs=0.5)
    assert centre(red(last))[0] > 320 + 60


def test_who_stands_sways_and_things_do_not(cutouts, black):
    person_pictures = list(render_frames(one(still(0, 2.0), sway=4), cutouts, black, fps=SLOW))
    assert any((picture != person_pictures[0]).any() for picture in person_pictures)
    thing = list(render_frames(one(still(0, 2.0), DOOR, "white", 2.0, sway=4), cutouts, black, fps=SLOW))
    assert all((picture == thing[0]).all() for picture in thing)


def test_the_same_plan_gives_the_same_pictures_and_another_sway_others(cutouts, black):
    scene = ScenePlan.from_json(one(still(10, 2.0), sway=4).to_json())
    one_way, again = (list(render_frames(scene, cutouts, black, fps=SLOW)) for _ in range(2))
    np.testing.assert_array_equal(one_way, again)
    other = list(render_frames(one(still(10, 2.0), sway=5), cutouts, black, fps=SLOW))
    assert (np.array(one_way) != np.array(other)).any()


def test_a_clip_of_the_challenge_has_150_pictures_and_one_for_training_25_small_ones(cutouts, black):
    scene = one(still(25, 2.0, 0.1))
    assert [picture.shape for picture in render_frames(scene, cutouts, black)] == [(360, 640, 3)] * 150
    small = Camera(224, 126)
    pictures = list(render_frames(scene, cutouts, black, small, Fraction(5)))
    assert [picture.shape for picture in pictures] == [(126, 224, 3)] * 25
    assert centre(red(pictures[0]))[0] == pytest.approx(pixel(25, camera=small)[0], abs=0.5)


def test_a_camera_that_is_turned_sees_the_source_elsewhere(cutouts, black):
    camera = Camera(yaw_deg=40.0)
    picture = next(render_frames(one(still(70, 2.0), sway=1), cutouts, black, camera))
    assert centre(red(picture))[0] == pytest.approx(pixel(70, camera=camera)[0], abs=0.5)


def test_a_plan_without_a_view_or_a_place_is_refused(cutouts, black):
    with pytest.raises(ValueError, match="expected a scene with a view"):
        next(render_frames(ScenePlan(()), cutouts, black))
    with pytest.raises(ValueError, match="figure 0 has neither a source nor a path"):
        next(render_frames(ScenePlan((), view=CameraView("black.png", (Figure("person", 1.8),))), cutouts, black))


def panorama(folder: File, azimuth_deg: float, elevation_deg: float) -> BackgroundSet:
    """Black, but for a red dot."""
    azimuths, elevations = 180 - (np.arange(1024) + 0.5) * 360 / 1024, 90 - (np.arange(512) + 0.5) * 180 / 512
    picture = np.zeros((512, 1024, 3), np.uint8)
    away = np.hypot(azimuths[None, :] - azimuth_deg, elevations[:, None] - elevation_deg)
    picture[away < 1.5] = (255, 0, 0)
    Image.fromarray(picture).save(folder / "around.png")
    return load_backgrounds(folder)


@pytest.mark.parametrize(("yaw_deg", "azimuth_deg"), [(0.0, 20.0), (50.0, 15.0), (170.0, 160.0), (200.0, 170.0)])
def test_a_panorama_is_looked_into_from_its_middle(tmp_path, yaw_deg, azimuth_deg):
    backgrounds = panorama(tmp_path, azimuth_deg, 12.0)
    for room in (replace(ROOM, yaw_deg=yaw_deg), MeasuredRoom(("a",), yaw_deg)):
        picture = backgrounds.read_picture("around.png", ScenePlan((), room=room), CAMERA)
        assert centre(red(picture)) == pytest.approx(pixel(azimuth_deg - yaw_deg, 12.0), abs=1.0)


def test_a_panorama_has_no_seam_at_the_rear(tmp_path):
    Image.new("RGB", (512, 256), (90, 120, 150)).save(tmp_path / "around.png")
    picture = load_backgrounds(tmp_path).read_picture(
        "around.png", ScenePlan((), room=replace(ROOM, yaw_deg=180.0)), CAMERA
    )
    assert (picture == (90, 120, 150)).all()


@pytest.mark.parametrize("size", [(300, 300), (200, 900), (640, 360), (1000, 300)])
def test_a_flat_picture_is_cut_to_fill(tmp_path, size):
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, size[0] // 2 :, 0] = 255
    picture[size[1] // 2 :, :, 1] = 255
    Image.fromarray(picture).save(tmp_path / "flat.png")
    shown = load_backgrounds(tmp_path).read_picture("flat.png", ScenePlan(()), CAMERA)
    assert shown.shape == (360, 640, 3)
    corners = [shown[y, x, :2].tolist() for y, x in ((100, 200), (100, 440), (260, 200), (260, 440))]
    assert corners == [[0, 0], [255, 0], [0, 255], [255, 255]]


def drawn(room: Room, key: str = "room:3", camera: Camera = CAMERA) -> np.ndarray:
    return BackgroundSet().read_picture(key, ScenePlan((), room=room), camera)


def test_a_drawn_room_turns_with_the_view():
    """Whoever turns by ten degrees sees the same wall ten degrees aside."""
    ahead, turned = drawn(ROOM), drawn(replace(ROOM, yaw_deg=40.0))
    azimuths = np.linspace(-35, 35, 300)
    before = ahead[180, CAMERA.x_from_azimuth(azimuths + 5).astype(int)].astype(float).mean(axis=1)
    after = turned[180, CAMERA.x_from_azimuth(azimuths - 5).astype(int)].astype(float).mean(axis=1)
    assert np.corrcoef(before, after)[0, 1] > 0.95
    np.testing.assert_array_equal(drawn(ROOM, camera=Camera(yaw_deg=10.0)), turned)


def test_the_floor_of_a_drawn_room_begins_where_the_wall_ends():
    """Looking along x at a wall four metres away, one metre below the lens is the floor."""
    room = Room((5.0, 8.0, 2.6), (1.0, 4.0, 1.0), 0.0, ())
    for seed in range(4):
        wall = drawn(room, f"room:{seed}")[:, 60:580].astype(float).mean(axis=2)
        steps = np.abs(np.diff(wall, axis=0)).mean(axis=1)
        edge = int(180 + CAMERA.focal_px * 1.0 / 4.0)
        assert steps[edge - 1 : edge + 1].max() > 4 * np.median(steps)


def test_drawn_rooms_differ_by_seed_and_are_the_same_for_the_same():
    one_room, again, other = drawn(ROOM), drawn(ROOM), drawn(ROOM, "room:4")
    np.testing.assert_array_equal(one_room, again)
    assert np.abs(one_room.astype(int) - other).mean() > 5
    assert one_room.std() > 10


def test_a_room_without_walls_gets_some_with_the_microphone_inside():
    for seed in range(20):
        room = estimate_room(f"room:{seed}", MeasuredRoom(("a",), 77.0))
        assert room.yaw_deg == 77.0
        assert all(0 < at < size for at, size in zip(room.microphone_m, room.size_m, strict=True))
    assert estimate_room("room:0", ROOM) is ROOM
    assert estimate_room("room:0", None) != estimate_room("room:1", None)


def test_unusable_backgrounds_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"expected pictures \(\.png, .*\), found none"):
        load_backgrounds(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"expected a picture that FFmpeg reads.*a\.jpg$"):
        load_backgrounds(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "b.jpg")
    problems: list[str] = []
    assert load_backgrounds(tmp_path, on_problem=problems.append).files == ("b.jpg",)
    assert problems[0].startswith("passed over: expected a picture that FFmpeg reads")
    with pytest.raises(UsageError, match=r"expected a background of the folder or 'room:SEED', got 'c\.jpg'"):
        load_backgrounds(tmp_path, on_problem=problems.append).read_picture("c.jpg", ScenePlan(()), CAMERA)
    with pytest.raises(UsageError, match="--backgrounds expects a folder"):
        load_backgrounds(tmp_path / "nowhere")


def staged(count: int, sources: tuple[ScenePlanSource, ...], cutouts: CutoutSet, room: Room | None = ROOM) -> list:
    return [draw_view(sources, room, cutouts, BackgroundSet(), np.random.default_rng(seed)) for seed in range(count)]


def below_m(figure: Figure, cutouts: CutoutSet, kind: str) -> float:
    """How far what sounds is above the lower edge of the whole cut-out."""
    cutout = cutouts.load_cutout(figure.sprite)
    rows = cutout.rgba.shape[0]
    return float((rows - cutout.get_sound_position(kind)[1]) / rows * figure.height_m)


def test_most_sources_in_front_are_seen_and_none_behind(cutouts):
    sources = tuple(ScenePlanSource(SPEECH, (), still(azimuth_deg, 2.0)) for azimuth_deg in (20.0, 150.0))
    shown = [figure.source for scene in staged(60, sources, cutouts) for figure in scene.view.figures]
    assert shown.count(1) == 0
    assert 0.8 < shown.count(0) / 60 < 0.98
    assert 1.5 < shown.count(None) / 60 < 5.0


def test_a_view_goes_from_the_farthest_to_the_nearest_and_into_json(cutouts):
    sources = (ScenePlanSource(SPEECH, (), still(0, 1.4)), ScenePlanSource(CLAPPING, (), still(30, 4.5)))
    for room, moved, view in staged(20, sources, cutouts):
        paths = [figure.path or moved[figure.source or 0].path for figure in view.figures]
        depths = [path.start_m[0] for path in paths]
        assert depths == sorted(depths, reverse=True)
        scene = ScenePlan(moved, room, view=view)
        assert ScenePlan.from_json(scene.to_json()) == scene
    assert staged(5, sources, cutouts) == staged(5, sources, cutouts)


def test_what_the_first_plans_had_no_field_for_is_left_out_of_them(cutouts):
    scene = one(still(0, 2.0))
    assert not {"look", "shown"} & set(re.findall(r'"(\w+)":', scene.to_json()))
    assert ScenePlan.from_json(scene.to_json()) == scene


def test_each_person_appears_once_where_there_are_enough(shared):
    people = load_cutouts(shared / "data" / "sprites", DCASE2025)
    sources = (ScenePlanSource(SPEECH, (), still(0, 2.0)),)
    for scene in staged(10, sources, people):
        keys = [figure.sprite for figure in scene.view.figures if not figure.sprite.startswith("drawn/")]
        assert len(set(keys)) == min(len(keys), len(people.people))


def test_who_stands_has_the_feet_on_the_floor_and_who_sits_a_table_before_him():
    drawings = load_cutouts(None, DCASE2025)
    hidden = 0
    for _, (source,), view in staged(24, (ScenePlanSource(SPEECH, (), still(0, 3.0, 0.1)),), drawings):
        (x, y, z), floor_m = source.path.start_m, -ROOM.microphone_m[2]
        assert (x, y) == pytest.approx((3.0, 0.0))
        mine = [figure for figure in view.figures if figure.source == 0]
        if mine and mine[0].shown == 1.0:
            assert z - below_m(mine[0], drawings, "mouth") == pytest.approx(floor_m, abs=1e-3)
        elif mine:
            hidden += 1
            edges = [one.height_m for one in view.figures if one.path and 2.6 < one.path.start_m[0] < 2.9]
            lowest_m = z - floor_m - below_m(mine[0], drawings, "mouth") + (1 - mine[0].shown) * mine[0].height_m
            assert any(0.05 < edge_m - lowest_m < 0.2 for edge_m in edges)
    assert 2 < hidden < 16


def test_a_room_that_was_measured_keeps_its_heights():
    drawings = load_cutouts(None, DCASE2025)
    source = ScenePlanSource(SPEECH, (), still(0, 3.0, 0.1))
    room = MeasuredRoom(("a",), 0.0)
    for found, (placed,), view in staged(10, (source,), drawings, room):  # type: ignore[arg-type]
        assert (found, placed) == (room, source)
        assert all(1.49 <= figure.height_m <= 1.91 for figure in view.figures if figure.source == 0)


def test_silent_ones_stand_on_the_floor_or_on_a_table(cutouts):
    for _, _, view in staged(20, (), cutouts):
        edges = [figure.height_m for figure in view.figures]
        for figure in view.figures:
            assert figure.path is not None
            if figure.shown == 1.0 and cutouts.load_cutout(figure.sprite).phrase in ("person", "door"):
                base_m = figure.path.start_m[2] - below_m(figure, cutouts, "point") + ROOM.microphone_m[2]
                assert base_m == pytest.approx(0.0, abs=1e-3) or any(abs(base_m - edge_m) < 0.05 for edge_m in edges)


def test_only_the_share_that_is_shown_is_drawn(cutouts, black):
    whole, half = (next(render_frames(one(still(0, 4.0), shown=shown), cutouts, black)) for shown in (1.0, 0.5))
    rows = [np.flatnonzero(picture.max(axis=2).any(axis=1)) for picture in (whole, half)]
    assert rows[0][0] == rows[1][0]
    assert len(rows[1]) == pytest.approx(len(rows[0]) / 2, abs=2)


def looking(look: PictureLook) -> ScenePlan:
    scene = one(still(0, 2.0))
    assert scene.view is not None
    return replace(scene, view=replace(scene.view, look=look))


def test_light_lens_and_compression_change_a_picture_as_they_are_told(cutouts, black):
    def frame(**told: object) -> np.ndarray:
        return next(render_frames(looking(PictureLook(**told)), cutouts, black))  # type: ignore[arg-type]

    plain = next(render_frames(one(still(0, 2.0)), cutouts, black)).astype(int)
    assert np.abs(frame() - plain)[..., 1].max() <= 1
    person = plain[..., 1] > 100
    assert frame(exposure_ev=-1.0)[person, 1].mean() == pytest.approx(plain[person, 1].mean() / 2**0.5, rel=0.02)
    assert frame(contrast=0.5).std() < 0.6 * plain.std()
    assert 2 < (frame(noise_levels=4.0) - plain)[100:140, 100:200].std() < 5
    coarse, fine = (np.abs(frame(quality=quality) - plain).mean() for quality in (5, 95))
    assert 0 < fine < coarse
    edges = [np.abs(np.diff(picture.astype(int)[..., 1], axis=1)).max() for picture in (plain, frame(blur_px=3.0))]
    assert edges[1] < 0.5 * edges[0]
    # The person is green on black: its own light is more than that around it.
    assert frame(matching=0.5)[person, 1].mean() < 0.8 * plain[person, 1].mean()


def test_who_walks_is_smeared(cutouts, black):
    path = SourcePath(place(35, 2.0), place(-35, 2.0), 0.0, 1.0)
    sharp = next(render_frames(one(path), cutouts, black))
    view = replace(one(path).view, look=PictureLook(shutter_s=0.05))  # type: ignore[type-var]
    smeared = next(render_frames(replace(one(path), view=view), cutouts, black))
    steps = [np.abs(np.diff(picture.astype(int)[..., 1], axis=1)).max() for picture in (sharp, smeared)]
    assert steps[1] < 0.3 * steps[0]


def test_a_table_of_backgrounds_says_what_is_drawn_where(tmp_path):
    entries = []
    for number, (side, licence) in enumerate(
        [("train", "CC0-1.0"), ("train", "X-NonCommercial"), ("held", ""), ("fit", "")]
    ):
        Image.new("RGB", (64, 36)).save(tmp_path / f"{number}.png")
        entries.append({"file": f"{number}.png", "side": side, "licence": licence})
    (tmp_path / "backgrounds.json").write_text(json.dumps(entries))
    chosen = {side: load_backgrounds(tmp_path, side).chosen for side in ("train", "held", "fit")}  # type: ignore[arg-type]
    assert chosen == {"train": ("0.png",), "held": ("2.png",), "fit": ("3.png",)}
    keys = {load_backgrounds(tmp_path).draw(np.random.default_rng(seed)).partition(":")[0] for seed in range(60)}
    assert keys == {"0.png", "room"}
