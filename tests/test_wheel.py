"""What `pip install seldfuse` gives: the wheel, in an environment with nothing but what it requires, runs the demo."""

import importlib.util
import json
import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
BARE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a release has it: built of the source distribution, by `python -m build`."""
    if any(importlib.util.find_spec(name) is None for name in ("pip", "build", "hatchling")):
        pytest.skip("building the wheel needs pip, build and hatchling in this environment")
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def empty_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `seldfuse` of a new environment with the wheel and links to what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--python", str(python)]
    call(*pip, "install", "--no-deps", "--no-index", str(wheel))
    (installed,) = distributions(name="seldfuse", path=[str(site)])
    for name in list_required(installed):
        for top in {path.parts[0] for path in distribution(name).files or () if ".." not in path.parts}:
            source = Path(str(distribution(name).locate_file(top)))
            if source.suffix != ".pth" and top != "__pycache__" and not (site / top).exists():
                (site / top).symlink_to(source)
    return folder / "bin" / "seldfuse"


def list_required(installed: Distribution) -> set[str]:
    """List the distributions that one requires, and those that they require; no extras."""
    found: set[str] = set()
    waiting = [installed]
    while waiting:
        for text in waiting.pop().requires or ():
            requirement = Requirement(text)
            if requirement.name not in found and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
                found.add(requirement.name)
                waiting.append(distribution(requirement.name))
    return found


def call(*command: str) -> None:
    done = subprocess.run(command, env=BARE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_the_wheel_carries_checkpoints_plugins_and_the_clip_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.stat().st_size < 90_000_000
    assert "seldfuse/_checkpoints/sce-medium/model.safetensors" in names
    assert {f"seldfuse/_checkpoints/yolox/{name}" for name in ("nano.onnx", "README.md", "LICENSE")} <= set(names)
    assert "seldfuse/_demo/demo.mp4" in names
    assert "seldfuse_sed_doa/network.py" in names
    assert "seldfuse/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]


def test_the_installed_wheel_runs_the_demo(empty_environment: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [empty_environment, "run", "@demo", "--post", "keypoint,gdino", "--json", "-o", "out"],
        cwd=tmp_path,
        env=BARE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert result["name"] == "demo"
    assert {name: engine.split()[0] for name, engine in result["detectors"].items()} == {
        "keypoint": "movenet",
        "gdino": "yolox:nano",
    }
    assert {event["class"] for event in result["events"]} & {"female_speech", "musical_instrument", "bell"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "demo.csv",
        "demo.json",
        "detections",
        "manifest.jsonl",
    ]
