"""RTMPose and RTMO from the configs that mmpose brings, with random weights; mmpose's own inference is the measure.

mmpose is no part of the test environment: `make test-extras` installs it and runs this file there.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detected_run import check_detected_run

from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.detections import KEYPOINTS, Detections
from seldfuse.errors import CheckpointError
from seldfuse_keypoint.detector import load
from seldfuse_keypoint.mmpose import _built, _quiet
from seldfuse_keypoint.openmmlab import load_mmpose

pytest.importorskip("mmpose", reason="mmpose is not installed; `make test-extras` runs these tests with it")

CPU = torch.device("cpu")
CLIP = Clip("talk", ArrayAudio(np.zeros((2, 2400), dtype=np.float32)))
BOXES = [(30.0, 20.0, 120.0, 200.0), (150.0, 10.0, 300.0, 230.0)]

RTMPOSE = "rtmpose/coco/rtmpose-t_8xb256-420e_coco-256x192.py"
MORE_POINTS = "rtmpose/body8/rtmpose-t_8xb1024-700e_body8-halpe26-256x192.py"
RTMO = "rtmo/body7/rtmo-t_8xb32-600e_body7-416x416.py"
OTHER_POINTS = "rtmpose/mpii/rtmpose-m_8xb64-210e_mpii-256x256.py"


def pair(folder: Path, config: str) -> Path:
    """A folder as `mim download` leaves it, with random weights."""
    with _quiet():
        load_mmpose()
        import mmpose
        from mmengine.config import Config

        packaged = Path(mmpose.__file__).parent / ".mim" / "configs" / "body_2d_keypoint" / config
        read = Config.fromfile(packaged)
        torch.manual_seed(0)
        network = _built(read.model)
        if config == RTMO:
            settle(network)
        about = {"dataset_name": "coco", "sigmas": np.ones(17, dtype=np.float32)}
        torch.save({"meta": {"dataset_meta": about}, "state_dict": network.state_dict()}, folder / "weights.pth")
        read.dump(folder / packaged.name)
    return folder


def settle(network: Any) -> None:
    """Norms learn from noise what values come; RTMO takes some for logarithms, and those without bounds are noise."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train().head.head_module(network.extract_feat(torch.rand(2, 3, 416, 416) * 255))


def frames(count: int = 2) -> list[Frame]:
    rng = np.random.default_rng(1)
    return [Frame(time_s / 2, rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)) for time_s in range(count)]


def seen(count: int) -> Detections:
    return Detections.from_rows([(time_s / 2, "person", 0.8, *box, -1) for time_s in range(count) for box in BOXES])


def inference(looker: Any, folder: Path) -> tuple[Any, Any]:
    """mmpose's own, and the same network for it; the file by itself, for the package around it wants torchvision."""
    import mmpose
    from mmengine.config import Config

    spec = importlib.util.spec_from_file_location("inference", Path(mmpose.__file__).parent / "apis" / "inference.py")
    assert spec is not None
    assert spec.loader is not None
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    engine = getattr(looker.engine, "poses", looker.engine)
    network = engine.network
    network.dataset_meta, network.cfg = engine.about, Config.fromfile(next(folder.glob("*.py")))
    return theirs, network


@pytest.mark.parametrize("config", [RTMPOSE, MORE_POINTS])
def test_rtmpose_finds_what_mmpose_finds(tmp_path: Path, config: str) -> None:
    looker = load(f"mmpose:{pair(tmp_path, config)}", CPU, None)
    assert looker.engine_id.startswith(f"mmpose {Path(config).stem} ")
    assert looker.engine_id.endswith(" on cpu")
    found = looker.detect(CLIP, frames(9), seen(9))
    assert len(found) == 18
    assert found.table[["left_px", "top_px", "right_px", "bottom_px"]].values[:2].tolist() == [*map(list, BOXES)]

    with _quiet():
        theirs, network = inference(looker, tmp_path)
        wanted = theirs.inference_topdown(network, frames(9)[8].rgb[..., ::-1], np.array(BOXES, dtype=np.float32))
    places = np.concatenate([one.pred_instances.keypoints for one in wanted])[:, : len(KEYPOINTS)]
    np.testing.assert_allclose(found.keypoints[-2:, :, :2], places, atol=1e-2)


def test_where_nobody_was_seen_rtmpose_looks_at_whole_pictures(tmp_path: Path) -> None:
    looker = load(f"mmpose:{pair(tmp_path, RTMPOSE)}", CPU, None)
    for earlier in (None, Detections.from_rows([])):
        assert set(looker.detect(CLIP, frames(), earlier).table["time_s"]) <= {0.0, 0.5}


def test_rtmo_finds_everybody_at_once(tmp_path: Path) -> None:
    looker = load(f"mmpose:{pair(tmp_path, RTMO)}", CPU, None)
    found = looker.detect(CLIP, frames(), None)
    assert set(found.table["time_s"]) == {0.0, 0.5}

    with _quiet():
        theirs, network = inference(looker, tmp_path)
        (wanted,) = theirs.inference_bottomup(network, frames()[1].rgb[..., ::-1])
    instances = wanted.pred_instances
    inside = (instances.bboxes[:, 2:].clip(0, (320, 240)) > instances.bboxes[:, :2].clip(0, (320, 240))).all(axis=1)
    mine = found.keypoints[(found.table["time_s"] == 0.5).to_numpy()]
    assert np.isfinite(mine).all()
    np.testing.assert_allclose(mine[..., :2], instances.keypoints[inside], atol=0.1)


@pytest.mark.parametrize("config", [RTMPOSE, RTMO])
def test_a_run_is_corrected_and_remembers(tmp_path: Path, config: str, capsys: Any) -> None:
    (tmp_path / "network").mkdir()
    folder = pair(tmp_path / "network", config)
    check_detected_run(tmp_path, f"keypoint@mmpose:{folder}", f"mmpose {Path(config).stem} ", capsys)


def test_networks_that_know_other_points_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"knows COCO's points, this lacks nose, left_eye, .*mpii-256x256\.py"):
        load(f"mmpose:{pair(tmp_path, OTHER_POINTS)}", CPU, None)


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "weights.pth")
    config = tmp_path / "config.py"
    config.write_text("_base_ = ['../none.py']")
    with pytest.raises(CheckpointError, match=r"the config cannot be read \(.*; one that builds on others"):
        load(f"mmpose:{tmp_path}", CPU, None)
    config.write_text("model = dict(type='Camera')")
    with pytest.raises(CheckpointError, match=r"expected a config of mmpose's \(.*Camera"):
        load(f"mmpose:{tmp_path}", CPU, None)
