"""A torchvision whose compiled operators do not load is mended; one that is whole stays as it is."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seldfuse.compat.torchvision import drop_overlaps, load_torchvision
from seldfuse.errors import UsageError

DESCRIBES = "import torch\n\n\n@torch.library.register_fake('torchvision::nms')\ndef described(*_): ...\n"
"""What the real one does at its import, which fails where the operator is not there."""

BOXES = """
import torch


def _assert_has_ops():
    raise RuntimeError("no compiled operators")


def nms(boxes, scores, iou_threshold):
    _assert_has_ops()
    return torch.ops.torchvision.nms(boxes, scores, iou_threshold)
"""


def of_wheel(folder: Path, init: str) -> Path:
    """A package like torchvision, as far as its loading goes."""
    ops = folder / "torchvision" / "ops"
    ops.mkdir(parents=True)
    (folder / "torchvision" / "__init__.py").write_text(init)
    (ops / "__init__.py").touch()
    (ops / "boxes.py").write_text(BOXES)
    return folder


def run(folder: Path, *lines: str) -> "subprocess.CompletedProcess[str]":
    head = (
        "import sys, torch",
        f"sys.path.insert(0, {str(folder)!r})",
        "from seldfuse.compat.torchvision import load_torchvision",
    )
    script = "\n".join([*head, *lines])
    return subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)


def test_a_wheel_without_its_operators_loads_and_suppresses(tmp_path: Path) -> None:
    done = run(
        of_wheel(tmp_path, DESCRIBES),
        "load_torchvision(); load_torchvision()",
        "from torchvision.ops.boxes import nms",
        "boxes = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])",
        "print(nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist())",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1, 2]\n", "")


def test_an_import_that_failed_before_does_no_harm(tmp_path: Path) -> None:
    done = run(
        of_wheel(tmp_path, "from torchvision.ops import boxes\n" + DESCRIBES),
        "try:\n    import torchvision\nexcept RuntimeError as error:\n    print(error)",
        "print(load_torchvision().__name__)",
    )
    assert (done.returncode, done.stdout) == (0, "operator torchvision::nms does not exist\ntorchvision\n")


def test_a_whole_wheel_is_left_alone(tmp_path: Path) -> None:
    done = run(
        of_wheel(tmp_path, ""),
        "load_torchvision()",
        "from torchvision.ops.boxes import nms",
        "try:\n    nms(torch.zeros(0, 4), torch.zeros(0), 0.5)\nexcept RuntimeError as error:\n    print(error)",
    )
    assert (done.returncode, done.stdout) == (0, "no compiled operators\n")


def test_one_that_cannot_be_mended_says_what_to_install(tmp_path: Path) -> None:
    done = run(of_wheel(tmp_path, "raise OSError('libfoo.so: not found')"), "load_torchvision()")
    assert "torchvision does not load (libfoo.so: not found); install the version that was built for " in done.stderr


def test_one_that_is_absent_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UsageError, match=r"torchvision is needed and not here .*`pip install torchvision`"):
        load_torchvision()


def greedy(boxes: Tensor, scores: Tensor, iou_threshold: float) -> list[int]:
    """The slow readable twin of `suppress`."""
    kept: list[int] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        if all(overlap(boxes[index].tolist(), boxes[other].tolist()) <= iou_threshold for other in kept):
            kept.append(index)
    return kept


def overlap(one: list[float], other: list[float]) -> float:
    wide, high = (max(0.0, min(one[i + 2], other[i + 2]) - max(one[i], other[i])) for i in (0, 1))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return wide * high / (areas - wide * high)


@pytest.mark.parametrize("iou_threshold", [0.1, 0.3, 0.7])
def test_suppression_is_the_greedy_one(iou_threshold: float) -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand((120, 4), generator=generator) * 30
    boxes[:, 2:] += boxes[:, :2] + 1
    scores = (torch.rand(120, generator=generator) * 20).round() / 20
    kept = drop_overlaps(boxes, scores, iou_threshold).tolist()
    assert kept == greedy(boxes, scores, iou_threshold)
    assert 1 < len(kept) < 120


def test_no_boxes_are_no_boxes() -> None:
    assert drop_overlaps(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
