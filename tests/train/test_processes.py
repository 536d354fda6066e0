"""Several processes that train together learn what one process learns from all their scenes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from worlds import noise

from seldfuse.media.encode import write_wav
from seldfuse.train.progress import LOG
from seldfuse.train.state import STATE

SCRIPT = Path(__file__).parents[1] / "helpers" / "teach_frozen.py"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(16):
        write_wav(folder / f"clip{number}.wav", noise(5.0, number))
        rows = [f"{frame},{number % 13},0,{5 * number - 40},150,0" for frame in range(10, 40)]
        (folder / f"clip{number}.csv").write_text("\n".join(["frame,class,source,azimuth,distance,onscreen", *rows]))
    return folder


def teach(clips: Path, out: Path, processes: int, batch: int) -> dict[str, torch.Tensor]:
    """The state after two steps."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), str(SCRIPT), str(clips), str(out), str(batch)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return safetensors.torch.load_file(out / STATE)


def test_two_processes_have_the_gradients_of_one_with_the_double_batch(clips: Path, tmp_path: Path) -> None:
    one, two = teach(clips, tmp_path / "one", 1, 8), teach(clips, tmp_path / "two", 2, 4)
    assert one.keys() == two.keys()
    # Adam's first moment is a weighted sum of the gradients so far.
    moments = [name for name in one if name.endswith("exp_avg")]
    assert max(float(one[name].abs().max()) for name in moments) > 1e-3
    for name in moments:
        assert torch.allclose(one[name], two[name], atol=1e-6), name
    # One process writes for all: a log of two lines, and one checkpoint.
    assert len((tmp_path / "two" / LOG).read_text().splitlines()) == 2
    assert (tmp_path / "two" / "model.safetensors").is_file()
