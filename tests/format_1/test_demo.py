"""What version 0.1.0 wrote of the demo: heard again to the same, passed over where it is finished, fused and scored.

By tiny networks that never learned anything, in checkpoints that version 0.1.0 wrote: those that ship may change.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from format1 import (
    FOLDER,
    assert_same_document,
    assert_same_rows,
    assert_same_tensors,
    bring_manifest_up,
    copied,
    one_thread,
    unpacked,
)
from worlds import call

import seldfuse
from seldfuse.media import inputs
from seldfuse.vision.engines import EngineCatalogue

DEMO, SETTINGS = FOLDER / "demo", FOLDER / "settings"
RULES = ("keypoint", "gdino")
TUNED = (
    *("--backends", "doa@doa,sde@sde,sce@sce", "--save-posteriors"),
    *("--fusion", str(SETTINGS / "fusion-tuned.toml")),
)
# Vision and rules as they shipped: what ships today may be fitted anew.
EYES = (
    *("--backends", "cmc@cmc,sce@sce", "--post", "keypoint,gdino", "--explain", "--save-posteriors"),
    *("--vision", str(SETTINGS / "vision-fitted.toml")),
    *(word for name in RULES for word in ("--rules", f"{name}={SETTINGS / f'rules-{name}.toml'}")),
)
OWN = (
    *("--backends", "cmc@cmc,sce@sce", "--post", "keypoint,gdino", "--explain"),
    *("--fusion", str(SETTINGS / "fusion.toml"), "--vision", str(SETTINGS / "vision.toml")),
    *(word for name in RULES for word in ("--rules", f"{name}={SETTINGS / f'rules-{name}-mine.toml'}")),
)
COMMANDS = {"eyes": EYES, "tuned": TUNED, "settings": OWN}


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 0.1.0 came without detectors: where nothing was named, it read detections from a file beside the clip."""
    for path in (Path(seldfuse.__file__).parent / "_demo" / "demo.mp4", DEMO / "demo.detections.parquet"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(inputs, "_demo", lambda: [("demo", tmp_path / "demo.mp4")])
    monkeypatch.setattr(EngineCatalogue, "_first_ready", lambda self: self.recorded(None))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What the encoder saw in the demo. The folder in which commands are typed holds the checkpoints."""
    unpacked("demo/cache.tar.xz", tmp_path)
    monkeypatch.chdir(copied("demo/checkpoints", tmp_path))
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    with one_thread():
        yield tmp_path / "cache"


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_demo_sounds_as_ever(name: str, tmp_path: Path, cache: Path) -> None:
    kept, made, seen = DEMO / name, tmp_path / "made", files_of(cache)
    assert call("run", "@demo", *COMMANDS[name], "--device", "cpu", "-o", str(made)) == 0
    assert files_of(made) == files_of(kept)
    assert_same_rows(made / "demo.csv", kept / "demo.csv", "frame", "class", "source")
    if (kept / "demo.changes.csv").exists():
        assert_same_rows(made / "demo.changes.csv", kept / "demo.changes.csv", "frame", "class", "track")
    document, former = (json.loads((folder / "demo.json").read_text()) for folder in (made, kept))
    # Detectors were not named then.
    assert set(document.pop("detectors")) == (set() if name == "tuned" else set(RULES))
    # Events tell since then between which azimuths they move.
    assert all(event.pop(f"azimuth_{end}_deg") is not None for event in document["events"] for end in ("low", "high"))
    assert_same_document(document, former)
    for path in sorted(kept.rglob("*.safetensors")):
        assert_same_tensors(made / path.relative_to(kept), path)
    # Nothing was looked at that had been looked at before.
    assert files_of(cache) == seen


@pytest.mark.parametrize("name", COMMANDS)
def test_a_finished_clip_is_not_heard_again(name: str, tmp_path: Path, capsys: Any) -> None:
    out = copied(f"demo/{name}", tmp_path)
    bring_manifest_up(out / "manifest.jsonl")
    before = (out / "manifest.jsonl").read_bytes()
    assert call("run", "@demo", *COMMANDS[name], "--device", "cpu", "-o", str(out)) == 0
    assert "of sound in" not in capsys.readouterr().err
    assert (out / "manifest.jsonl").read_bytes() == before


def test_posteriors_are_fused(tmp_path: Path) -> None:
    members = [str(DEMO / "tuned" / "posteriors" / f"{name}@{name}") for name in ("doa", "sde", "sce")]
    assert call("fuse", *members, *TUNED[-2:], "-o", str(tmp_path / "fused")) == 0
    assert_same_rows(tmp_path / "fused" / "demo.csv", DEMO / "tuned" / "demo.csv", "frame", "class", "source")


def test_events_are_fused_and_scored(tmp_path: Path, capsys: Any) -> None:
    for name in ("eyes", "tuned"):
        (tmp_path / name).mkdir()
        shutil.copy(DEMO / name / "demo.csv", tmp_path / name)
    folders = [str(tmp_path / name) for name in ("eyes", "tuned")]
    assert call("fuse", *folders, "-o", str(tmp_path / "fused")) == 0
    capsys.readouterr()
    assert call("eval", folders[0], folders[0], "--average", "micro", "--json") == 0
    assert json.loads(capsys.readouterr().out)["f20_1"] == 1.0
    assert call("eval", folders[0], folders[1], "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    kept = json.loads((DEMO / "eval.json").read_text())
    assert scores.keys() >= kept.keys()
    assert {name: scores[name] for name in ("f_class", "doae_deg", "rde")} == pytest.approx(
        {name: kept[name] for name in ("f_class", "doae_deg", "rde")}
    )
