"""ViTPose from tiny random networks in folders like the hub's, and what surrounds the network against the library's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seldfuse.compat.transformers import import_transformers
from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.detections import Detections
from seldfuse.errors import CheckpointError
from seldfuse_keypoint.crops import crop_boxes, extract_crops, find_peaks, to_picture_pixels
from seldfuse_keypoint.detector import load

CPU = torch.device("cpu")
CLIP = Clip("talk", ArrayAudio(np.zeros((2, 2400), dtype=np.float32)))
BACKBONE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": [64, 48],
    "patch_size": [16, 16],
    "out_indices": [1],
}
BOX = (50.0, 20.0, 120.0, 200.0)


def saved(folder: Path, num_labels: int = 17, **backbone: Any) -> Path:
    library = import_transformers()
    torch.manual_seed(0)
    config = library.VitPoseConfig(
        backbone_config=library.VitPoseBackboneConfig(**BACKBONE, **backbone), num_labels=num_labels
    )
    network = library.VitPoseForPoseEstimation(config)
    for parameter in network.parameters():
        parameter.data = torch.rand_like(parameter) - 0.3
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("vitpose"))


def frames(count: int = 2) -> list[Frame]:
    rng = np.random.default_rng(1)
    return [Frame(time_s / 2, rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)) for time_s in range(count)]


def seen(*rows: tuple[float, str, float, tuple[float, ...]]) -> Detections:
    return Detections.from_rows([(time_s, phrase, score, *box, -1) for time_s, phrase, score, box in rows])


def test_each_person_that_was_seen_gets_points(folder: Path) -> None:
    looker = load(f"vitpose:{folder}", CPU, None)
    people = seen((0.0, "bell", 1.0, BOX), (0.5, "person", 0.8, BOX), (0.5, "person", 0.4, (0.0, 0.0, 60.0, 90.0)))
    found = looker.detect(CLIP, frames(), people)
    assert found.table["time_s"].tolist()[-2:] == [0.5, 0.5]
    assert found.table[["left_px", "top_px", "right_px", "bottom_px"]].iloc[-2].tolist() == list(BOX)
    assert set(found.table["phrase"]) == {"person"}
    assert (found.keypoints[..., 2] > 0).any()
    again = load(f"vitpose:{folder}", CPU, None)
    assert again.engine_id == looker.engine_id
    np.testing.assert_array_equal(again.detect(CLIP, frames(), people).keypoints, found.keypoints)


def test_people_of_a_batch_do_not_know_each_other(folder: Path) -> None:
    looker = load(f"vitpose:{folder}", CPU, None)
    boxes = [tuple(float(value) for value in np.add(BOX, 3 * shift)) for shift in range(20)]
    together = looker.detect(CLIP, frames(1), seen(*((0.0, "person", 1.0, box) for box in boxes)))
    alone = looker.detect(CLIP, frames(1), seen((0.0, "person", 1.0, boxes[19])))
    np.testing.assert_allclose(together.keypoints[19], alone.keypoints[0], atol=1e-3)


def test_without_people_whole_pictures_are_looked_at(folder: Path) -> None:
    looker = load(f"vitpose:{folder}", CPU, None)
    nobody = looker.detect(CLIP, frames(), seen((0.0, "bell", 1.0, BOX)))
    found = looker.detect(CLIP, frames(), None)
    assert found.table["time_s"].tolist() == nobody.table["time_s"].tolist() == [0.0, 0.5]


def test_experts_are_asked_for_coco_s_points(tmp_path: Path) -> None:
    looker = load(f"vitpose:{saved(tmp_path, num_experts=3, part_features=4)}", CPU, None)
    assert len(looker.detect(CLIP, frames(), None)) == 2


def test_other_points_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected a ViTPose of COCO's 17 points, this has 5: .*safetensors"):
        load(f"vitpose:{saved(tmp_path, num_labels=5)}", CPU, None)


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError) as error:
        load("vitpose", CPU, None)
    assert "`seldfuse checkpoints fetch usyd-community/vitpose-base-simple`" in str(error.value)
    assert error.value.exit_code == 5


# Crops and peaks, against the library's own


def as_coco(box: tuple[float, ...]) -> list[float]:
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]


@pytest.mark.parametrize("box", [BOX, (200.0, 100.0, 310.0, 130.0)])
def test_a_crop_is_the_library_s(box: tuple[float, ...]) -> None:
    processor = import_transformers().VitPoseImageProcessorPil(do_normalize=False)
    smooth = np.stack(np.broadcast_arrays(np.arange(320.0)[None] / 2, np.arange(240.0)[:, None], 90.0), axis=2)
    picture = smooth.astype(np.uint8)
    wanted = processor(picture, boxes=[[as_coco(box)]], return_tensors="pt")["pixel_values"]
    boxes = extract_crops(torch.tensor([box]), 192 / 256)
    found = crop_boxes(torch.from_numpy(picture).permute(2, 0, 1), boxes, 256, 192)
    assert found.shape == wanted.shape == (1, 3, 256, 192)
    inside = (found[0, 2] - 90 / 255).abs() < 1e-4  # the edge of the picture is blended with black in two ways
    assert inside.float().mean() > 0.4
    torch.testing.assert_close(found[0][:, inside], wanted[0][:, inside].float(), atol=1.5 / 255, rtol=0)
    assert (found[0, 2] == 0).float().mean() == pytest.approx((wanted[0, 2] == 0).float().mean().item(), abs=0.01)


def hills(tops: Tensor, high: int = 64, wide: int = 48, spread: float = 2.0) -> Tensor:
    down, across = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    away = (across - tops[..., 0, None, None]) ** 2 + (down - tops[..., 1, None, None]) ** 2
    return 0.9 * torch.exp(-away / (2 * spread**2))


def test_peaks_lie_between_pixels() -> None:
    tops = torch.rand((2, 17, 2), generator=torch.Generator().manual_seed(0)) * torch.tensor([43.0, 59.0]) + 2
    found = find_peaks(hills(tops))
    torch.testing.assert_close(found[..., :2], tops, atol=2e-3, rtol=0)
    assert (found[..., 2] - 0.9).abs().max() < 0.06


def test_points_are_the_library_s() -> None:
    library = import_transformers()
    processor = library.VitPoseImageProcessorPil()
    tops = torch.rand((1, 17, 2), generator=torch.Generator().manual_seed(0)) * torch.tensor([43.0, 59.0]) + 2
    outputs = library.models.vitpose.modeling_vitpose.VitPoseEstimatorOutput(heatmaps=hills(tops))
    ((wanted,),) = processor.post_process_pose_estimation(outputs, boxes=[[as_coco(BOX)]])
    found = to_picture_pixels(find_peaks(hills(tops)), extract_crops(torch.tensor([BOX]), 192 / 256), 64, 48)
    torch.testing.assert_close(found[0, :, :2], wanted["keypoints"].float(), atol=0.3, rtol=0)
    torch.testing.assert_close(found[0, :, 2], wanted["scores"].float())


def test_flat_maps_and_maps_of_nan_harm_nobody() -> None:
    found = find_peaks(torch.stack([torch.full((17, 8, 6), 0.5), torch.full((17, 8, 6), torch.nan)])[:, :])
    assert found[0].isfinite().all()
    assert found[1, :, 2].isnan().all()
