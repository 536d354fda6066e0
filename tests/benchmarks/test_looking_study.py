"""`python -m benchmarks looking`: what is measured of looking at real pictures, and the page made of it."""

import json
from pathlib import Path

import pytest
from worlds import call

from benchmarks.pages import looking as pages_looking
from benchmarks.studies import looking
from benchmarks.studies.looking import OFF, OTHERS, OWN, RANDOM, REAL
from benchmarks.studies.post import EXACT
from seldfuse.core.labels import DCASE2025
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.dataset.plans import read_plans
from seldfuse.synth.pictures.cutout_set import CutoutSet


def test_ensembles_are_shown_pictures_and_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    assert call("synth", "scenes", str(data), "--clips", "3", "--video", "--split", "seen", "--jobs", "1") == 0
    monkeypatch.setattr(looking, "ENSEMBLES", (("mvanet", "sce"),))
    monkeypatch.setattr(looking, "AUDIO", ("sce",))
    # Recorded detections stand in for engines.
    monkeypatch.setattr(
        looking, "ENGINES", dict.fromkeys(("keypoint", "gdino"), f"recorded:{tmp_path / 'seen' / EXACT}")
    )
    plans = read_plans(data / "manifest-seen.jsonl")
    found = looking.measure(DatasetSplit(data, "seen"), plans, CutoutSet(DCASE2025), tmp_path / "seen", lambda _: None)
    assert json.loads(json.dumps(found)) == found
    systems = {(row["system"], row["picture"], row["post"]): row["scores"] for row in found["systems"]}
    assert {picture for name, picture, post in systems if name == "mvanet" and not post} == set(looking.PICTURES)
    assert {post for name, _, post in systems if name == "mvanet,sce"} == {"", REAL, EXACT, RANDOM, OTHERS}
    # The same detections, by whatever name, give the same.
    assert systems["mvanet,sce", OWN, REAL] == systems["mvanet,sce", OWN, EXACT]
    # What is called off-screen is where it was.
    assert systems["mvanet", OFF, ""]["f20_1"] == systems["mvanet", OWN, ""]["f20_1"]
    (row,) = [row for row in found["onscreen_azimuth"] if row["system"] == "mvanet"]
    assert row.keys() >= {"all_seen_deg", "speech_unseen_deg"}
    assert "| mvanet,sce | sce |" in pages_looking.tables(found)
