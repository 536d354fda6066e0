"""mmpose imported without what it does not need, and checkpoints of OpenMMLab's read without running them."""

import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seldfuse.errors import CheckpointError
from seldfuse_keypoint.pair import PoseWeights

IMPORTS = {
    "mmcv/__init__.py": "",
    "mmpose/__init__.py": "",
    "mmpose/datasets.py": "from xtcocotools.coco import COCO\nimport xtcocotools.mask as masks\n",
    "mmpose/models.py": """
import importlib
from typing import Optional
from mmdet.utils import ConfigType, reduce_mean

operators = importlib.import_module("mmcv._ext")
assert hasattr(operators, "deform_conv_forward")

def forward(config: Optional[ConfigType] = None): ...
""",
}
"""Like the real ones, as far as their imports go."""


def run(folder: Path, *lines: str, **more: str) -> "subprocess.CompletedProcess[str]":
    for name, text in {**IMPORTS, **more}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    head = ("import sys", f"sys.path.insert(0, {str(folder)!r})", "from seldfuse_keypoint.openmmlab import load_mmpose")
    script = "\n".join([*head, *lines])
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


CALL = "import mmpose.datasets\ntry:\n    mmpose.datasets.COCO('file')\nexcept RuntimeError as error:\n    print(error)"


def test_mmpose_is_imported_without_what_it_does_not_need(tmp_path: Path) -> None:
    done = run(tmp_path, "load_mmpose(); load_mmpose()", CALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "xtcocotools.coco.COCO was called, and xtcocotools.coco is not installed\n"


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    theirs = {"xtcocotools/__init__.py": "", "xtcocotools/coco.py": "COCO = print", "xtcocotools/cocoeval.py": ""}
    done = run(tmp_path, "load_mmpose()", CALL, **theirs, **{"xtcocotools/mask.py": ""})
    assert (done.returncode, done.stdout) == (0, "file\n")


def test_one_that_was_built_against_another_numpy_counts_as_absent(tmp_path: Path) -> None:
    broken = {"xtcocotools/__init__.py": "", "xtcocotools/mask.py": "raise ValueError('numpy.dtype size changed')"}
    done = run(tmp_path, "load_mmpose()", CALL, **broken)
    assert (done.returncode, done.stderr) == (0, "")
    assert "xtcocotools.coco is not installed" in done.stdout


# Checkpoints


def pair_with(folder: Path, checkpoint: Any) -> PoseWeights:
    (folder / "rtmpose.py").write_text("model = {}")
    torch.save(checkpoint, folder / "rtmpose.pth")
    return PoseWeights(folder / "rtmpose.py", folder / "rtmpose.pth")


def refused(pair: PoseWeights) -> str:
    with pytest.raises(CheckpointError) as error:
        pair.fill(nn.Linear(3, 2))
    return str(error.value)


ABOUT = {
    "sigmas": np.ones(17, dtype=np.float32),
    "flips": np.arange(17),
    "mean": np.float64(0.5),
    "upper": np.array([True]),
}


def test_a_published_checkpoint_fills_the_network(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    state = OrderedDict(weight=torch.ones(2, 3), bias=torch.zeros(2), of_training=torch.zeros(1))
    pair = pair_with(tmp_path, {"meta": {"dataset_meta": ABOUT, "epoch": 3}, "state_dict": state})
    pair.fill(network)
    assert (network.weight == 1).all()
    assert len(pair.version()) == 8
    version = pair.version()
    pair.config.write_text("model = {'type': 'other'}")
    assert pair.version() != version


def test_arrays_pickled_by_numpy_1_are_read(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    pair = pair_with(tmp_path, {})
    # The plain form, not the archive, for its names can be changed.
    torch.save(
        {"meta": ABOUT, "state_dict": {"weight": torch.ones(2, 3), "bias": torch.ones(2)}},
        pair.checkpoint,
        _use_new_zipfile_serialization=False,
    )
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    assert new in pair.checkpoint.read_bytes()
    pair.checkpoint.write_bytes(pair.checkpoint.read_bytes().replace(new, old))
    pair.fill(network)
    assert (network.bias == 1).all()


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def test_nothing_in_a_checkpoint_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pair = pair_with(tmp_path, {"state_dict": nn.Linear(3, 2).state_dict(), "hooks": Trap()})
    assert refused(pair) == (
        "the checkpoint holds more than tensors and numbers, which could run any code; one that you trained is rid of "
        f"it by mmpose's tools/misc/publish_model.py: {pair.checkpoint}"
    )
    assert not (tmp_path / "sprung").exists()


def test_checkpoints_of_something_else_are_told(tmp_path: Path) -> None:
    short = pair_with(tmp_path, {"state_dict": {"weight": torch.ones(2, 3)}})
    assert refused(short) == (
        f"the weights lack 1 tensors of the network of rtmpose.py, such as bias: {short.checkpoint}"
    )
    other = pair_with(tmp_path, {"state_dict": {"weight": torch.ones(5, 3), "bias": torch.ones(5)}})
    assert refused(other).startswith("the weights do not fit the network of rtmpose.py (size mismatch for weight")
    assert refused(pair_with(tmp_path, [1, 2])).startswith("expected a checkpoint of OpenMMLab's with a state_dict: ")
    whole = other.checkpoint.read_bytes()
    other.checkpoint.write_bytes(whole[: len(whole) // 2])
    assert refused(other).startswith("the checkpoint is damaged or cut short (")
