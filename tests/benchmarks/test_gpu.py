"""What trains on a rented machine: tried here, on the processor, with next to nothing."""

import csv
import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from worlds import HereAndNow, call, write_sounds

import seldfuse
from benchmarks.gpu import parity, remote_training
from benchmarks.gpu.checkout import write_metadata
from benchmarks.gpu.pack import pack_sounds, unpack_sounds
from benchmarks.gpu.parity import list_failures, measure_differences
from benchmarks.gpu.pieces import LIST, join_pieces, write_pieces
from benchmarks.gpu.remote_training import Leg, RemoteTrainingSettings, prepare_leg, train_remotely
from seldfuse.checkpoint import WEIGHTS, open_checkpoint
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.synth.dataset import workers
from seldfuse.train import setup
from seldfuse.train.progress import LOG
from seldfuse.train.recipe import parse_recipe
from seldfuse.train.recipe import read_table as read_recipe
from seldfuse.train.state import STATE

CLASSES = ("female_speech", "male_speech", "clapping")


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A table of sounds: two groups that train, one of them held, of one source; another source."""
    folder = write_sounds(tmp_path / "sounds", groups=4, seconds=0.5)
    rows = [
        (CLASSES[cls], "here" if group < 3 else "elsewhere", f"g{group % 3}", f"{place.name}/{group}.wav", side)
        for cls, place in enumerate(sorted(path for path in folder.iterdir() if path.is_dir()))
        for group, side in enumerate(("train", "train", "held", "train"))
    ]
    lines = [("class", "source", "group", "path", "side"), *rows]
    (folder / "manifest.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    return folder


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_pack_holds_the_sounds_as_they_are(sounds: Path, tmp_path: Path) -> None:
    result = pack_sounds(sounds, tmp_path / "pack.zip", most_mb=10.0, without=["elsewhere"])
    assert result == ({"train": 6, "held": 3}, {"train": 6, "held": 3})
    folder = unpack_sounds(tmp_path / "pack.zip", tmp_path / "unpacked")
    rows = read_table(folder)
    assert {row["source"] for row in rows} == {"here"}
    for row in rows:
        assert (folder / row["path"]).read_bytes() == (sounds / row["path"]).read_bytes()


def test_a_pack_keeps_its_size_and_every_group(sounds: Path, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copy(sounds / "0_hiss" / "0.wav", sounds / f"{number}.wav")
        with (sounds / "manifest.csv").open("a") as file:
            file.write(f"clapping,here,g0,{number}.wav,train\n")
    result = pack_sounds(sounds, tmp_path / "pack.zip", most_mb=0.28)
    assert (tmp_path / "pack.zip").stat().st_size < 280_000
    assert result.packed["train"] < result.known["train"] == 12
    unpacked = read_table(unpack_sounds(tmp_path / "pack.zip", tmp_path / "unpacked"))
    kept = [(row["class"], row["source"], row["group"]) for row in unpacked if row["side"] == "train"]
    assert len(set(kept)) == len(kept) == 9
    with pytest.raises(UsageError, match="no sound is from the source nowhere"):
        pack_sounds(sounds, tmp_path / "pack.zip", 1.0, ["nowhere"])
    with pytest.raises(UsageError, match=r"expected a folder of sounds with manifest.csv"):
        pack_sounds(tmp_path, tmp_path / "pack.zip", 1.0)


def test_pieces_are_joined_and_checked(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 100)
    written = write_pieces({"sce/weights": tmp_path / "weights"}, tmp_path / "out", piece_bytes=10_000)
    assert [path.name for path in written] == [LIST, *(f"piece-{number:02}" for number in range(len(written) - 1))]
    assert all(path.stat().st_size <= 10_000 for path in written)
    (made,) = join_pieces(tmp_path / "out", tmp_path / "joined")
    assert made == tmp_path / "joined" / "sce" / "weights"
    assert made.read_bytes() == (tmp_path / "weights").read_bytes()
    written[2].write_bytes(b"other")
    with pytest.raises(UsageError, match=r"the piece is not what was written; fetch it again: .*piece-01"):
        join_pieces(tmp_path / "out", tmp_path / "joined")
    written[2].unlink()
    with pytest.raises(UsageError, match=r"expected pieces.json and the pieces that it lists"):
        join_pieces(tmp_path / "out", tmp_path / "joined")


def test_differences_are_measured_where_something_sounds() -> None:
    shape = (1, 2, 13, 1)
    activity = torch.zeros(shape)
    activity[0, 0, 0] = 0.9
    direction, distance = torch.zeros(*shape, 3), torch.full(shape, 2.0)
    one = Posterior(activity, direction, distance)
    far = distance.clone()
    far[0, 0, 0], far[0, 1, 1] = 2.5, 100.0
    found = measure_differences(one, replace(one, activity=activity + 0.01, distance=far))
    assert found == pytest.approx({"activity": 0.01, "direction": 0.0, "distance": 0.25})
    assert list_failures({"sce": found}, {"sce": 0.02, "doa": float("nan"), "sde": 0.001}) == [
        "sce: distance differs by 0.25",
        "sce: the loss differs by 0.02",
        "doa: the loss differs by nan",
    ]


def test_a_checkout_has_the_entry_points_of_an_installation(tmp_path: Path) -> None:
    write_metadata(tmp_path)
    (made,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert (made.name, made.version) == ("seldfuse", seldfuse.__version__)
    found = {point.name: point.value for point in made.entry_points if point.group == "seldfuse"}
    assert found["builtin"] == "seldfuse.catalogue.bundled"
    assert found["sed_sce"] == "seldfuse_sed_sce"


class _Now:
    """Stands in for a process that trains."""

    def __init__(self, command: Sequence[str], **_options: Any) -> None:
        self.code = call(*command[3:])

    def wait(self, _seconds: float) -> int:
        return self.code


def test_a_call_trains_goes_on_and_sends_checkpoints_back(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", HereAndNow)
    monkeypatch.setattr(workers, "prepare_worker", lambda: None)
    monkeypatch.setattr(subprocess, "Popen", _Now)
    monkeypatch.setattr(setup, "SAMPLE", 16)
    monkeypatch.setattr(remote_training, "TRIAL_STEPS", 4)
    monkeypatch.setattr(remote_training, "SKIPPED_STEPS", 1)
    monkeypatch.setattr(parity, "TOLERANCES", {"activity": 0.0})
    monkeypatch.setattr(remote_training, "list_backends", lambda _entries: ["baseline"])
    pack_sounds(sounds, tmp_path / "pack.zip", 10.0)
    tiny = ("run.batch_size=2", "synth.validation_scenes=2", "synth.procedural_sounds=0", "network.channels=4")
    settings = RemoteTrainingSettings(
        *(tmp_path / name for name in ("pack.zip", "work", "out")),
        networks=("baseline",),
        device="cpu",
        scenes=8,
        steps=2,
        assign=tiny,
    )
    told: list[str] = []
    assert [path.name for path in train_remotely(settings, told.append)] == [LIST, "piece-00"]
    assert told[0] == "cpu computes what the processor does, in baseline"
    assert told[-1] == "training baseline for 2 steps"
    assert json.loads((tmp_path / "out" / "parity.json").read_text())["steps"] == {"baseline": 0.0}
    join_pieces(tmp_path / "out", tmp_path / "first")
    first = open_checkpoint(str(tmp_path / "first" / "baseline"), "baseline").config["training"]
    assert (first["recipe"]["run"]["steps"], first["recipe"]["init"]) == (2, "")

    # The next call begins a leg from what the last one left, with as many steps as there is time for.
    monkeypatch.setattr(remote_training, "TRAINED_SHARE", 1e-4)
    train_remotely(replace(settings, steps=0, parity=False), told.append)
    join_pieces(tmp_path / "out", tmp_path / "second")
    second = open_checkpoint(str(tmp_path / "second" / "baseline"), "baseline").config["training"]
    assert second["recipe"]["init"] == "baseline/leg-01"
    speed = json.loads((tmp_path / "work" / "speed.json").read_text())
    assert second["recipe"]["run"]["steps"] == int(told[-1].split()[3])
    assert speed["baseline"] > 0


def test_a_training_that_was_broken_off_is_gone_on_with(tmp_path: Path) -> None:
    settings = RemoteTrainingSettings(
        tmp_path / "pack.zip", tmp_path, tmp_path / "out", device="cpu", init=tmp_path / "init"
    )
    recipe = parse_recipe({"features": ["logmel"], "network": {}})
    (tmp_path / "init" / "sce").mkdir(parents=True)
    assert prepare_leg(settings, "sce", recipe, 9).folder.name == "leg-01"
    assert read_recipe(tmp_path / "recipes" / "sce.toml")["init"] == str(tmp_path / "init" / "sce")
    leg = tmp_path / "runs" / "sce" / "leg-01"
    leg.mkdir(parents=True)
    (leg / LOG).write_text('{"step": 4, "steps": 9}\n')
    # Without a state it begins again, with one it goes on.
    assert "--resume" not in prepare_leg(settings, "sce", recipe, 9).command
    (leg / STATE).touch()
    assert prepare_leg(settings, "sce", recipe, 9) == Leg(
        leg, [sys.executable, "-m", "seldfuse", "train", "sce", "--resume", "-o", str(leg), "--device", "cpu"]
    )
    (leg / LOG).write_text('{"step": 9, "steps": 9}\n')
    (leg / WEIGHTS).touch()
    assert prepare_leg(settings, "sce", recipe, 9).folder.name == "leg-02"
    assert read_recipe(tmp_path / "recipes" / "sce.toml")["init"] == str(leg)
