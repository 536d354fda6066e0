"""Digests that stand on disk or decide who is held out: of the same inputs they are what version 0.1.0 made of them."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from format1 import FOLDER
from PIL import Image

from seldfuse.core.labels import DCASE2025
from seldfuse.encoders.audio_reader import AudioTokenReader
from seldfuse.encoders.models import AudioTokens
from seldfuse.encoders.token_cache import TokenCache
from seldfuse.formats.dcase import read_events
from seldfuse.media.encode import write_wav
from seldfuse.media.sound import FileAudio
from seldfuse.storage.digest import hash_file, hash_input
from seldfuse.synth.bank import STANDARD_FEATURES, SceneSupply
from seldfuse.synth.dataset.folder import DatasetSplit, describe_clip
from seldfuse.synth.dataset.split_manifest import describe_dataset
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.from_foa.recordings import FoaRecording
from seldfuse.synth.from_foa.write import describe_cuts as recipe_of_recordings
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.sounds.layouts import Side
from seldfuse.synth.sounds.procedural import build_procedural_bank, synthesize
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank, load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.weights.find import WeightFiles
from seldfuse_gdino.detector import load as load_gdino
from seldfuse_keypoint.pair import PoseWeights

SIDES = {"drawn from": False, "held out": True}
SOUND_SIDES: dict[str, Side] = {"drawn from": "train", "held out": "held"}
VERSION = "seldfuse"
"""The key of the version, which is no digest."""


class Deaf:
    """An encoder of sound that hears nothing; what it gave is kept under its name and version."""

    name, version, sample_rate_hz, whole_channels, channels = "clap", "0123", 48_000, 1, 1

    def encode(self, audio: torch.Tensor) -> AudioTokens:
        return AudioTokens(torch.zeros(len(audio), 1), torch.zeros(len(audio), audio.shape[1] // 4_800, 1))


def written(path: Path, data: bytes = b"seldfuse") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def of_files(root: Path) -> dict[str, Any]:
    """Of one file, in all the places that have a digest of their own."""
    file, other = written(root / "file.wav"), written(root / "other.pth", b"weights")
    kept = TokenCache(root / "kept")
    kept.add("a key", torch.zeros(1))
    write_wav(root / "silence.wav", np.zeros((2, 48_000), np.float32))
    AudioTokenReader(FileAudio(root / "silence.wav"), Deaf(), kept, str).read_window(0, 20)
    split = DatasetSplit(root / "data", "dev-train")
    labels = written(split.get_path("a", "csv"), b"frame,class,source,azimuth,distance,onscreen\n")
    written(split.get_path("a", "wav"))
    return {
        "file of a manifest": hash_file(file, "blake2b-128"),
        "content of a clip": hash_input(file),
        "kept under keys": sorted(path.relative_to(root).as_posix() for path in (root / "kept").rglob("*.*")),
        "files of a clip": dict(describe_clip(split, "a", read_events(labels), video=False).files),
        "pair of OpenMMLab's": PoseWeights(file, other).version(),
        "weights": WeightFiles(file, None).hash_version(),
        "words of gdino": load_gdino("recorded", torch.device("cpu"), None).engine_id,
    }


def of_sounds(root: Path) -> dict[str, Any]:
    """Keys, sides and digests of sounds that are not opened."""
    for number, name in enumerate("abcdefghij"):
        written(root / "sounds" / "knock" / f"{name}.wav", bytes([number]))
        written(root / "sounds" / "12_bell" / f"{name}{name}" / "one.flac")
    rows = "".join(f"bell,speaker {number},files/{number}.wav\n" for number in range(7))
    written(root / "listed" / "manifest.csv", f"class,group,path\n{rows}".encode())
    banks = {name: load_bank(root / "sounds", DCASE2025, side) for name, side in SOUND_SIDES.items()}
    listed = {name: load_bank(root / "listed", DCASE2025, side) for name, side in SOUND_SIDES.items()}
    made = {name: build_procedural_bank(DCASE2025, side, 2) for name, side in SIDES.items()}
    ramp = BankSound(12, "ramp", np.arange(2400, dtype=np.float32), np.ones(1, dtype=bool))
    stage = SceneIngredients(banks["drawn from"], SceneStatistics.load())
    told = describe_dataset(
        stage, {"sounds": root / "sounds", "plans": root / "listed" / "manifest.csv", "srir": None}, seed=1
    )
    SceneSupply(stage, STANDARD_FEATURES, 1, root / "bank")
    card = json.loads((root / "bank" / "bank.json").read_text())
    return {
        "folders": {name: list(bank.keys) for name, bank in banks.items()},
        "file": banks["drawn from"].hash_sound(banks["drawn from"].keys[0]),
        "table": {name: list(bank.keys) for name, bank in listed.items()},
        "procedural": {name: list(bank.keys) for name, bank in made.items()},
        "in memory": SoundBank.from_sounds(DCASE2025, {"ramp": ramp}).hash_sound("ramp"),
        "recipe of a split": {name: value for name, value in told.items() if name != VERSION},
        "card of a bank": {name: value for name, value in card.items() if name != VERSION},
    }


def of_sprites(root: Path) -> dict[str, Any]:
    for name in "abcdefghij":
        path = root / "sprites" / "telephone" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGBA", (40, 60))
        picture.paste((90, 90, 90, 255), (5, 5, 35, 55))
        picture.save(path)
    return {
        name: list(load_cutouts(root / "sprites", DCASE2025, side).classes["telephone"])
        for name, side in SOUND_SIDES.items()
    }


def of_recordings(root: Path) -> dict[str, Any]:
    sound, labels = written(root / "a.wav"), written(root / "a.csv", b"0,0,0,30,0,150\n")
    told = recipe_of_recordings([FoaRecording("dev-train", "a", sound, labels, None, 60)], seed=1, hop_s=5.0)
    return {name: value for name, value in told.items() if name != VERSION}


def of_models() -> dict[str, Any]:
    """Numbers in place of digests, for processors do not agree in the last bit."""
    waves = {name: synthesize(name, 4) for name in ("bell", "knock", "footsteps", "water_tap")}
    return {name: [wave.size, float(np.abs(wave).mean()), *map(float, wave[1000:1003])] for name, wave in waves.items()}


MAKERS = {"files": of_files, "sounds": of_sounds, "sprites": of_sprites, "recordings": of_recordings}


@pytest.mark.parametrize("name", MAKERS)
def test_digests_are_what_they_were(name: str, tmp_path: Path) -> None:
    kept = json.loads((FOLDER / "digests.json").read_text())
    assert json.loads(json.dumps(MAKERS[name](tmp_path))) == kept[name]


def test_computed_sounds_are_what_they_were() -> None:
    kept = json.loads((FOLDER / "digests.json").read_text())["models"]
    assert of_models() == {name: pytest.approx(numbers, abs=1e-4) for name, numbers in kept.items()}


def test_a_computed_sound_has_the_digest_of_its_samples() -> None:
    bank = build_procedural_bank(DCASE2025, held_out=False, count=1)
    assert bank.hash_sound("procedural/bell/0") == sha256(synthesize("bell", 0).tobytes()).hexdigest()
