"""Trainings that version 0.1.0 left half-way, and the scenes that it kept for others, are taken up."""

import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from format1 import FOLDER, copied, of_this_version, one_thread, read_lines, unpacked
from worlds import call

TRAINING, BANK = FOLDER / "training", FOLDER / "bank"
CHUNKS = 200
"""Files of the bank, more than any number of processes renders ahead; all are the one that is kept."""

ALIKE = 0.02
"""How far weights may be off, as a share of how far they went after the training was stopped."""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, an empty cache, and a folder to which the paths of the recipes are relative."""
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with one_thread():
        yield


def losses(log: Path) -> list[float]:
    return [line["loss"] for line in read_lines(log)]


def weights_in(path: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in safetensors.torch.load_file(path).items()}


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return sum((one[name] - other[name]).abs().sum().item() for name in one)


@pytest.mark.parametrize(("backend", "stage", "done"), [("cmc", "", 2), ("mvanet", "3-all", 2)])
def test_a_training_goes_on_to_the_same_weights(backend: str, stage: str, done: int, tmp_path: Path) -> None:
    unpacked(f"training/{backend}-stopped.tar.xz", tmp_path)
    copied("training/clips", tmp_path)
    out = tmp_path / f"{backend}-stopped"
    earlier = {path: path.read_bytes() for path in out.glob("2-blind/*.safetensors")}
    stopped = weights_in(out / stage / "last" / "model.safetensors")
    assert call("train", backend, "-o", out.name, "--resume", "--device", "cpu") == 0
    whole = losses(TRAINING / "whole" / f"{backend}.jsonl")
    assert len(losses(out / stage / "log.jsonl")) == len(whole) > done
    assert losses(out / stage / "log.jsonl") == pytest.approx(whole, rel=0.01)
    made = weights_in(out / stage / "last" / "model.safetensors")
    kept = weights_in(TRAINING / "whole" / f"{backend}.safetensors")
    assert {name: tensor.shape for name, tensor in made.items()} == {name: one.shape for name, one in kept.items()}
    assert distance(made, kept) < ALIKE * distance(stopped, kept)
    # A stage that was finished is not gone through again.
    assert all(path.read_bytes() == data for path, data in earlier.items())
    assert json.loads((out / "config.json").read_text())["backend"] == backend


@pytest.mark.usefixtures("here_and_now")
def test_a_bank_serves_a_training_of_the_same_seed(tmp_path: Path) -> None:
    bank = tmp_path / "bank"
    (bank / "validation").mkdir(parents=True)
    for card, place in (("bank.json", bank), ("validation.json", bank / "validation")):
        told = of_this_version(json.loads((BANK / card).read_text()))
        (place / "bank.json").write_text(json.dumps(told, indent=2) + "\n")
    first = bank / "validation" / "000000.safetensors"
    first.write_bytes(lzma.decompress((BANK / "chunk.safetensors.xz").read_bytes()))
    for number in range(1, CHUNKS + 1):
        os.link(first, bank / f"{number:06}.safetensors")
    # Sounds by their names alone: to render one of them would be an error.
    for sound in (f"{name}/{group}.wav" for name in ("bell", "knock") for group in "abcde"):
        (tmp_path / "sounds" / sound).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sounds" / sound).touch()
    before = {path: path.stat().st_mtime_ns for path in bank.rglob("*")}
    arguments = ("--recipe", str(TRAINING / "cmc.toml"), "--data", "synth", "--sounds", "sounds", "--bank", "bank")
    assert call("train", "cmc", *arguments, "--steps", "2", "-o", "made", "--device", "cpu") == 0
    assert {path: path.stat().st_mtime_ns for path in bank.rglob("*")} == before
    assert losses(tmp_path / "made" / "log.jsonl") == pytest.approx(losses(BANK / "whole.jsonl"), rel=0.01)
