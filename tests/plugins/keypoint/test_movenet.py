"""MoveNet: what it is shown, what is made of what it says, and how well it finds people in photos."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.detections import Detections
from seldfuse.errors import CheckpointError
from seldfuse_keypoint import movenet
from seldfuse_keypoint.detector import load
from seldfuse_keypoint.movenet import fit_to_square

CPU = torch.device("cpu")
CLIP = Clip("talk", ArrayAudio(np.zeros((2, 2400), dtype=np.float32)))
SPREADS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
"""How far annotators are apart in a point (cocodataset.org/#keypoints-eval)."""


def frame(height: int, width: int, time_s: float = 0.0) -> Frame:
    return Frame(time_s, np.full((height, width, 3), 200, dtype=np.uint8))


@pytest.mark.parametrize(
    ("size", "shown", "filled"),
    [((360, 640), (288, 512), (288, 512)), ((425, 640), (340, 512), (352, 512)), ((51, 17), (512, 171), (512, 192))],
)
def test_a_picture_keeps_its_aspect_and_is_filled_up(
    size: tuple[int, int], shown: tuple[int, int], filled: tuple[int, int]
) -> None:
    found, px_per_px = fit_to_square(frame(*size).rgb)
    assert found.shape == (*filled, 3)
    assert (found[: shown[0], : shown[1]] == 200).all()
    assert (found[shown[0] :] == 0).all()
    assert (found[:, shown[1] :] == 0).all()
    assert px_per_px == max(size) / 512


@pytest.fixture
def saying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """MoveNet with a network that always says the same, of one picture at a time or of several."""

    def of(said: np.ndarray, pictures: int | str = 1) -> Any:
        def run(names: list[str], shown: dict[str, np.ndarray]) -> list[np.ndarray]:
            assert names == ["people"]
            assert shown["input"].dtype == np.int32
            assert shown["input"].ndim == 4
            assert len(shown["input"]) <= (1 if pictures == 1 else movenet.AT_ONCE)
            return [said[None].repeat(len(shown["input"]), 0).astype(np.float32)]

        session = SimpleNamespace(
            run=run,
            get_inputs=lambda: [SimpleNamespace(name="input", shape=[pictures, "height", "width", 3])],
            get_outputs=lambda: [SimpleNamespace(name="people")],
            get_providers=lambda: ["CPUExecutionProvider"],
        )
        monkeypatch.setattr(movenet, "_session", lambda *_: session)
        (tmp_path / "movenet.onnx").write_bytes(b"weights")
        return load(f"movenet:{tmp_path / 'movenet.onnx'}", CPU, None)

    return of


def candidate(score: float) -> np.ndarray:
    """A person whose points all lie at 1/4 of the height and 1/2 of the width, in the lower right of his box."""
    return np.array([0.25, 0.5, 0.8] * 17 + [0.0, 0.25, 0.5, 0.75, score])


@pytest.mark.parametrize("pictures", [1, "picture"])
def test_shares_of_what_was_shown_become_pixels(saying: Callable[..., Any], pictures: int | str) -> None:
    looker = saying(np.stack([candidate(0.9), candidate(0.05)]), pictures)
    assert looker.engine_id == f"movenet {sha256(b'weights').hexdigest()[:8]} on cpu"
    found = looker.detect(CLIP, [frame(360, 640), frame(425, 640, 0.5)], None)
    boxes = found.table[["time_s", "left_px", "top_px", "right_px", "bottom_px"]].values
    # The second was filled up from 425 to 440 pixels.
    np.testing.assert_allclose(boxes, [[0.0, 160, 0, 480, 180], [0.5, 160, 0, 480, 220]])
    np.testing.assert_allclose(found.keypoints[:, 0], [[320, 90, 0.8], [320, 110, 0.8]], rtol=1e-6)
    assert found.table["score"].tolist() == pytest.approx([0.9, 0.9])
    many = looker.detect(CLIP, [frame(360, 640, time_s / 2) for time_s in range(20)], None)
    assert many.table["time_s"].tolist() == [time_s / 2 for time_s in range(20)]


def test_a_network_that_says_nan_is_not_hushed_up(saying: Callable[..., Any]) -> None:
    found = saying(np.stack([np.full(56, np.nan), candidate(0.05)])).detect(CLIP, [frame(360, 640)], None)
    assert len(found) == 1
    assert found.table[["score", "left_px"]].isna().all(axis=None)
    assert np.isnan(found.keypoints).all()


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "movenet.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(CheckpointError) as error:
        load(f"movenet:{path}", CPU, None)
    assert str(error.value).startswith("expected MoveNet MultiPose in ONNX (")
    assert str(error.value).endswith(f": {path}")
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 5


def test_another_network_is_told_from_it(shared: Path) -> None:
    path = shared / "models" / "yolox_nano.onnx"
    with pytest.raises(CheckpointError) as error:
        load(f"movenet:{path}", CPU, None)
    assert str(error.value).startswith(
        "expected MoveNet MultiPose, which takes int32 [1, height, width, 3] and gives [1, 6, 56]; "
        "this takes tensor(float) [1, 3, 416, 416] and gives "
    )


@pytest.fixture(scope="session")
def eyes() -> Any:
    return load("movenet", CPU, None)


def read_photos(shared: Path) -> list[np.ndarray]:
    pillow = pytest.importorskip("PIL.Image", reason="reading photos needs pillow")
    return [np.array(pillow.open(path).convert("RGB")) for path in sorted((shared / "media" / "photos").glob("*.jpg"))]


def test_what_ships_gives_what_the_original_gives(shared: Path, eyes: Any) -> None:
    """The same people in the same order, and nobody within 1 px of where they were: the same to 1e-3 of the picture."""
    original = load(f"movenet:{shared / 'models' / 'movenet_multipose.onnx'}", CPU, None).engine
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    pictures = [*read_photos(shared), noise, np.zeros_like(noise), noise]
    assert (original.at_once, eyes.engine.at_once) == (1, movenet.AT_ONCE)
    shown = [fit_to_square(picture)[0] for picture in pictures]
    wanted = np.concatenate([original._run(one[None]) for one in shown])
    found = np.concatenate([eyes.engine._run(one[None]) for one in shown])
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    # Pictures of one pass do not know each other.
    together = eyes.engine._run(np.stack(shown[-3:]))
    np.testing.assert_allclose(together, wanted[-3:], atol=1e-4)


def test_it_gives_maps_and_features_for_networks_that_look(eyes: Any) -> None:
    session = eyes.engine.session
    shapes = {output.name: output.shape for output in session.get_outputs()}
    assert shapes["heatmaps"] == ["picture", 17, "row", "column"]
    assert shapes["features"] == ["picture", 24, "row", "column"]
    found = session.run(["heatmaps", "features"], {"pictures": np.zeros((2, 64, 96, 3), dtype=np.int32)})
    assert [one.shape for one in found] == [(2, 17, 16, 24), (2, 24, 16, 24)]


def similarities(found: Detections, person: dict[str, Any]) -> np.ndarray:
    """COCO's object keypoint similarity of each row to a labelled person."""
    labelled = np.array(person["keypoints"], dtype=float).reshape(17, 3)
    known = labelled[:, 2] > 0
    away = ((found.keypoints[:, known, :2] - labelled[known, :2]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-away / (2 * person["area"] * (2 * SPREADS[known]) ** 2)).mean(axis=1))


def test_people_in_photos_are_found(shared: Path, eyes: Any) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="reading photos needs pillow")
    labels = json.loads((shared / "media" / "photos" / "coco_keypoints.json").read_text())
    best = []
    for photo in labels["images"]:
        rgb = np.array(pillow.open(shared / "media" / "photos" / photo["file_name"]).convert("RGB"))
        found = eyes.detect(CLIP, [Frame(0.0, rgb)], None)
        people = [one for one in labels["annotations"] if one["image_id"] == photo["id"] and one["num_keypoints"]]
        assert len(people) - 1 <= len(found) <= len(people) + 1
        best += [similarities(found, person).max() for person in people]
    assert len(best) == 12
    assert np.mean(best) >= 0.8


@pytest.mark.parametrize("size", [(1, 1), (33, 7), (7, 700)])
def test_pictures_of_odd_sizes_are_looked_at(eyes: Any, size: tuple[int, int]) -> None:
    assert len(eyes.detect(CLIP, [frame(*size)], None)) <= 1
