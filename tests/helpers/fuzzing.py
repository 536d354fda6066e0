"""Every reader of files, a good file for each, and ways in which files go bad."""

import gzip
import json
import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from unittest.mock import patch

import av
import numpy as np
import torch
from worlds import THREE, noise, plain_room, save_random, standing

from seldfuse.catalogue import host
from seldfuse.checkpoint import open_checkpoint
from seldfuse.cli.app import app
from seldfuse.cli.config import read_defaults
from seldfuse.core.detections import PERSON, UNTRACKED, Detections
from seldfuse.core.geometry import Camera
from seldfuse.core.label_sets import find_labels
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rules
from seldfuse.encoders.token_cache import TokenCache
from seldfuse.errors import SeldfuseError
from seldfuse.formats import dcase
from seldfuse.formats.json import read_document, read_segments
from seldfuse.fusion.settings import FusionSettings
from seldfuse.inference.member_folders import open_members
from seldfuse.inspection import inspect_data
from seldfuse.media.container import probe
from seldfuse.media.encode import write_wav
from seldfuse.media.sound import FileAudio
from seldfuse.report.read import ReportSources
from seldfuse.run_manifest import read_finished_clips
from seldfuse.submission import describe_system, find_evaluation_clips
from seldfuse.synth.bank import read_seed
from seldfuse.synth.dataset.plans import read_plans
from seldfuse.synth.pictures.background import load_backgrounds
from seldfuse.synth.pictures.cutouts import find_cutouts, read_cutout
from seldfuse.synth.rooms.measured import load_responses
from seldfuse.synth.scene import Ambience, ScenePlan, ScenePlanSource, SoundTake
from seldfuse.synth.sounds.soundbank import load_bank, read_sound
from seldfuse.train.recipe import parse_recipe, read_table
from seldfuse.train.recipe_paths import read_recipe
from seldfuse.train.state import _header
from seldfuse.vision.detection_store import load_if_same
from seldfuse.vision.settings import VisionSettings
from seldfuse.weights.conversion import read_scaler
from seldfuse.weights.find import WeightFiles
from seldfuse.weights.training_file import find_tensors, read_training_file

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

FOA_ROWS = "0,8,0,20,5,150\n4,2,1,-40,0,150\n"
LABELS = 'name = "mine"\nextends = "TAU-NIGENS 2021"\nclasses = ["a", {name = "b"}]\nlabelled = ["a"]\n'
LABELS_JSON = {"name": "mine", "classes": [{"name": "a", "title": "A", "typical_distance_m": 2.0}, "b"]}
PATHS = (
    'features = ["logmel"]\ninit = "./ck"\n\n[[data]]\nsource = "clips"\nweight = 2.0\n\n'
    '[synth]\nsounds = "../sounds"\n\n[network]\nchannels = 2\n'
)
SOUNDS = "class,group,path,side\nmusic,a,a.wav,train\nbell,b,b.wav,held\n"
POSITIONS = "file,azimuth_deg,elevation_deg,distance_m\na.wav,20,0,1.5\n"
PERSON_POINTS = [[10.0, 10.0 + row, 2.0] for row in range(17)]
RUN = {"recipe": "x", "backends": [{"name": "doa", "checkpoint": {"doa-medium/config.json": "0"}}], "fov_deg": 90.0,
       "channels": {"pair": [0, 1], "assume_mono": False, "stream": None}}  # fmt: skip
METADATA = "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"


def _data(part: str, channels: int = 2) -> Callable[[Path], Path]:
    """A folder of data, of which one file is to go bad."""

    def make(folder: Path) -> Path:
        place = folder / "data"
        place.mkdir()
        write_wav(place / "a.wav", np.tile(noise(5.5), (channels // 2, 1)))
        _write(place / "a.csv", DCASE_ROWS if channels == 2 else FOA_ROWS)
        _write(place / "labels.toml", 'extends = "DCASE2025"\n')
        return place / part

    return make


def _png(path: Path, alpha: int = 255) -> Path:
    picture = np.full((40, 20, 4), 200, np.uint8)
    picture[:, 10:, 3] = alpha
    with av.open(str(path), "w", format="image2") as file:
        stream = file.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = 20, 40, "rgba"
        file.mux([*stream.encode(av.VideoFrame.from_ndarray(picture, "rgba")), *stream.encode(None)])
    return path


def _cutout(part: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = folder / "cutouts" / "person"
        place.mkdir(parents=True)
        _png(place / "a.png", 0)
        card = {"keypoints": PERSON_POINTS, "point": [3, 4], "height_m": 1.7}
        _write(place / "a.json", json.dumps(card))
        _write(place.parent / "persons.json", json.dumps([{"file": "person/a.png", "keypoints": PERSON_POINTS}]))
        return place.parent / part

    return make


def _sounds(folder: Path) -> Path:
    for name in ("a.wav", "b.wav"):
        write_wav(folder / name, noise(0.5)[:1])
    return _write(folder / "manifest.csv", SOUNDS)


def _positions(folder: Path) -> Path:
    pulse = np.zeros(4800, np.float32)
    pulse[100] = 0.5
    gains = np.array([1.0, np.sin(np.radians(20)), 0.0, np.cos(np.radians(20))], np.float32)
    write_wav(folder / "a.wav", gains[:, None] * pulse)
    return _write(folder / "positions.csv", POSITIONS)


def _packed_plans(folder: Path) -> Path:
    path = folder / "p.jsonl.gz"
    path.write_bytes(gzip.compress(f'{{"name": "a", "plan": {_plan().to_json()}}}\n'.encode()))
    return path


def _saved(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.save({"model": {"a": torch.zeros(2)}, "step": 1}, folder / name)
        return folder / name

    return make


def _scaler(folder: Path) -> Path:
    np.savez(folder / "s.npz", mean=np.zeros(4), std=np.ones(4))
    return folder / "s.npz"


def _run_folder(part: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        _write(folder / "a.csv", DCASE_ROWS)
        frames = {"columns": ["frame", "class_id", "azimuth_deg"], "rows": [[0, 8, 3.0]]}
        whole = {**DOCUMENT, "events": [{**EVENT, "source": 0}], "frames": frames, "hop_s": 0.1, "backends": ["doa"]}
        _write(folder / "a.json", json.dumps(whole))
        clip = {"clip": "a", "input": {"path": "a.wav", "size": 3}, "recipe": "x", "files": ["a.csv", "a.json"]}
        _write(folder / "manifest.jsonl", f"{json.dumps(RUN)}\n{json.dumps(clip)}\n")
        return folder / part

    return make


def _installation(part: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = folder / "acme-1.0.dist-info"
        _write(place / "METADATA", METADATA)
        _write(place / "entry_points.txt", "[seldfuse]\nacme = no_such_module\n")
        return place / part

    return make


def _find_plugins(path: Path) -> object:
    with patch.object(host, "distributions", lambda: distributions(path=[str(path.parents[1])])):
        return host.load_registry.__wrapped__()


def _check_data(path: Path) -> object:
    return inspect_data(path.parent, DCASE2025)


def _find_cutouts(path: Path) -> object:
    folder = path.parent if path.name == "persons.json" else path.parents[1]
    return [read_cutout(card) for card in find_cutouts(folder, DCASE2025, None).values()]


def _read_background(path: Path) -> object:
    return load_backgrounds(path.parent).read_picture(path.name, _plan(), Camera())


def _read_run(path: Path) -> None:
    describe_system("A_B_task3_1", path.parent, {"a": path.parent / "a.csv"}, {})
    for _ in ReportSources(path.parent).read_clips():
        pass


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
    "a file of labels": Reader(lambda folder: _write(folder / "l.toml", LABELS), lambda path: find_labels(str(path))),
    "labels in JSON": Reader(
        lambda folder: _write(folder / "l.json", json.dumps(LABELS_JSON)), lambda path: find_labels(str(path))
    ),
    "labels of data": Reader(_data("labels.toml"), _check_data),
    "events of data": Reader(_data("a.csv"), _check_data),
    "sound of data": Reader(_data("a.wav"), _check_data),
    "events of a first-order recording": Reader(_data("a.csv", 4), _check_data),
    "sound of a first-order recording": Reader(_data("a.wav", 4), _check_data),
    "a recipe's paths": Reader(
        lambda folder: _write(folder / "recipe.toml", PATHS), lambda path: parse_recipe(read_recipe(path))
    ),
    "packed plans": Reader(_packed_plans, read_plans),
    "a table of sounds": Reader(_sounds, lambda path: load_bank(path.parent, DCASE2025, "train")),
    "a sound of a bank": Reader(_wav, lambda path: read_sound(0, "a", path)),
    "positions": Reader(_positions, lambda path: load_responses(path.parent)),
    "a cut-out": Reader(_cutout("person/a.png"), _find_cutouts),
    "what is known of a cut-out": Reader(_cutout("person/a.json"), _find_cutouts),
    "a list of people": Reader(_cutout("persons.json"), _find_cutouts),
    "a background": Reader(lambda folder: _png(folder / "a.png"), _read_background),
    "a card of scenes": Reader(
        lambda folder: _write(folder / "bank.json", json.dumps({"seed": 3, "features": ["logmel"]})),
        lambda path: read_seed(path.parent, 0),
    ),
    "settings of weights": Reader(
        lambda folder: _write(folder / "config.json", json.dumps({"model_type": "clip"})),
        lambda path: WeightFiles(path, path.parent).read_settings("config.json"),
    ),
    "pickled weights": Reader(_saved("w.bin"), lambda path: WeightFiles(path, None).read_tensors(within="model")),
    "a training file": Reader(_saved("w.pth"), lambda path: find_tensors(read_training_file(path), "model")),
    "a scaler": Reader(_scaler, read_scaler),
    "a list of clips": Reader(lambda folder: _write(folder / "c.txt", "name\na.wav\nb\n"), find_evaluation_clips),
    "a run's manifest": Reader(_run_folder("manifest.jsonl"), _read_run),
    "a run's events": Reader(_run_folder("a.json"), _read_run),
    "metadata of a plugin": Reader(_installation("METADATA"), _find_plugins),
    "entry points of a plugin": Reader(_installation("entry_points.txt"), _find_plugins),
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
