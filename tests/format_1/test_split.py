"""Splits that version 0.1.0 made: they go on where they stopped, and their scenes are drawn and read as ever."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format1 import FOLDER, copied, of_this_version, one_thread, read_lines, write_lines
from worlds import call

from seldfuse.media.encode import write_wav
from seldfuse.synth.dataset import workers

SPLIT = FOLDER / "split"
COMMANDS = {
    "dev-train-synth": ("--clips", "2", "--seed", "7", "--evenness", "0.5"),
    "dev-test-synth": ("--clips", "1", "--split", "dev-test-synth", "--video"),
}
RECORDING = "dev-train-sony/fold3_room21_mix013"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clips are made in this process, by one thread."""
    monkeypatch.setattr(workers, "run_workers", lambda orders, maker, _: (maker.make(order) for order in orders))
    with one_thread():
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The splits, with files in place of the sounds and videos, which are too large to keep."""
    folder = copied("split", tmp_path)
    for manifest in folder.glob("manifest-*.jsonl"):
        lines = read_lines(manifest)
        write_lines(manifest, [of_this_version(line) for line in lines])
        for name, digest in (pair for line in lines[1:] for pair in line["files"].items()):
            path = folder / name
            if path.suffix == ".csv":
                assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder


def leaves(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    pairs: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, one in pairs:
        yield from leaves(one, f"{above}.{name}")
    if not isinstance(value, Mapping | list):
        yield above, value


@pytest.mark.parametrize("split", COMMANDS)
def test_what_is_there_is_not_made_again(split: str, data: Path, capsys: Any) -> None:
    before = (data / f"manifest-{split}.jsonl").read_bytes()
    assert call("synth", str(data), *COMMANDS[split], "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["made"], document["clips"]) == (0, len(before.splitlines()) - 1)
    assert (data / f"manifest-{split}.jsonl").read_bytes() == before


def test_what_was_cut_from_recordings_is_not_cut_again(data: Path, tmp_path: Path, capsys: Any) -> None:
    # The manifest knows the recording by its name, its length and its size; W, Y, Z and X are of a source at 30°.
    source = tmp_path / "foa"
    sound = np.random.default_rng(1).uniform(-0.1, 0.1, 24_000 * 6)
    write_wav(source / "foa_dev" / f"{RECORDING}.wav", np.outer([1.0, 0.5, 0.0, 0.75**0.5], sound).astype(np.float32))
    labels = source / "metadata_dev" / f"{RECORDING}.csv"
    labels.parent.mkdir(parents=True)
    labels.write_text("".join(f"{frame},0,0,30,0,150\n" for frame in range(60)))
    assert call("synth", "from-foa", str(source), "-o", str(data), "--clips", "2", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["made"], document["clips"]) == (0, {"dev-train-sony": 2})


def test_a_clip_that_is_missing_is_drawn_as_it_was(data: Path) -> None:
    manifest = data / "manifest-dev-train-synth.jsonl"
    kept = read_lines(manifest)[2]
    (labels,) = (data / name for name in kept["files"] if name.endswith(".csv"))
    text = labels.read_text()
    labels.unlink()
    assert call("synth", str(data), *COMMANDS["dev-train-synth"]) == 0
    made = read_lines(manifest)[-1]
    assert labels.read_text() == text
    assert (made["number"], made["name"], made["seconds"]) == (1, kept["name"], kept["seconds"])
    assert made["files"].keys() == kept["files"].keys()
    ours, theirs = dict(leaves(made["plan"])), dict(leaves(kept["plan"]))
    assert ours.keys() == theirs.keys()
    numbers = {name for name, value in theirs.items() if isinstance(value, float)}
    assert {name: ours[name] for name in numbers} == pytest.approx({name: theirs[name] for name in numbers}, rel=1e-6)
    assert {name: ours[name] for name in theirs if name not in numbers} == {
        name: value for name, value in theirs.items() if name not in numbers
    }


@pytest.mark.parametrize("split", COMMANDS)
def test_plans_of_a_manifest_are_read(split: str, tmp_path: Path) -> None:
    manifest = SPLIT / f"manifest-{split}.jsonl"
    arguments = ("--plans", str(manifest), "--clips", "1", "--split", split)
    assert call("synth", str(tmp_path / "data"), *arguments) == 0
    made, kept = read_lines(tmp_path / "data" / manifest.name)[1], read_lines(manifest)[1]
    assert made["plan"] == kept["plan"]
    (labels,) = (name for name in made["files"] if name.endswith(".csv"))
    assert (tmp_path / "data" / labels).read_text() == (SPLIT / labels).read_text()
