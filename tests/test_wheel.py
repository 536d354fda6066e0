"""What `pip install seldfuse` gives: the wheel, installed elsewhere, runs the demo without the checkout."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("pip") is None or importlib.util.find_spec("hatchling") is None:
        pytest.skip("building the wheel needs pip and hatchling in this environment")
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_wheel_carries_checkpoints_plugins_and_the_clip_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.stat().st_size < 90_000_000
    assert "seldfuse/_checkpoints/sce-medium/model.safetensors" in names
    assert {f"seldfuse/_checkpoints/yolox/{name}" for name in ("nano.onnx", "README.md", "LICENSE")} <= set(names)
    assert "seldfuse/_demo/demo.mp4" in names
    assert "seldfuse_sed_doa/network.py" in names
    assert "seldfuse/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]


def test_the_installed_wheel_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip("install", "--no-deps", "--no-index", "--target", str(site), str(wheel))
    code = "import seldfuse, sys; print(seldfuse.__file__, file=sys.stderr); from seldfuse.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "@demo", "--post", "keypoint,gdino", "--json", "-o", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stderr.splitlines()[0]
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
