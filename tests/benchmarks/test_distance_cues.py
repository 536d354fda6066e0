"""The study of what features know: it finds what is there, and nothing where nothing is."""

import numpy as np
import pytest
import torch

from benchmarks.sets.plans import procedural_stage
from benchmarks.studies.distance_cues import Cues, draw_lone_source, evaluate_cues, pool_features


def draw_made_up_cues(seed: int) -> Cues:
    rng = np.random.default_rng(seed)
    log_distance, sine = rng.uniform(-0.7, 1.8, 200), rng.uniform(-1.0, 1.0, 200)
    told = np.stack([np.tanh(log_distance), np.tanh(sine), rng.normal(size=200)], axis=1)
    return Cues(log_distance, sine, {"told": told, "nothing": rng.normal(size=(200, 3))})


def test_a_regression_finds_what_channels_know_and_no_more() -> None:
    fit, test = draw_made_up_cues(0), draw_made_up_cues(1)
    told, nothing = evaluate_cues(fit, test, ["told"]), evaluate_cues(fit, test, ["nothing"])
    assert told["rank_correlation"] > 0.95
    assert told["median_deg"] < 5.0
    assert abs(nothing["rank_correlation"]) < 0.25


def test_scenes_have_one_source_at_rest() -> None:
    stage, rng = procedural_stage(), np.random.default_rng(0)
    for scene in (draw_lone_source(stage, rng) for _ in range(3)):
        (source,) = scene.sources
        assert not source.path.moves


def test_channels_are_pooled_over_active_frames() -> None:
    source = 0.05 * torch.randn(24_000, generator=torch.Generator().manual_seed(0))
    audio = torch.stack([1.5 * source, 0.5 * source])[None]
    audio[..., 12_000:] = audio[..., 12_000:].flip(1)
    pooled = pool_features(audio, np.arange(10)[None] < 4)
    sine_80_ms = pooled["direct:0"].reshape(1, 6, 3)
    assert sine_80_ms[..., :2] == pytest.approx(np.full((1, 6, 2), 0.5), abs=0.02)
    assert pooled["stpacc:0"].shape == (1, 3)
