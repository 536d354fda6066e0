"""Kills of Ray's processes while they hear clips: none is lost, none told twice, and the files are as without.

One kill and 50 clips where Ray is installed; `make chaos N=100` makes it 20 kills and 500 clips.
"""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from worlds import noise, save_random

from seldfuse.core.labels import DCASE2025
from seldfuse.media.encode import write_wav

KILLS = 20 if os.environ.get("SELDFUSE_KILLS") else 1
CLIPS = 500 if os.environ.get("SELDFUSE_KILLS") else 50
COMMAND = "run in --backends sce@ck --fusion eager.toml --device cpu --formats json,dcase --json -q -o"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray; type: pip install 'seldfuse[cluster]'"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, a tiny checkpoint, and what a run in this process finds in them."""
    folder = tmp_path_factory.mktemp("cluster")
    save_random(folder / "ck", "sce", DCASE2025)
    (folder / "eager.toml").write_text("[decode]\nthreshold = 0.05\n")
    for number in range(CLIPS):
        write_wav(folder / "in" / f"{number:03}.wav", noise(5.0, number))
    with start(folder, "here") as process:
        assert process.wait() == 0
    return folder


def start(folder: Path, out: str, *options: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with (folder / f"{out}.told").open("wb") as told:
        command = [sys.executable, "-m", "seldfuse", *COMMAND.split(), out, *options]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=told)


def list_workers(process: int) -> list[int]:
    """List the processes below a process that are at work for Ray."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(path.name)] = (path / "cmdline").read_bytes()
        except OSError:
            continue

    def is_below(one: int) -> bool:
        return one == process or (one in parents and is_below(parents[one]))

    return [one for one, name in names.items() if name.startswith(b"ray::_work") and is_below(one)]


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".csv", ".json")}


def test_clips_whose_processes_are_killed_are_heard_all_the_same(world: Path) -> None:
    rng, killed = random.Random(0), 0
    with start(world, "there", "--executor", "ray") as process:
        while process.poll() is None:
            # Spread over the run, however fast it is.
            due = len(list((world / "there").glob("*.csv"))) >= killed * CLIPS / KILLS
            if killed < KILLS and due and (workers := list_workers(process.pid)):
                os.kill(rng.choice(workers), signal.SIGKILL)
                killed += 1
            time.sleep(0.05)
    assert (process.returncode, killed) == (0, KILLS)
    told = json.loads((world / "there.told").read_text())
    assert [clip["name"] for clip in told["results"]] == [f"{number:03}" for number in range(CLIPS)]
    lines = [json.loads(line) for line in (world / "there" / "manifest.jsonl").read_text().splitlines()]
    assert sorted(line["clip"] for line in lines if "clip" in line) == [f"{number:03}" for number in range(CLIPS)]
    there, here = read_files(world / "there"), read_files(world / "here")
    assert there.keys() == here.keys()
    different = [name for name in here if there[name] != here[name]]
    # A clip whose processes were killed twice was heard alone: the last bit depends on the size of the batch.
    assert not different or KILLS > 1
    assert len(different) < len(here) / 20
    for name in different:
        if name.endswith(".csv"):
            rows = [np.loadtxt(files[name].decode().splitlines(), delimiter=",", skiprows=1) for files in (there, here)]
            np.testing.assert_allclose(*rows, atol=1)
