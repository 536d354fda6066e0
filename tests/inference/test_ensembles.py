"""Which ensemble hears which clip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from worlds import call, film, save_random

import seldfuse
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.requests import DetectorRequest
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import CheckpointError, PluginError, UsageError
from seldfuse.inference import ensembles
from seldfuse.inference.ensembles import BestEnsembles, EnsembleNames, find_ensembles, list_bundled
from seldfuse.media.encode import write_wav
from seldfuse.media.inputs import find_clips
from seldfuse.run_manifest import NAME
from seldfuse.storage.json_lines import read_json_lines


@pytest.fixture
def best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BestEnsembles:
    """Random models: two hear clips with a picture, one those without."""
    doa, sce = (f"{name}@{save_random(tmp_path / name, name, DCASE2025)}" for name in ("doa", "sce"))
    table = BestEnsembles(picture=EnsembleNames(f"{doa},{sce}", "keypoint"), sound=EnsembleNames(sce))
    monkeypatch.setattr(ensembles.BestEnsembles, "read", classmethod(lambda _: table))
    return table


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in "ac":
        write_wav(tmp_path / "in" / f"{name}.wav", 0.1 * rng.standard_normal((2, 24_000)).astype(np.float32))
    film(tmp_path / "in" / "b.mp4", 1.0)
    return tmp_path / "in"


def test_each_clip_is_heard_by_the_ensemble_for_what_it_has_in_one_batch(best: BestEnsembles, clips: Path) -> None:
    pipeline = seldfuse.Pipeline(device="cpu", threshold=0.4)
    results = list(pipeline(clips))
    assert [result.name for result in results] == ["a", "b", "c"]
    assert [len(result.members) for result in results] == [1, 2, 1]
    assert pipeline.corrector is not None
    assert pipeline.corrector.detectors.keys() == {"keypoint"}
    assert pipeline.fusion.decode.threshold == 0.4


def test_a_run_tells_keeps_and_finishes_clips_of_both_ensembles(
    best: BestEnsembles, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", str(clips), "--device", "cpu", "-o", str(tmp_path / "out"))
    assert call(*arguments) == 0
    shown = capsys.readouterr().err
    assert "keypoint detects with" in shown
    assert shown.count("fusion: mean; nothing was fitted to") == 2
    lines = [line.value for line in read_json_lines(tmp_path / "out" / NAME, torn="skip")]
    recipes = {line["recipe"]: len(line["backends"]) for line in lines if "clip" not in line}
    found = {line["clip"]: recipes[line["recipe"]] for line in lines if "clip" in line}
    assert found == {"a": 1, "b": 2, "c": 1}
    assert call(*arguments) == 0
    assert "3 clips were there already" in capsys.readouterr().err


def test_post_replaces_the_detectors_of_the_table(best: BestEnsembles, clips: Path) -> None:
    assert seldfuse.Pipeline(post="", device="cpu").corrector is None


def test_a_detector_of_the_table_that_is_not_ready_is_left_out_with_a_note(
    best: BestEnsembles, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CheckpointError("no engine of keypoint is ready")

    monkeypatch.setattr("seldfuse.catalogue.requests.DetectorRequest.load", refuse)
    pipeline = seldfuse.Pipeline(device="cpu")
    (clip,) = find_clips([str(clips / "b.mp4")])
    loaded = pipeline.select(clip)
    assert loaded.corrector is None
    assert "without keypoint, which would correct the result by the picture: no engine" in loaded.notes[-1]


def test_each_detector_of_the_table_is_loaded_once_with_its_own_rules(
    best: BestEnsembles, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def refuse(request: DetectorRequest, _place: object, rules: Path | None) -> None:
        loaded.append((request.value.name, rules))
        raise CheckpointError("not ready")

    monkeypatch.setattr(DetectorRequest, "load", refuse)
    table = replace(best, picture=EnsembleNames(best.picture.backends, "keypoint,gdino"))
    monkeypatch.setattr(ensembles.BestEnsembles, "read", classmethod(lambda _: table))
    pipeline = seldfuse.Pipeline(device="cpu", rules={"gdino": clips / "rules.toml"})
    (clip,) = find_clips([str(clips / "b.mp4")])
    notes = pipeline.select(clip).notes
    assert loaded == [("keypoint", None), ("gdino", clips / "rules.toml")]
    assert [note.split(",")[0] for note in notes[-2:]] == ["without keypoint", "without gdino"]


def test_named_backends_hear_every_clip() -> None:
    named = find_ensembles("doa,sed-sce", None, load_registry())
    assert named.picture is named.sound
    assert named.list_both() == (named.sound,)
    assert list_bundled(named.sound.backends) == {"doa": "doa", "sed-sce": "sce"}
    theirs = [replace(one, checkpoint="runs/best") for one in named.sound.backends]
    assert set(list_bundled(theirs).values()) == {None}


def test_the_table_that_ships_names_bundled_backends_and_detectors() -> None:
    found = find_ensembles("auto", None, load_registry())
    for one in found.list_both():
        assert all(list_bundled(one.backends).values())
    assert not found.sound.detectors
    assert found.picture.optional


def test_a_wrong_table_or_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "best.toml").write_text('[picture]\nbackends = "doa"\n')
    with pytest.raises(UsageError, match="sound"):
        BestEnsembles.read(tmp_path / "best.toml")
    with pytest.raises(PluginError, match="nothing"):
        find_ensembles("nothing", None, load_registry())
