"""What drawn scenes are like, over many of them."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import chi2_contingency, spearmanr

from benchmarks.studies.acoustics import describe_plans
from seldfuse.core.labels import DCASE2025
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.draw_acoustics import direct_sources
from seldfuse.synth.scene import Room, ScenePlan
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank
from seldfuse.synth.timelines.statistics import Distances, SceneStatistics


def bank() -> SoundBank:
    samples = np.random.default_rng(0).normal(0.0, 0.05, 48_000).astype(np.float32)
    sounds = {name: BankSound(cls, name, samples, np.ones(20, dtype=bool)) for cls, name in enumerate(DCASE2025.names)}
    return SoundBank.from_sounds(DCASE2025, sounds)


@pytest.fixture(scope="module")
def stage() -> SceneIngredients:
    return SceneIngredients(bank(), SceneStatistics.load(), evenness=1.0)


@pytest.fixture(scope="module")
def scenes(stage: SceneIngredients) -> list[ScenePlan]:
    rng = np.random.default_rng(3)
    return [draw_scene(stage, rng) for _ in range(300)]


def test_near_and_far_sources_stand_in_dry_and_in_wet_rooms(scenes: list[ScenePlan]) -> None:
    found = describe_plans(scenes[:150])
    assert found["rank_correlation"] < -0.5
    assert found["ratio_db"]["p5"] < -8.0
    assert found["ratio_db"]["p95"] > 8.0


def test_distances_are_even_in_log_and_say_nothing_about_level_and_class(scenes: list[ScenePlan]) -> None:
    sources = [source for scene in scenes for source in scene.sources]
    distance_m = np.array([np.linalg.norm(source.path.start_m) for source in sources])
    shares = np.histogram(np.log(distance_m), np.linspace(np.log(0.5), np.log(6.0001), 5))[0] / len(sources)
    assert shares.sum() == pytest.approx(1.0)
    assert np.abs(shares - 0.25).max() < 0.06
    gain_db = np.array([source.gain_db for source in sources])
    assert np.abs(gain_db).max() <= 10.0
    for other in (gain_db, [source.cls for source in sources]):
        assert abs(spearmanr(distance_m, other).statistic) < 0.1


def test_the_end_of_the_band_does_not_tell_the_class(scenes: list[ScenePlan]) -> None:
    sources = [source for scene in scenes for source in scene.sources]
    counts = np.zeros((13, 2))
    for source in sources:
        counts[source.cls, int(source.bandwidth_hz is not None)] += 1
    assert chi2_contingency(counts[counts.min(axis=1) > 0]).pvalue > 0.001
    assert 0.5 < counts[:, 1].sum() / counts.sum() < 0.7


def test_all_kinds_of_wear_are_met(scenes: list[ScenePlan]) -> None:
    wear, rooms = [scene.wear for scene in scenes], [scene.room for scene in scenes if isinstance(scene.room, Room)]
    assert 0.6 < np.mean([abs(chain.mismatch_db) > 0 for chain in wear]) < 0.95
    assert max(abs(chain.mismatch_db) for chain in wear) <= 1.0
    for name in ("agc_db", "limiter_db", "highpass_hz", "codec_kbps"):
        assert 0.08 < np.mean([getattr(chain, name) is not None for chain in wear]) < 0.35
    assert 0.2 < np.mean([room.table_m > 0 for room in rooms]) < 0.4
    assert 0.7 < np.mean([room.irregularity > 0 for room in rooms]) < 0.95
    assert 0.6 < np.mean([source.directivity > 0 for scene in scenes for source in scene.sources]) < 0.8


def test_omnidirectional_sources_can_be_turned_into_directive_ones(scenes: list[ScenePlan]) -> None:
    scene = next(scene for scene in scenes if len({source.directivity > 0 for source in scene.sources}) == 2)
    directed = direct_sources(scene, np.random.default_rng(0))
    assert all(source.directivity > 0 for source in directed.sources)
    for before, after in zip(scene.sources, directed.sources, strict=True):
        changes = {} if before.directivity else {"directivity": after.directivity, "facing_deg": after.facing_deg}
        assert dataclasses.replace(before, **changes) == after


def test_distances_of_label_files_are_followed_where_they_state_some(stage: SceneIngredients) -> None:
    statistics = dataclasses.replace(stage.statistics, distances=Distances(1.0, 0.1, 0.8, 1.3, fitted=True))
    rng = np.random.default_rng(0)
    drawn = [draw_scene(dataclasses.replace(stage, statistics=statistics), rng) for _ in range(20)]
    distance_m = [np.linalg.norm(source.path.start_m) for scene in drawn for source in scene.sources]
    assert np.median(distance_m) == pytest.approx(1.0, abs=0.05)
    assert max(distance_m) < 1.31
