"""What label files say about real scenes."""

import json
from pathlib import Path

import numpy as np
import pytest

from seldfuse.core.labels import DCASE2025
from seldfuse.errors import UsageError
from seldfuse.formats import dcase
from seldfuse.synth.timelines.statistics import LEVELS, Distances, SceneStatistics, describe
from seldfuse.synth.timelines.windows import STEP_FRAMES, cut_recordings

SPEECH, MUSIC, STEPS = 1, 8, 6


def stretch(
    first: int, last: int, cls: int, source: int = 0, azimuth=0.0, elevation=0.0, distance=np.nan
) -> np.ndarray:
    """Rows of one source that sounds from its first to its last frame."""
    frames = np.arange(first, last + 1)
    return np.stack(np.broadcast_arrays(frames, cls, source, azimuth, elevation, distance), axis=1).astype(float)


def table(*pieces: np.ndarray) -> np.ndarray:
    return np.concatenate([np.empty((0, 6)), *pieces])


@pytest.fixture(scope="module")
def shipped() -> SceneStatistics:
    return SceneStatistics.load()


def test_a_scene_is_described_by_hand() -> None:
    numbers = describe([table(stretch(0, 24, MUSIC), stretch(10, 14, SPEECH, 1), stretch(20, 29, SPEECH, 1))])
    assert numbers["windows"] == 1
    assert numbers["sources.2"] == 1
    assert numbers["empty.frames"] == pytest.approx(20 / 50)
    assert numbers["overlap.1"] == pytest.approx(20 / 50)
    assert numbers["overlap.2"] == pytest.approx(10 / 50)
    assert numbers["events_per_minute"] == pytest.approx(2 / (4.9 / 60), abs=1e-3)
    assert numbers["sounding_at_start"] == 1
    assert numbers["stretches_per_source"] == 1.5
    assert numbers["active_s_per_source"] == pytest.approx(2.0)
    assert numbers["gap_s.p50"] == pytest.approx(0.5)
    assert numbers["active.music"] == pytest.approx(25 / 40)
    assert numbers["events.male_speech"] == 1
    assert numbers["heard_in.bell"] == 0
    assert numbers["twice.windows"] == numbers["twice.frames"] == numbers["movers"] == 0
    assert not any("distance" in name or "speed" in name for name in numbers)


def test_a_class_in_two_places_is_counted_in_windows_and_in_frames() -> None:
    numbers = describe([table(stretch(0, 29, SPEECH, 1), stretch(20, 49, SPEECH, 2)), table(stretch(0, 49, SPEECH))])
    assert numbers["twice.windows"] == numbers["twice_in.male_speech"] == 0.5
    assert numbers["twice.frames"] == pytest.approx(10 / 100)


def test_empty_scenes_count_and_nothing_at_all_can_be_described() -> None:
    numbers = describe([table(), table(stretch(0, 4, SPEECH))])
    assert numbers["empty.windows"] == 0.5
    assert numbers["empty.frames"] == pytest.approx(95 / 100)
    assert describe([table()])["overlap.0"] == 1


def test_a_long_recording_is_as_many_windows_as_fit_and_its_scenes_are_described_alike() -> None:
    long = table(stretch(0, 299, MUSIC), stretch(120, 180, SPEECH, 1, azimuth=np.linspace(-20, 40, 61)))
    starts = range(0, 300 - 50 + 1, STEP_FRAMES)
    windows = [long[(long[:, 0] >= start) & (long[:, 0] < start + 50)] - [start, 0, 0, 0, 0, 0] for start in starts]
    assert describe([long]) == describe(windows)
    assert describe([long])["windows"] == len(starts)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = table(stretch(0, 199, MUSIC), stretch(30, 90, SPEECH, 1, azimuth=np.arange(61.0)), stretch(95, 99, STEPS))
    assert describe([np.random.default_rng(0).permutation(rows)]) == describe([rows])


def test_the_speed_of_a_walk_is_found_across_the_rear_and_people_who_sway_stand_still() -> None:
    walk = (170 + 12.0 * np.arange(50) / 10 + 180) % 360 - 180
    sway = np.rint(2 * np.sin(np.arange(50)))
    numbers = describe([table(stretch(0, 49, STEPS, azimuth=np.rint(walk)), stretch(0, 49, SPEECH, azimuth=sway))])
    assert numbers["movers.footsteps"] == 1
    assert numbers["movers.male_speech"] == 0
    assert numbers["speed_deg_s.p50"] == pytest.approx(12, abs=0.3)


def test_windows_know_how_long_cut_events_and_pauses_are_in_truth() -> None:
    tracks = cut_recordings([table(stretch(0, 99, MUSIC), stretch(130, 170, MUSIC))])
    assert tracks.windows == 6
    first = tracks.window == 0
    assert tracks.active[first].all()
    assert (tracks.whole[first] == 100).all()
    assert (tracks.pause[first] == 30).all()
    assert np.isinf(tracks.pause[tracks.window == 5, -1]).all()


def test_a_fit_keeps_rhythm_cast_elevation_and_distance(tmp_path: Path) -> None:
    path = tmp_path / "scene.csv"
    lines = [f"{frame},{SPEECH},0,-35,-10,250" for start in range(0, 1200, 40) for frame in range(start, start + 10)]
    path.write_text("\n".join(lines + [f"{frame},{MUSIC},1,20,5,250" for frame in range(1200)]))
    fitted = SceneStatistics.fit([path])
    speech = fitted.habits[SPEECH].company
    assert fitted.casts == (((SPEECH, MUSIC), fitted.casts[0][1]),)
    assert speech.duration_s == (1.0,) * len(LEVELS)
    assert min(speech.gap_s) == 3.0
    assert speech.sounding_at_start == pytest.approx(0.25, abs=0.03)
    assert max(speech.onset_s) == pytest.approx(3.0, abs=0.1)
    assert fitted.habits[MUSIC].company.rest_s == (5.0,) * len(LEVELS)
    assert fitted.habits[MUSIC].elevation_deg == 5
    assert fitted.distances == Distances(2.5, 0.0, 2.5, 2.5, fitted=True)


def test_a_class_that_was_hardly_heard_has_the_habits_of_all(tmp_path: Path) -> None:
    path = tmp_path / "scene.csv"
    path.write_text("\n".join(f"{frame},{MUSIC},0,20,5" for frame in range(1200)) + "\n7,12,0,0,0")
    fitted = SceneStatistics.fit([path])
    assert fitted.habits[12].seen == 1
    assert fitted.habits[12].company == fitted.habits[0].company
    assert fitted.habits[12].company.sounding_at_start == pytest.approx(1, abs=0.05)


def test_people_who_let_each_other_finish_take_turns_and_players_do_not(tmp_path: Path) -> None:
    turn = np.arange(3000) // 15 % 2
    lines = [f"{frame},{SPEECH},{turn[frame]},0,0" for frame in range(3000)]
    lines += [f"{frame},9,{player},0,0" for frame in range(3000) for player in (0, 1)]
    (tmp_path / "scene.csv").write_text("\n".join(lines))
    habits = SceneStatistics.fit([tmp_path / "scene.csv"]).habits
    assert habits[SPEECH].takes_turns
    assert not habits[9].takes_turns


def test_files_of_every_year_can_be_fitted_and_the_default_distance_says_so(tmp_path: Path) -> None:
    (tmp_path / "2025.csv").write_text("frame,class,source,azimuth,distance,onscreen\n0,0,1,-9,155,0\n")
    (tmp_path / "2023.csv").write_text("0,0,1,-9,4,155\n")
    (tmp_path / "2022.csv").write_text("0,0,1,-9,4\n")
    (tmp_path / "2019.csv").write_text("0,0,-9,4\n")
    for name in ("2025", "2023"):
        assert SceneStatistics.fit([tmp_path / f"{name}.csv"]).distances.median_m == 1.55
    for name in ("2022", "2019"):
        assert not SceneStatistics.fit([tmp_path / f"{name}.csv"]).distances.fitted
    assert SceneStatistics.fit([tmp_path / "2023.csv"]).habits[0].elevation_deg == 4
    assert SceneStatistics.fit([tmp_path / "2025.csv"]).habits[0].elevation_deg == 0


def test_distances_are_drawn_around_the_median_and_within_their_limits() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([Distances().draw(rng) for _ in range(2000)])
    assert np.median(drawn) == pytest.approx(2, abs=0.1)
    assert np.log(drawn).std() == pytest.approx(0.5, abs=0.05)
    assert drawn.min() >= 0.5
    assert drawn.max() <= 6


def test_what_is_no_label_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scene.csv"
    path.write_text("0,0,1,-9,4\n1,0,1,left,4\n")
    with pytest.raises(UsageError, match=r"expected a number for column 4, got 'left' in line 2: .*scene\.csv"):
        SceneStatistics.fit([path])
    path.write_text("")
    with pytest.raises(UsageError, match="expected label files with events to fit, got 1 files without any"):
        SceneStatistics.fit([path])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"classes": ["a"], "casts": [], "habits": [{"alone": 1}]}'])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected statistics as Statistics\.to_json writes them, got '"):
        SceneStatistics.from_json(text)


def test_the_shipped_table_is_whole_and_comes_back_from_json(shipped: SceneStatistics) -> None:
    assert SceneStatistics.from_json(shipped.to_json()) == shipped
    assert shipped.classes == DCASE2025.names
    assert len(shipped.habits) == len(DCASE2025)
    assert not shipped.distances.fitted
    assert len(shipped.to_json()) < 60_000


def test_the_shipped_table_holds_what_anyone_knows_of_such_sounds(shipped: SceneStatistics) -> None:
    habits = dict(zip(shipped.classes, shipped.habits, strict=True))
    assert [name for name, its in habits.items() if its.takes_turns] == ["female_speech", "male_speech"]
    assert max(habits, key=lambda name: habits[name].movers) == "footsteps"
    assert min(habits, key=lambda name: habits[name].elevation_deg) == "footsteps"
    assert max(habits, key=lambda name: habits[name].company.sounding_at_start) == "music"


@pytest.mark.shared
def test_the_shipped_table_is_a_fit_of_the_real_files(shared: Path, shipped: SceneStatistics) -> None:
    files = sorted((shared / "data" / "starss22_metadata").rglob("fold[34]*.csv"))
    fresh = json.loads(SceneStatistics.fit(files).to_json())
    assert len(files) == 121
    assert leaves(fresh) == pytest.approx(leaves(json.loads(shipped.to_json())), abs=2e-2)


@pytest.mark.shared
def test_real_places_are_read_with_their_elevation(shared: Path) -> None:
    file = shared / "data/starss22_metadata/metadata_dev/dev-test-sony/fold4_room23_mix001.csv"
    assert dcase.read_positions(file)[:2, :5].tolist() == [[1, 8, 0, 14, 0], [1, 5, 0, -37, -18]]


def leaves(value: object, path: str = "") -> dict[str, object]:
    """Every number of a JSON document by its path."""
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        return {name: leaf for key, part in entries for name, leaf in leaves(part, f"{path}/{key}").items()}
    return {path: value}
