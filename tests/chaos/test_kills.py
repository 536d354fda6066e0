"""Kills of real processes at random moments: files are whole or not there, and the same command goes on to the same
bytes.

`SELDFUSE_KILLS` of them, spread over the commands, none where it is not set: each takes seconds. `make chaos N=100`.
Fewer are in the tests of `run`, `train` and `synth`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from worlds import noise, save_random, write_sounds

from seldfuse.core.labels import DCASE2025
from seldfuse.media.encode import write_wav

KILLS = int(os.environ.get("SELDFUSE_KILLS", "0"))
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST_S = 600

pytestmark = pytest.mark.skipif(not KILLS, reason="set SELDFUSE_KILLS, or type make chaos")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, sounds, a tiny checkpoint, and posteriors with labels to fit to."""
    folder = tmp_path_factory.mktemp("world")
    save_random(folder / "ck", "sce", DCASE2025)
    write_sounds(folder / "sounds")
    for place, name in (("0_hiss", "water_tap"), ("1_tone", "bell"), ("2_tick", "knock")):
        (folder / "sounds" / place).rename(folder / "sounds" / name)
    labels = folder / "labels"
    labels.mkdir()
    # So many are needed to cross-validate a fit.
    for number in range(20):
        write_wav(folder / ("in" if number < 6 else "more") / f"{number}.wav", noise(5.0, number))
        rows = "".join(f"{frame},8,0,{10 * number},150,0\n" for frame in range(20, 40))
        (labels / f"{number}.csv").write_text("frame,class,source,azimuth,distance,onscreen\n" + rows)
    seldfuse(folder, "run", "in", "more", "--backends", "sce@ck", "--device", "cpu", "--save-posteriors", "-o", "heard")
    return folder


COMMANDS = {
    "run": "run in --backends sce@ck --device cpu --formats json --save-posteriors -o {out}",
    "synth": "synth scenes {out} --clips 6 --jobs 2 --sounds sounds --seed 3",
    "train": "train sce --data synth --sounds sounds --steps 6 --batch 2 --set run.validate_every=2 "
    "--set synth.validation_scenes=2 --set synth.pool_size=2 --device cpu -o {out}",
    "tune": "tune fusion heard/posteriors/sce@ck --reference labels -o {out}/fusion.toml",
}


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def seldfuse(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "seldfuse", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def kill(folder: Path, arguments: list[str], after_s: float, number: int) -> str:
    """Start a command and end it after some time, with its children in its group; return what it says."""
    command = [sys.executable, "-m", "seldfuse", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    if process.returncode not in (0, -signal.SIGKILL):
        assert process.returncode == 128 + number, said
    return said


def contents(folder: Path) -> dict[str, bytes]:
    """What a command made, but for what tells of its time: logs and manifests."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    timed = ("manifest", "log.jsonl", "README.md", "state.safetensors", "events.out")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if not path.name.startswith(timed)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_goes_on_to_the_same_bytes(world: Path, name: str) -> None:
    rng = random.Random(name)
    whole = COMMANDS[name].format(out=f"{name}-whole").split()
    started_s = time.perf_counter()
    seldfuse(world, *whole)
    duration_s = time.perf_counter() - started_s
    reference = contents(world / f"{name}-whole")
    assert reference
    for number in range(max(1, KILLS // len(COMMANDS))):
        out = f"{name}-{number}"
        command = COMMANDS[name].format(out=out).split()
        chosen = rng.choice(SIGNALS)
        said = kill(world, command, duration_s * rng.uniform(0.02, 0.98), chosen)
        assert "Traceback" not in said
        if name == "train" and (world / out / "state.safetensors").exists():
            command = ["train", "sce", "--resume", "--device", "cpu", "-o", out]
        seldfuse(world, *command)
        assert contents(world / out) == reference, f"kill {number} of {name}, {chosen}"


def test_a_json_line_that_a_kill_tore_is_cut(world: Path) -> None:
    command = COMMANDS["run"].format(out="torn").split()
    seldfuse(world, *command)
    manifest = world / "torn" / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-7])
    seldfuse(world, *command)
    lines = [line for line in manifest.read_text().splitlines() if line.endswith("}")]
    assert all(json.loads(line) for line in lines)
