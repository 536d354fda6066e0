"""`python -m benchmarks eyes` and `eyes-speed`: what is measured of audio-visual networks, and the page made of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worlds import call, film

from benchmarks.__main__ import DOCS, RESULTS
from benchmarks.pages import eyes as pages_eyes
from benchmarks.pages import papers, post, results
from benchmarks.studies import eyes
from seldfuse.catalogue.host import load_registry
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.load import load_encoder
from seldfuse.inference.clips import LoadedBackends
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import find_clips
from seldfuse.synth.dataset.folder import DatasetSplit


class BrightnessBackend:
    """The same activity for every sound, on-screen where the picture is bright."""

    features = ()
    encoders = {"compact-image": ""}  # noqa: RUF012

    def infer(self, batch) -> Posterior:
        shape = (len(batch), batch.frames, 13, 1)
        activity = torch.zeros(shape)
        activity[:, :, :2] = 0.9
        brightness = batch["compact-image"].mean(dim=(2, 3)).nan_to_num(0.0)
        direction = torch.tensor([1.0, 0.0, 0.0]).expand(*shape, 3)
        onscreen = (brightness.sigmoid() * 0.98)[:, :, None, None].expand(shape)
        return Posterior(activity, direction, torch.full(shape, 2.0), onscreen, labels=DCASE2025)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    options = ("--clips", "3", "--video", "--split", "seen", "--jobs", "1")
    assert call("synth", "scenes", str(tmp_path / "data"), *options) == 0
    registry = load_registry()
    requests = registry.find_backends("mvanet,sce")
    monkeypatch.setattr(eyes, "load_backends", lambda requests, _: load(requests))
    return eyes.measure(DatasetSplit(tmp_path / "data", "seen"), requests)


def load(requests) -> LoadedBackends:
    sce = load_backends([request for request in requests if request.instance == "sce"], "cpu")
    encoder = load_encoder("compact-image", torch.device("cpu"))
    backends = {"mvanet": BrightnessBackend(), **sce.backends}
    return LoadedBackends(backends, sce.features, sce.device, {"compact-image": encoder})


def test_each_audio_visual_network_gets_its_own_no_and_other_pictures(measured: dict[str, Any]) -> None:
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    tried = [(row["system"], row["picture"]) for row in measured["strict"]["scores"]]
    pictures = (eyes.OWN, eyes.NONE, *eyes.CONTROLS)
    assert tried == [*(("mvanet", picture) for picture in pictures), ("sce", "own"), ("mean of mvanet, sce", "own")]
    scores = {(row["system"], row["picture"]): row for row in measured["strict"]["scores"]}
    assert scores["mvanet", eyes.OFF]["f20_1"] == scores["mvanet", eyes.OWN]["f20_1"]
    assert scores["sce", "own"]["osa"]["value"] is None
    assert scores["mvanet", eyes.OWN]["f20_1_on"]["value"] <= scores["mvanet", eyes.OWN]["f20_1"]["value"]
    assert {row["picture"] for row in measured["strict"]["controls"]} == {eyes.NONE, *eyes.CONTROLS}
    assert {(row["scenes"], row["system"]) for row in measured["twins"]} == {
        (scenes, system) for scenes in (eyes.FROZEN, eyes.ADDED) for system in ("mvanet", "sce", "mean of mvanet, sce")
    }
    page = pages_eyes.tables(measured)
    assert "| mvanet | own | " in page


def test_black_frames_are_black_and_as_many(tmp_path: Path) -> None:
    (clip,) = find_clips([film(tmp_path / "film.mp4", 2.0)])
    shown = list(eyes.BlackFrames(clip).frames(5.0))
    assert len(shown) == 10
    assert not np.any([frame.rgb for frame in shown])


def test_the_page_is_what_was_measured() -> None:
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    audio, video, corrected = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("results", "eyes", "post")
    )
    made = {
        results.BEGIN: results.tables(audio),
        pages_eyes.BEGIN: pages_eyes.tables(video),
        post.BEGIN: post.tables(corrected),
        papers.BEGIN: papers.tables(audio, corrected),
    }
    for begin, text in made.items():
        assert results.renew(page, text, begin) == page, begin
