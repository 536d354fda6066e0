"""What `make bench` compares with is what it should be, and the result holds what it promises."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from benchmarks.baseline.decoding import decode_cells
from benchmarks.baseline.sounding import build_constant_network
from benchmarks.speed import timing, train
from benchmarks.speed.report import RATIOS, Ratio
from benchmarks.speed.timing import Case, interleaved
from seldfuse.features.load import make_batch
from seldfuse.nn.accddoa import decode_accddoa
from seldfuse.synth.scene import ScenePlan, ScenePlanSource, SoundTake, SourcePath


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "PAUSE_S", 0.0)


def test_a_constant_network_detects_its_classes_throughout() -> None:
    with torch.inference_mode():
        (clip,) = build_constant_network((0, 8))(torch.randn(1, 2, 251, 64)).numpy()
    assert [(row.frame, row.cls) for row in decode_cells(clip)] == [
        (frame, cls) for frame in range(50) for cls in (0, 8)
    ]


def test_the_slow_decoding_equals_the_fast_one() -> None:
    raw = activated_outputs(np.random.default_rng(0), frames=200)
    slow = np.array(decode_cells(raw.numpy()))
    (events,) = decode_accddoa(raw[None])
    fast = events.table[["frame", "cls", "azimuth_deg", "distance_m"]].to_numpy()
    slow, fast = (rows[np.lexsort((rows[:, 3], rows[:, 1], rows[:, 0]))] for rows in (slow, fast))
    assert np.array_equal(slow[:, :2], fast[:, :2])
    assert np.abs((slow[:, 2] - fast[:, 2] + 180) % 360 - 180).max() < 1e-3
    assert np.abs(slow[:, 3] - fast[:, 3]).max() < 1e-5


def activated_outputs(rng: np.random.Generator, frames: int) -> torch.Tensor:
    """Tracks around one azimuth per cell, so near each other that all, some or none of them are one source."""
    azimuth = rng.uniform(-np.pi, np.pi, (frames, 1, 13)) + rng.normal(0, np.radians(12), (frames, 3, 13))
    length, distance_m = rng.uniform(0.3, 1, azimuth.shape), rng.uniform(0, 5, azimuth.shape)
    raw = np.stack([length * np.cos(azimuth), length * np.sin(azimuth), distance_m], axis=2)
    return torch.from_numpy(raw.reshape(frames, 117).astype(np.float32))


def test_cells_of_every_kind_are_among_those_on_which_the_decodings_are_compared() -> None:
    raw = activated_outputs(np.random.default_rng(0), frames=200)
    x, y, _ = raw.unflatten(-1, (3, 3, 13)).unbind(-2)
    tracks = (torch.hypot(x, y) > 0.5).sum(1).flatten().numpy()
    events = np.zeros((200, 13), dtype=int)
    for row in decode_cells(raw.numpy()):
        events[row.frame, row.cls] += 1
    kinds = set(zip(tracks.tolist(), events.flatten().tolist(), strict=True))
    assert kinds == {(0, 0), (1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)}


def test_the_features_through_librosa_are_those_of_seldfuse() -> None:
    features = pytest.importorskip("benchmarks.baseline.features", reason="librosa comes with the extra `bench`")
    samples = (np.random.default_rng(0).standard_normal((2, 120_000)) * [[0.1], [0.001]]).astype(np.float32)
    own = make_batch(torch.from_numpy(samples)[None])["logmel"][0].numpy()
    assert np.abs(features.compute_baseline_logmel(samples) - own).max() < 1e-2


@pytest.mark.usefixtures("hurried")
def test_cases_take_turns_after_one_call_to_warm_up() -> None:
    calls: list[str] = []
    times = interleaved([Case(name, lambda name=name: calls.append(name), 5.0) for name in "abc"], rounds=3)
    assert "".join(calls) == "abc" * 4
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_ratio_is_the_median_over_rounds_whatever_the_machine_did_in_one_of_them() -> None:
    times = {"one": np.array([1.0, 50.0, 1.0]), "two": np.array([2.0, 2.0, 20.0]), "base": np.array([1.0, 1.0, 7.0])}
    assert Ratio("both", ["one", "two"], "base").of(times) == 3.0


# librosa's reader of old files imports modules that Python 3.13 no longer has.
@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")
@pytest.mark.usefixtures("hurried")
def test_a_short_run_measures_everything_that_is_promised(tmp_path: Path) -> None:
    pytest.importorskip("librosa", reason="librosa comes with the extra `bench`")
    from benchmarks.__main__ import measure
    from benchmarks.speed.report import tables

    result = json.loads(json.dumps(measure(tmp_path, rounds=1)))
    assert list(result) == ["machine", "rounds", "ratios", "cases", "shares", "peak_memory_mib"]
    assert result["machine"]["torch_threads"] == torch.get_num_threads()
    assert set(result["ratios"]) == {ratio.name for ratio in RATIOS}
    for case in result["cases"].values():
        assert case["times_real_time"] == pytest.approx(5 * case["clips_per_s"])
    assert sum(result["shares"].values()) == pytest.approx(1.0)
    assert {"decoding", "features", "doa", "sde", "sce", "writing", "other"} <= set(result["shares"])
    assert result["peak_memory_mib"] > 50
    assert tables(result).renderables


def test_without_a_room_left_and_right_give_the_azimuth_and_elevation_draws_it_to_the_middle() -> None:
    pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")
    from benchmarks.studies.stereo_law import in_the_open

    found = in_the_open()
    assert len(found) == 72
    assert max(abs(said_deg - law_deg) for law_deg, said_deg in found) < 0.5
    level, raised = found[:24], found[24:48]
    assert level[14][1] == pytest.approx(30.0, abs=0.5)
    assert level[22][1] == pytest.approx(30.0, abs=0.5), "150° sounds as 30° does"
    assert raised[14][1] == pytest.approx(28.0, abs=0.5), "asin(sin 30° · cos 20°)"


def test_a_short_measurement_of_the_law_has_what_is_promised_and_draws_every_scene() -> None:
    pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")
    from benchmarks.sets.plans import procedural_stage
    from benchmarks.studies.stereo_law import measure, picture, tables

    result = json.loads(json.dumps(measure(procedural_stage(), 8)))
    assert result["rooms"]["scenes"] == len(result["scenes"]) == 8
    assert result["rooms"]["median_deg"] < 12
    assert all(0 < scene["direct_share"] < 1 for scene in result["scenes"])
    assert {"computed sounds", "the same in pyroomacoustics"} <= set(result["parts"])
    root = ElementTree.fromstring(picture(result))
    (points,) = (group for group in root.iter() if group.get("id") == "PathCollection_1")
    assert len(points.findall(".//{*}use")) == 8
    assert tables(result).renderables


@pytest.mark.usefixtures("hurried")
def test_a_short_run_of_the_speed_of_scenes_measures_what_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")
    from benchmarks.speed import synth

    monkeypatch.setattr(synth, "CHUNK", 1)
    monkeypatch.setattr(synth, "THEIR_POSITIONS", {"early": 1, "whole": 1})
    monkeypatch.setattr(synth, "ProcessPoolExecutor", lambda processes, *_: ThreadPoolExecutor(processes))
    monkeypatch.setattr(synth, "disk", lambda *_: {"skipped": "not in tests"})
    result = json.loads(json.dumps(synth.measure(1, 0, tmp_path)))
    assert {"one process", "2 processes"} <= set(result["times_real_time"])
    assert all(row["value"] > 0 for row in [*result["times_real_time"].values(), *result["ratios"].values()])
    assert set(result["place_ms"]) == {"ours, as scenes take them", "ours, whole", "theirs, order 4", "theirs, whole"}
    assert synth.tables(result).renderables


def test_a_short_run_of_the_speed_of_fusion_measures_what_is_promised() -> None:
    from benchmarks.speed import fusion

    threads = torch.get_num_threads()
    try:
        result = json.loads(json.dumps(fusion.measure(3, 1)))
    finally:
        torch.set_num_threads(threads)
    assert set(result["limits"]) == {"seconds for 10000 clips", "twin / ours, time of a clip"}
    assert all(row["value"] > 0 for row in result["limits"].values())
    assert sum(result["shares"].values()) == pytest.approx(1.0)
    assert result["rows_of_events"] > 100
    assert fusion.tables(result).renderables


def test_a_short_run_of_the_speed_of_tuning_measures_what_is_promised() -> None:
    from benchmarks.speed import tuning

    threads = torch.get_num_threads()
    notes: list[str] = []
    try:
        result = json.loads(json.dumps(tuning.measure(20, notes.append)))
    finally:
        torch.set_num_threads(threads)
    assert result["clips"] == result["compared_clips"] == 20
    assert result["seconds"] > 0
    assert len(notes) == 1 + result["candidates"]
    assert tuning.tables(result).renderables


def test_a_sounding_source_has_a_position_every_tenth_of_a_second() -> None:
    pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")
    from benchmarks.speed.synth import list_positions

    takes = (SoundTake("a", 0.55, 0.5), SoundTake("b", 4.85, 0.15))
    walk = SourcePath((1.0, 0.0, 0.0), (1.0, 2.0, 0.0), 0.0, 2.0)
    positions = list_positions([ScenePlan(()), ScenePlan((ScenePlanSource(0, takes, walk),))])
    assert positions.scene == [1] * 8
    assert [round(float(position_m[1]), 6) for position_m in positions.view_m] == [
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        1.0,
        2.0,
        2.0,
    ]


def test_a_training_step_is_the_same_one_whichever_way_it_is_taken() -> None:
    losses = {}
    for name, settings in train.STEPS.items():
        step = train.TrainingStep(*settings)
        torch.manual_seed(1)
        losses[name] = [step(), step()]
        assert sum(step.shares.values()) == pytest.approx(1.0)
    plain, fast, half = losses.values()
    assert fast == pytest.approx(plain, rel=1e-3)
    assert half == pytest.approx(plain, rel=0.02)
