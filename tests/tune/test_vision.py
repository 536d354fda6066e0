"""The reliability of detectors: what was put in is found, and stored detections are read."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worlds import call

from seldfuse.core.detections import Detections
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import UsageError
from seldfuse.formats.dcase import write_events
from seldfuse.fusion import DecodeSettings, FusionSettings, decode_frames
from seldfuse.metrics.rows import to_rows
from seldfuse.tune.vision import correct_all, fit_settings, fit_vision
from seldfuse.tune.vision_data import VisionTuningData, read_vision_data
from seldfuse.vision.detection_store import CachedDetections, DetectionFile, save_detections
from seldfuse.vision.refine import ClipDetections
from seldfuse.vision.settings import VisionSettings

CLIPS, FRAMES = 60, 20
BELL = DCASE2025.index("bell")
RULES = Rules({"bell": Rule(("bell",))})
RECALL, UNRELATED, OFF_DEG, AUDIO_DEG = 0.7, 0.4, 1.0, 12.0
CAMERA = Camera()


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the trials find nearly the same."""
    monkeypatch.setattr("seldfuse.tune.vision.STEPS", 30)


def world(seed: int = 0) -> VisionTuningData:
    """A bell in each clip, half of them in the picture, of which `RECALL` are detected; and others that do not ring.

    The predicted on-screen flags are uninformative; detections are not.
    """
    rng = np.random.default_rng(seed)
    onscreen = rng.random(CLIPS) < 0.5
    true_deg = rng.uniform(-45.0, 45.0, CLIPS)
    shape = (CLIPS, FRAMES, len(DCASE2025), 1)

    def filled(values: np.ndarray) -> torch.Tensor:
        return torch.zeros(shape) + torch.from_numpy(values).float()[:, None, None, None]

    activity = torch.zeros(shape)
    activity[:, :, BELL] = 0.9
    audio_deg = filled(true_deg + rng.normal(0.0, AUDIO_DEG, CLIPS))
    posterior = Posterior(
        activity, direction_from_azimuth(audio_deg), filled(np.full(CLIPS, 2.0)), filled(np.full(CLIPS, 0.5))
    )
    target = Posterior(
        activity.round(), direction_from_azimuth(filled(true_deg)), posterior.distance, filled(onscreen.astype(float))
    )
    detections = [[detect(_draw_azimuths(rng, *one))] for one in zip(onscreen.tolist(), true_deg.tolist(), strict=True)]
    references = [to_rows(events) for events in decode_frames(target)]
    return VisionTuningData(posterior, target, references, torch.arange(CLIPS), detections, CAMERA, 0.5)


def _draw_azimuths(rng: np.random.Generator, onscreen: bool, true_deg: float) -> list[float]:
    own = [true_deg + rng.normal(0.0, OFF_DEG)] if onscreen and rng.random() < RECALL else []
    return [*own, *rng.uniform(-50.0, 50.0, rng.poisson(UNRELATED))]


def detect(azimuths_deg: list[float]) -> ClipDetections:
    rows = []
    for time_s in np.arange(4) / 2.0:
        for azimuth_deg in azimuths_deg:
            x_px = float(CAMERA.x_from_azimuth(azimuth_deg))
            rows.append((time_s, "bell", 0.9, x_px - 5, 100.0, x_px + 5, 110.0, -1))
    return ClipDetections("gdino", "fake 1", RULES, Detections.from_rows(rows), np.arange(4) / 2.0, 640, 360)


def test_what_can_be_counted_is_counted() -> None:
    settings = fit_settings(world(), VisionSettings())
    reliability = settings.detectors["gdino@fake"]
    assert reliability.recall["bell"] == pytest.approx(RECALL, abs=0.15)
    assert reliability.distractors_per_frame["bell"] == pytest.approx(UNRELATED, abs=0.2)
    assert reliability.azimuth_std_deg["bell"] == pytest.approx(OFF_DEG, abs=0.8)
    assert settings.audio_azimuth_std_deg["bell"] == pytest.approx(AUDIO_DEG, abs=2.5)
    # Half of all bells are in the picture, and the azimuths of nearly all are inside of it.
    assert settings.onscreen_prior == pytest.approx(0.55, abs=0.12)


def test_informative_pictures_move_the_posterior_and_pictures_of_other_clips_do_not() -> None:
    good, shuffled = world(), world()
    rng = np.random.default_rng(1)
    shuffled = replace(shuffled, detections=[shuffled.detections[clip] for clip in rng.permutation(CLIPS)])
    moved = []
    for scenes in (good, shuffled):
        onscreen = correct_all(scenes, fit_settings(scenes, VisionSettings())).onscreen
        assert onscreen is not None
        moved.append(float((onscreen[:, :, BELL] - 0.5).abs().mean()))
    assert moved[0] > 0.1
    assert moved[1] < moved[0] / 2


def test_what_is_fitted_pays_on_clips_that_were_not_fitted_to() -> None:
    fitted = fit_vision(world(), VisionSettings(), DecodeSettings(), 2)
    uncorrected, cross_validated = (
        float(counts.sums["onscreen_right"].sum()) for counts in (fitted.uncorrected, fitted.cross_validated)
    )
    pairs = float(fitted.uncorrected.pairs.sum())
    assert uncorrected / pairs == pytest.approx(0.5, abs=0.15)
    assert cross_validated / pairs > uncorrected / pairs + 0.1


def written(root: Path, rate_hz: float = 2.0) -> list[str]:
    """The same world as folders: posteriors, labels, and what a run keeps. Gives the command's arguments."""
    scenes = world()
    for clip, (clip_detections,) in enumerate(scenes.detections):
        name = f"fold1_room1_mix{clip:03}_deg000_start0000"
        scenes.clip(clip).save(root / "posteriors" / "sce" / f"{name}.safetensors")
        (events,) = decode_frames(scenes.target.map(lambda value, clip=clip: value[clip : clip + 1]))
        write_events(events, root / "labels" / f"{name}.csv")
        key = {"content": "x", "looks_with": "fake 1", "after": [], "rate_hz": rate_hz}
        memory = CachedDetections(clip_detections.detections, frozenset(range(4)), (640, 360))
        save_detections(
            root / "detections" / "gdino@fake" / f"{name}.detections.parquet", DetectionFile(memory, key, RULES)
        )
    folders = [str(root / name) for name in ("posteriors/sce", "labels", "detections")]
    inputs = [folders[0], "--reference", folders[1], "--detections", folders[2]]
    return ["tune", "vision", *inputs, "-o", str(root / "vision.toml")]


def test_the_command_writes_settings_that_a_run_reads(tmp_path: Path, capsys: Any) -> None:
    assert call(*written(tmp_path), "--folds", "2", "--json") == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["clips"] == CLIPS
    assert document["scores"]["osa"]["gain"]["value"] > 0.1
    assert f"see with --vision {tmp_path / 'vision.toml'}" in shown.err
    assert tomllib.loads((tmp_path / "vision.toml").read_text()) == document["settings"]
    assert "gdino@fake" in VisionSettings.resolve(tmp_path / "vision.toml").detectors


def test_what_does_not_fit_together_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "CLIPS", 6)
    arguments = written(tmp_path)
    folders, labels, detections = [Path(arguments[2])], Path(arguments[4]), Path(arguments[6])
    notes: list[str] = []

    def scenes(folder: Path) -> VisionTuningData:
        return read_vision_data(folders, labels, folder, FusionSettings(), 100.0, notes.append)

    with pytest.raises(UsageError, match=r"expected detections that `seldfuse run --post … -o out` stores"):
        scenes(tmp_path / "nowhere")
    path = next(detections.rglob("*mix003*.parquet"))
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(UsageError, match=r"expected what was looked at when, as a run keeps it .*mix003"):
        scenes(detections)
    path.unlink()
    assert len(scenes(detections).references) == CLIPS - 1
    assert notes == ["1 clips were left out: they have no detections"]
    other = written(tmp_path / "slow", rate_hz=1.0)
    next(detections.rglob("*mix004*.json")).write_text(next(Path(other[6]).rglob("*mix004*.json")).read_text())
    with pytest.raises(UsageError, match=r"detectors ran at 1 and 2 pictures a second; fit to one --detector-fps"):
        scenes(detections)
