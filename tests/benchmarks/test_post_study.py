"""`python -m benchmarks post`: what is measured of the visual correction, and the pages made of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from worlds import call

from benchmarks.__main__ import RESULTS
from benchmarks.pages import papers
from benchmarks.pages import post as pages_post
from benchmarks.studies import post
from seldfuse.core.labels import DCASE2025
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.dataset.plans import read_plans
from seldfuse.synth.pictures.cutout_set import CutoutSet

CLIPS = 3


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    assert call("synth", "scenes", str(data), "--clips", str(CLIPS), "--video", "--split", "seen", "--jobs", "1") == 0
    monkeypatch.setattr(post, "BACKENDS", ("sce", "mvanet"))
    monkeypatch.setattr(post, "SYSTEMS", {"CMC": ("mvanet",), post.AUDIO: ("sce",), post.PUBLISHED: ("sce", "mvanet")})
    plans = read_plans(data / "manifest-seen.jsonl")
    # Recorded detections stand in for engines.
    engines = dict.fromkeys(("keypoint", "gdino"), f"recorded:{tmp_path / 'seen' / post.EXACT}")
    return post.measure(
        DatasetSplit(data, "seen"), plans, CutoutSet(DCASE2025), engines, tmp_path / "seen", lambda _: None
    )


def test_all_is_tried_with_each_kind_of_detections(measured: dict[str, Any]) -> None:
    assert json.loads(json.dumps(measured)).keys() == measured.keys()
    alone, audio, published = measured["systems"]
    assert alone["seen"] == []
    assert {row["detections"] for row in audio["seen"]} == {post.REAL}
    assert {row["detections"] for row in published["seen"]} == {
        post.EXACT, "degraded", "random", "of another clip", post.REAL
    }  # fmt: skip
    rows = {(row["detections"], row["post"], row["mode"]): row for row in published["seen"]}
    # The same detections, by whatever name, give the same.
    for name in post.POSTS:
        assert rows[post.EXACT, name, "bayes"]["scores"] == rows[post.REAL, name, "bayes"]["scores"]
    assert audio["heard"]["scores"]["f20_1_on"]["value"] <= audio["heard"]["scores"]["f20_1"]["value"]
    assert "### as published: the mean of sce, mvanet" in pages_post.tables(measured)


def test_the_table_of_the_papers_has_each_step(measured: dict[str, Any]) -> None:
    audio_results = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    lines = papers.tables(audio_results, measured).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| ensemble as published"))
    assert lines[first].endswith("| 0.43 / 11.7 / 0.26 / 0.80 |")
    assert lines[first + 1].startswith("| + keypoint |")
    assert lines[first + 2].startswith("| + keypoint + gdino |")
    assert lines[first + 2].endswith("| 0.47 / 11.8 / 0.26 / 0.86 |")
