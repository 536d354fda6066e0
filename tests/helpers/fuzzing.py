"""Every reader of files, a good file for each, and ways in which files go bad."""

import json
import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from worlds import THREE, noise, plain_room, save_random, standing

from seldfuse.checkpoint import open_checkpoint
from seldfuse.cli.app import app
from seldfuse.cli.config import read_defaults
from seldfuse.core.detections import PERSON, UNTRACKED, Detections
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rules
from seldfuse.encoders.token_cache import TokenCache
from seldfuse.errors import SeldfuseError
from seldfuse.formats import dcase
from seldfuse.formats.json import read_document, read_segments
from seldfuse.fusion.settings import FusionSettings
from seldfuse.inference.member_folders import open_members
from seldfuse.media.container import probe
from seldfuse.media.encode import write_wav
from seldfuse.media.sound import FileAudio
from seldfuse.run_manifest import read_finished_clips
from seldfuse.synth.dataset.plans import read_plans
from seldfuse.synth.scene import Ambience, ScenePlan, ScenePlanSource, SoundTake
from seldfuse.train.recipe import parse_recipe, read_table
from seldfuse.train.state import _header
from seldfuse.vision.detection_store import load_if_same
from seldfuse.vision.settings import VisionSettings

DEEP = "[" * 20_000 + "]" * 20_000


@dataclass(frozen=True)
class Reader:
    """A reader of one kind of file: `make` writes a good one into a folder, and returns what is to go bad."""

    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _plan() -> ScenePlan:
    source = ScenePlanSource(0, (SoundTake("a", 0.0, 1.0),), standing(30.0))
    return ScenePlan((source,), plain_room(0.3), Ambience(-60.0))


def _posterior(folder: Path) -> Path:
    path = folder / "p" / "a.safetensors"
    Posterior(torch.full((1, 10, 13, 1), 0.4), distance=torch.ones(1, 10, 13, 1)).save(path)
    return path


def _detections(folder: Path) -> Path:
    path = folder / "a.detections.parquet"
    Detections.from_rows([(0.5, PERSON, 0.9, 100.0, 50.0, 200.0, 300.0, UNTRACKED)]).save(path)
    key = {"content": "x", "rate_hz": 2.0}
    _write(path.with_suffix(".json"), json.dumps({"key": key, "looked": [1], "size_px": [640, 360], "rules": {}}))
    return path


def _checkpoint(part: str) -> Callable[[Path], Path]:
    return lambda folder: Path(save_random(folder / "ck", "doa", THREE)) / part


def _wav(folder: Path) -> Path:
    write_wav(folder / "a.wav", noise(0.3))
    return folder / "a.wav"


def _cached(folder: Path) -> Path:
    TokenCache(folder).add("key", torch.zeros(5, 2))
    return next(folder.glob("*/*.safetensors"))


def _training_state(folder: Path) -> Path:
    from seldfuse.core.save_tensors import save_tensors

    path = folder / "state.safetensors"
    path.write_bytes(save_tensors({"a": torch.zeros(2)}, {"training": json.dumps({"step": 1})}))
    return path


def _load_checkpoint(path: Path) -> None:
    open_checkpoint(str(path.parent), "doa").read_weights()


def _read_stored(path: Path) -> None:
    load_if_same(path.with_suffix(".parquet"), {"content": "x", "rate_hz": 2.0})


DCASE_ROWS = "frame,class,source,azimuth,distance,onscreen\n0,8,0,0,200,0\n3,2,1,-40,150,1\n"
FUSION = (
    "[decode]\nthreshold = 0.4\nmax_gap_frames = 3\n\n[weights.doa]\nactivity = 2.0\n\n[calibration.doa]\nbias = 0.1\n"
)
VISION = "smoothing_s = 0.5\n\n[detectors.default]\nrecall = 0.7\n"
RECIPE = 'features = ["logmel"]\n\n[network]\n[network.trunk]\nchannels = 2\n\n[run]\nsteps = 5\nbatch_size = 2\n'
EVENT = {"class": "music", "class_id": 8, "start_s": 0.0, "end_s": 1.0, "azimuth_deg": 3.0}
DOCUMENT = {"format": "seldfuse-events", "labels": list(DCASE2025.names), "events": [EVENT], "duration_s": 1.0}
MANIFEST = '{"recipe": "x"}\n{"clip": "a", "input": {"size": 3}, "recipe": "x", "files": ["a.csv"]}\n'

READERS: Mapping[str, Reader] = {
    "fusion": Reader(lambda folder: _write(folder / "f.toml", FUSION), FusionSettings.resolve),
    "vision": Reader(lambda folder: _write(folder / "v.toml", VISION), VisionSettings.resolve),
    "rules": Reader(
        lambda folder: _write(folder / "r.toml", '[music]\nphrases = ["radio"]\nposition = [0.5, 0.2]\n'),
        lambda path: Rules.read(path, DCASE2025),
    ),
    "recipe": Reader(
        lambda folder: _write(folder / "recipe.toml", RECIPE), lambda path: parse_recipe(read_table(path))
    ),
    "config": Reader(
        lambda folder: _write(folder / "c.toml", '[run]\nbackends = "doa"\nexplain = true\n'),
        lambda path: read_defaults(path, _click()),
    ),
    "labels": Reader(lambda folder: _write(folder / "a.csv", DCASE_ROWS), dcase.read_events),
    "posterior": Reader(_posterior, Posterior.load),
    "member": Reader(_posterior, lambda path: [*open_members([path.parent]).read_clips()]),
    "detections": Reader(_detections, Detections.load),
    "companion": Reader(lambda folder: _detections(folder).with_suffix(".json"), _read_stored),
    "document": Reader(lambda folder: _write(folder / "a.json", json.dumps(DOCUMENT)), read_segments),
    "document of a run": Reader(lambda folder: _write(folder / "a.json", json.dumps(DOCUMENT)), read_document),
    "manifest": Reader(
        lambda folder: _write(folder / "manifest.jsonl", MANIFEST), lambda path: read_finished_clips(path.parent)
    ),
    "plans": Reader(
        lambda folder: _write(folder / "p.jsonl", f'{{"name": "a", "plan": {_plan().to_json()}}}\n'), read_plans
    ),
    "weights": Reader(_checkpoint("model.safetensors"), _load_checkpoint),
    "settings of a checkpoint": Reader(_checkpoint("config.json"), _load_checkpoint),
    "state": Reader(_training_state, lambda path: _header(path.parent)),
    "embeddings": Reader(_cached, lambda path: TokenCache(path.parents[1]).get("key", (5, 2))),
    "header of a sound": Reader(_wav, probe),
    "sound": Reader(_wav, lambda path: [*FileAudio(path).blocks(lambda _text: None)]),
}


def _click() -> object:
    import typer

    return typer.main.get_command(app)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Damage a file in one of many ways, once or a few times."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        data = rng.choice(_WAYS)(data, rng)
    return data


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 3, 20))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _drop(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randrange(1, 40) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.choice(_PIECES) + data[start:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.randrange(1, 60)]
    return data[:start] + piece * rng.choice((2, 10, 200)) + data[start:]


def _other_number(data: bytes, rng: random.Random) -> bytes:
    """Another value where a number stands, if there is one."""
    places = [place for place, one in enumerate(data[:20_000]) if 48 <= one <= 57]
    if not places:
        return data
    start = end = rng.choice(places)
    while end < len(data) and data[end : end + 1] in b"0123456789.e-+":
        end += 1
    return data[:start] + rng.choice(_NUMBERS) + data[end:]


_WAYS = (_flip, _cut, _drop, _insert, _repeat, _other_number, _other_number)
_NUMBERS = (
    b"-1", b"0", b"1e300", b"1e-300", b"99999999999999999999", b"NaN", b"Infinity", b"true", b"null", b'"x"', b"[]",
    b"{}", b"[1]", b"nan", b"inf", b"0.0000001", b"2147483648",
)  # fmt: skip
_PIECES = (
    b"\0", b"\xff\xfe", b"\n", b'"', b"{", b"[", b"]", b"}", b",", b"=", b".", b"\x1b[31m", b"\xed\xa0\x80",
    DEEP.encode(), b"a." * 5000 + b"a=1\n", b"x" * 70_000, b"[[a]]\n", b"\r\n", "\u202e".encode(),
)  # fmt: skip


def read_damaged(name: str, seed: int, folder: Path) -> str | None:
    """Read a damaged file; say what was wrong, None where it was read or refused as it should be."""
    reader, rng = READERS[name], random.Random(f"{name} {seed}")
    path = reader.make(folder)
    path.write_bytes(damage(path.read_bytes(), rng))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path)
    except SeldfuseError:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
