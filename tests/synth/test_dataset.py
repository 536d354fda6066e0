"""`seldfuse synth`: scenes on disk, the same whoever makes them, and whole whatever happens.

Processes take seconds to start; where it does not matter who makes a clip, this process does.
"""

import gzip
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from worlds import call, save_random

from seldfuse.core.labels import DCASE2025
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.media.container import probe
from seldfuse.media.encode import write_wav
from seldfuse.media.inputs import find_clips
from seldfuse.synth import codec
from seldfuse.synth.dataset import workers
from seldfuse.synth.dataset.folder import DatasetSplit, write_clip
from seldfuse.synth.dataset.plans import read_plans
from seldfuse.synth.dataset.workers import ClipOrder, SceneClipMaker, run_workers
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.recording_chain import encode_aac
from seldfuse.synth.render import render_scenes
from seldfuse.synth.rooms import noise, shoebox
from seldfuse.synth.scene import MeasuredRoom, RecordingChain, ScenePlan, ScenePlanSource, SoundTake
from seldfuse.synth.scene import SourcePath as Walk
from seldfuse.synth.sounds.procedural import build_procedural_bank
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank
from seldfuse.synth.timelines.statistics import SceneStatistics

SPLIT = "dev-train-synth"
CLIPS = 5
PLAIN = RecordingChain()
PROGRAM = (sys.executable, "-c", "from seldfuse.cli import main; main()", "synth", "scenes")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clips are made in this process, as a process of the crew makes them."""
    monkeypatch.setattr(workers, "run_workers", lambda orders, maker, _: (maker.make(order) for order in orders))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # What several threads have computed may differ in the last bit.
    _forget()
    yield
    _forget()
    torch.set_num_threads(threads)


def _forget() -> None:
    for module in (codec, noise, shoebox):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split made by one process."""
    out = tmp_path_factory.mktemp("made") / "data"
    assert call("synth", "scenes", str(out), "--clips", str(CLIPS), "--jobs", "1") == 0
    return out


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def lines(out: Path, split: str = SPLIT) -> list[dict]:
    """The manifest's lines about clips."""
    return [json.loads(line) for line in (out / f"manifest-{split}.jsonl").read_text().splitlines()[1:]]


def frozen(path: Path, *plans: ScenePlan) -> Path:
    path.write_text(
        "".join(
            json.dumps({"name": f"scene{i}", "plan": json.loads(plan.to_json())}) + "\n" for i, plan in enumerate(plans)
        )
    )
    return path


def knocks(seconds: float = 1.5) -> np.ndarray:
    time_s = np.arange(int(24_000 * seconds)) / 24_000
    noise = np.random.default_rng(0).standard_normal(len(time_s))
    return np.asarray(0.1 * noise * (time_s % 0.25 < 0.1), dtype=np.float32)


def sounding(key: str = "procedural/knock/0", wear: RecordingChain = PLAIN) -> ScenePlan:
    place = (1.5, 1.0, 0.0)
    return ScenePlan((ScenePlanSource(12, (SoundTake(key, 1.0, 1.0),), Walk(place, place)),), wear=wear)


# Layout and contents


def test_a_split_has_the_layout_of_the_challenge(made: Path) -> None:
    names = [line["name"] for line in lines(made)]
    assert len(set(names)) == CLIPS
    expected = {f"manifest-{SPLIT}.jsonl"}
    expected |= {f"stereo_dev/{SPLIT}/{name}.wav" for name in names}
    expected |= {f"metadata_dev/{SPLIT}/{name}.csv" for name in names}
    assert contents(made).keys() == expected
    for name in names:
        with wave.open(str(made / "stereo_dev" / SPLIT / f"{name}.wav")) as file:
            assert file.getparams()[:4] == (2, 2, 24_000, 120_000)


@pytest.mark.parametrize(
    ("split", "number", "yaw_deg", "name"),
    [
        ("dev-train-synth", 0, 0.0, "fold1_room001_mix000_deg000_start0000"),
        ("dev-train-synth", 12_345, 359.6, "fold1_room013_mix345_deg000_start0000"),
        ("dev-test-synth", 999, 44.4, "fold4_room001_mix999_deg044_start0000"),
        ("dev-train-synth", 1_234_567, None, "fold1_room1235_mix567_deg000_start0000"),
    ],
)
def test_names_are_those_of_the_challenge(split: str, number: int, yaw_deg: float | None, name: str) -> None:
    room = None if yaw_deg is None else MeasuredRoom((), yaw_deg)
    assert DatasetSplit(Path("x"), split).clip_name(number, ScenePlan((), room)) == name


def test_labels_say_where_the_plan_puts_each_source(made: Path) -> None:
    checked = 0
    for line in lines(made):
        table = pd.read_csv(made / "metadata_dev" / SPLIT / f"{line['name']}.csv")
        assert list(table.columns) == ["frame", "class", "source", "azimuth", "distance", "onscreen"]
        for number, source in enumerate(ScenePlan.from_json(json.dumps(line["plan"])).sources):
            for row in table[(table["class"] == source.cls) & (table["source"] == number)].itertuples():
                x, y, z = source.path.compute_position((row.frame + 0.5) * 0.1)
                assert row.azimuth == pytest.approx(math.degrees(math.atan2(y, abs(x))), abs=0.51)
                assert row.distance == pytest.approx(100 * math.sqrt(x * x + y * y + z * z), abs=0.51)
                assert not row.onscreen or (x > 0 and abs(row.azimuth) <= 50)
                checked += 1
        frames = table.groupby("class").size()
        assert line["seconds"] == pytest.approx({DCASE2025.names[cls]: count / 10 for cls, count in frames.items()})
    assert checked > 50


def test_the_manifest_tells_the_recipe_and_vouches_for_every_file(made: Path) -> None:
    first = json.loads((made / f"manifest-{SPLIT}.jsonl").read_text().splitlines()[0])
    assert first["recipe"]["seed"] == 12332
    assert [line["number"] for line in lines(made)] == list(range(CLIPS))
    vouched = {name: digest for line in lines(made) for name, digest in line["files"].items()}
    del (found := contents(made))[f"manifest-{SPLIT}.jsonl"]
    assert vouched == {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}


def test_a_codec_of_the_plan_is_a_real_one(tmp_path: Path) -> None:
    stage = SceneIngredients(build_procedural_bank(DCASE2025, held_out=False), SceneStatistics.load())
    split = DatasetSplit(tmp_path, SPLIT)
    scene = sounding(wear=RecordingChain(gain_db=6.0, codec_kbps=48))
    write_clip(split, "coded", scene, stage, video=False)
    plain = render_scenes([replace(scene, wear=RecordingChain(gain_db=6.0))], stage.bank).audio[0].numpy()
    with wave.open(str(split.get_path("coded", "wav"))) as file:
        heard = np.frombuffer(file.readframes(120_000), "<i2").reshape(-1, 2).T / 32768
    assert np.abs(heard - encode_aac(plain, 48).clip(-1, 1)).max() < 1e-4
    assert np.abs(heard - plain).max() > 1e-3


def test_videos_go_with_the_sounds_and_can_be_run(tmp_path: Path, alone: None) -> None:
    assert call("synth", "scenes", str(tmp_path / "data"), "--clips", "2", "--split", "dev-test-synth", "--video") == 0
    for line in lines(tmp_path / "data", "dev-test-synth"):
        assert {name.split("/")[0] for name in line["files"]} == {"stereo_dev", "metadata_dev", "video_dev"}
        info = probe(tmp_path / "data" / "video_dev" / "dev-test-synth" / f"{line['name']}.mp4")
        assert (info.width, info.height, info.channels, info.sample_rate_hz) == (640, 360, 2, 24_000)
    clips = find_clips([tmp_path / "data"], "dev-test-synth")
    assert [clip.name.split("_")[0] for clip in clips] == ["dev-test-synth/fold4"] * 2
    times_s = [frame.time_s for frame in clips[0].video.frames(30_000 / 1001)]
    assert times_s == pytest.approx(np.arange(150) * 1001 / 30_000)
    backend = f"sce@{save_random(tmp_path / 'sce', 'sce', DCASE2025)}"
    assert call("run", str(tmp_path / "data"), "--backends", backend, "-o", str(tmp_path / "out")) == 0
    reference = tmp_path / "data" / "metadata_dev" / "dev-test-synth"
    assert call("eval", str(tmp_path / "out" / "dev-test-synth"), str(reference)) == 0


# The same whoever makes it


def test_a_run_of_two_processes_that_is_killed_goes_on_to_the_same_bytes_as_one_process(
    made: Path, tmp_path: Path, alone: None
) -> None:
    arguments = (str(tmp_path / "data"), "--clips", str(CLIPS), "--jobs", "2")
    process = subprocess.Popen([*PROGRAM, *arguments], stderr=subprocess.PIPE)
    manifest = tmp_path / "data" / f"manifest-{SPLIT}.jsonl"
    while not (manifest.is_file() and len(manifest.read_bytes().splitlines()) > 1):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    # The pipe closes when its last process ends: those that made clips do not outlive the one they worked for.
    process.communicate(timeout=20)
    whole = contents(made)
    found = {name: data for name, data in contents(tmp_path / "data").items() if not Path(name).name.startswith(".")}
    torn = found.pop(manifest.name)
    assert whole[manifest.name].startswith(torn)
    assert found.items() <= whole.items()
    assert len(torn) < len(whole[manifest.name])
    manifest.write_bytes(torn[:-20])
    assert call("synth", "scenes", *arguments) == 0
    assert contents(tmp_path / "data") == whole


def test_what_is_finished_is_not_made_again_and_more_clips_may_follow(
    made: Path, tmp_path: Path, alone, capsys
) -> None:
    out = Path(shutil.copytree(made, tmp_path / "data"))
    (out / "metadata_dev" / SPLIT / f"{lines(made)[1]['name']}.csv").unlink()
    assert call("synth", "scenes", str(out), "--clips", str(CLIPS + 1), "--json") == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert (document["made"], document["clips"], document["failures"]) == (2, CLIPS + 1, [])
    assert f"there already: {CLIPS - 1} clips; --overwrite makes all anew" in shown.err
    assert [line["number"] for line in lines(out)] == [*range(CLIPS), 1, CLIPS]
    assert contents(made).keys() < contents(out).keys()
    assert lines(out)[CLIPS] == lines(made)[1]


def test_plans_of_a_manifest_give_the_same_files(made: Path, tmp_path: Path, alone) -> None:
    packed = tmp_path / "plans.jsonl.gz"
    packed.write_bytes(gzip.compress((made / f"manifest-{SPLIT}.jsonl").read_bytes()))
    assert call("synth", "scenes", str(tmp_path / "data"), "--plans", str(packed), "--clips", "3") == 0
    assert lines(tmp_path / "data") == lines(made)[:3]
    assert list(read_plans(packed)) == [line["name"] for line in lines(made)]


@pytest.mark.parametrize(
    ("options", "different"),
    [(("--seed", "1"), "seed"), (("--evenness", "0.5", "--video"), "video, evenness"), (("--held-out",), "held_out")],
)
def test_another_recipe_does_not_go_into_the_same_split(
    made: Path, options: Sequence[str], different: str, capsys
) -> None:
    before = contents(made)
    assert call("synth", "scenes", str(made), "--clips", str(CLIPS), *options) == 2
    assert f"another recipe made what is here (different: {different}); choose another folder" in (
        said := capsys.readouterr().err
    )
    assert "start anew with --overwrite" in said
    assert contents(made) == before


def test_overwrite_deletes_the_split_and_nothing_else(made: Path, tmp_path: Path, alone) -> None:
    out = Path(shutil.copytree(made, tmp_path / "data"))
    (out / "stereo_dev" / SPLIT / ".half.part.wav").write_bytes(b"half a fi")
    other = out / "stereo_dev" / "dev-train-tau" / "mine.wav"
    other.parent.mkdir()
    other.write_bytes(b"mine")
    assert call("synth", "scenes", str(out), "--clips", "1", "--seed", "1", "--overwrite") == 0
    assert len(lines(out)) == 1
    assert contents(out).keys() == {
        *lines(out)[0]["files"],
        f"manifest-{SPLIT}.jsonl",
        "stereo_dev/dev-train-tau/mine.wav",
    }


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_recordings_that_others_made_stay(tmp_path: Path, options: Sequence[str], capsys) -> None:
    mine = tmp_path / "stereo_dev" / SPLIT / "mine.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert call("synth", "scenes", str(tmp_path), "--clips", "1", *options) == 2
    assert f"the split {SPLIT} holds files that seldfuse synth did not make; choose another split" in (
        capsys.readouterr().err
    )
    assert contents(tmp_path) == {f"stereo_dev/{SPLIT}/mine.wav": b"mine"}


# What goes wrong


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Good sounds, of which e is the one that is held out, and three bad inputs."""
    for name in ("a", "b", "e"):
        write_wav(tmp_path / "sounds" / "knock" / f"{name}.wav", knocks()[None])
    (tmp_path / "sounds" / "knock" / "broken.wav").write_bytes(b"no sound")
    write_wav(tmp_path / "sounds" / "knock" / "silent.wav", np.zeros((1, 4800), np.float32))
    (tmp_path / "sounds" / "dragon").mkdir()
    return tmp_path / "sounds"


def test_bad_sounds_are_named_once_and_the_rest_goes_on(sounds: Path, tmp_path: Path, alone, capsys) -> None:
    assert call("synth", "scenes", str(tmp_path / "data"), "--clips", "12", "--sounds", str(sounds)) == 0
    said = capsys.readouterr().err
    for problem in (
        "passed over: 'dragon' is no class of dcase2025",
        "passed over: expected a sound that FFmpeg reads",
        "passed over: the sound is silent",
    ):
        assert said.count(problem) == 1
    assert "the split holds 12 clips, 0.02 h; seconds by class: knock" in said
    used = {
        take["sound"]
        for line in lines(tmp_path / "data")
        for source in line["plan"]["sources"]
        for take in source["takes"]
    }
    assert used <= {"knock/a.wav", "knock/b.wav"}


def test_fail_fast_stops_at_the_first_bad_input(sounds: Path, tmp_path: Path, alone, capsys) -> None:
    arguments = ("synth", "scenes", str(tmp_path / "data"), "--clips", "12", "--sounds", str(sounds), "--fail-fast")
    assert call(*arguments) == 2
    assert "error: 'dragon' is no class" in capsys.readouterr().err
    (sounds / "dragon").rmdir()
    assert call(*arguments) == 4
    assert "passed over" not in (said := capsys.readouterr().err)
    assert "broken.wav" in said or "silent.wav" in said


def test_clips_that_cannot_be_made_are_named_and_the_rest_goes_on(tmp_path: Path, alone, capsys) -> None:
    for name in ("a", "e"):
        write_wav(tmp_path / "sounds" / "knock" / f"{name}.wav", knocks()[None])
    (tmp_path / "sounds" / "knock" / "broken.wav").write_bytes(b"no sound")
    plans = frozen(tmp_path / "plans.jsonl", sounding("knock/broken.wav"), sounding("knock/a.wav"))
    arguments = ("--plans", str(plans), "--sounds", str(tmp_path / "sounds"), "--split", "dev-test-synth")
    assert call("synth", "scenes", str(tmp_path / "data"), *arguments, "--json") == 1
    shown = capsys.readouterr()
    assert "error: scene0: expected a sound that FFmpeg reads" in shown.err
    assert "error: 1 clip failed" in shown.err
    assert [(failure["name"], failure["exit_code"]) for failure in json.loads(shown.out)["failures"]] == [("scene0", 4)]
    assert [line["name"] for line in lines(tmp_path / "data", "dev-test-synth")] == ["scene1"]
    assert call("synth", "scenes", str(tmp_path / "none"), *arguments, "--clips", "1") == 4


def test_bad_cut_outs_and_label_files_are_named_and_the_rest_goes_on(tmp_path: Path, alone, capsys) -> None:
    (tmp_path / "sprites" / "bell").mkdir(parents=True)
    Image.new("RGB", (20, 40)).save(tmp_path / "sprites" / "bell" / "flat.png")
    ringing = Image.new("RGBA", (20, 40))
    ringing.paste("red", (5, 5, 15, 35))
    ringing.save(tmp_path / "sprites" / "bell" / "cut.png")
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "header.csv").write_text("frame,class,source,azimuth,distance,onscreen\n" + "3,12,0,20,100,0\n")
    (labels / "plain.csv").write_text("".join(f"{frame},12,0,20,0,150\n" for frame in range(20)))
    (labels / "bad.csv").write_text("frame,class,source,azimuth,distance,onscreen\n3,99,0,20,100,0\n")
    arguments = ("--video", "--sprites", str(tmp_path / "sprites"), "--statistics", str(labels))
    assert call("synth", "scenes", str(tmp_path / "data"), "--clips", "1", *arguments) == 0
    said = capsys.readouterr().err
    assert "passed over: expected an RGBA cut-out, but no pixel of it is transparent" in said
    assert "passed over: expected 0 to 12 (dcase2025) for class, got 99 in line 2" in said
    assert call("synth", "scenes", str(tmp_path / "other"), "--clips", "1", *arguments, "--fail-fast") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected the number of clips; add --clips 1000"),
        (("--clips", "0"), "Invalid value for '--clips'"),
        (("--clips", "1", "--jobs", "0"), "Invalid value for '--jobs'"),
        (("--clips", "1", "--seed", "-1"), "Invalid value for '--seed'"),
        (("--clips", "1", "--evenness", "1.5"), "Invalid value for '--evenness'"),
        (
            ("--clips", "1", "--split", "../x"),
            "--split expects the name of a folder, such as dev-train-synth, got '../x'",
        ),
        (("--clips", "1", "--sprites", "x"), "--sprites and --backgrounds are for videos; add --video"),
        (("--clips", "1", "--sounds", "gone"), "--sounds expects a folder of sounds: gone"),
        (("--clips", "1", "--srir", "gone"), "--srir expects a folder of measured responses: gone"),
        (("--clips", "1", "--statistics", "gone"), "--statistics expects a folder of label files: gone"),
        (("--plans", "gone"), "expected a file of plans ([Errno 2] No such file or directory: 'gone'): gone"),
    ],
)
def test_what_cannot_be_is_refused(arguments: Sequence[str], message: str, tmp_path: Path, capsys) -> None:
    assert call("synth", "scenes", str(tmp_path / "data"), *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a file of plans, it holds none: .*p\.jsonl"),
        ("{", r"expected a scene's 'name' and 'plan' \(.*\), line 1: .*p\.jsonl"),
        (
            '{"name": "a", "plan": {"sources": []}}',
            r"expected a scene's 'name' and 'plan' \(KeyError\('ambience'\)\), line 1",
        ),
        ('{"name": "../a", "plan": PLAN}', r"expected a name that a file can have, got '../a', line 1: .*p\.jsonl"),
        (
            '{"name": "a", "plan": PLAN}\n{"name": "a", "plan": PLAN}',
            r"expected one plan of each name, got two for 'a', line 2",
        ),
    ],
)
def test_files_that_hold_no_plans_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text.replace("PLAN", ScenePlan(()).to_json()))
    with pytest.raises(UsageError, match=message):
        read_plans(path)


@pytest.mark.parametrize(
    ("plan", "options", "message"),
    [
        (sounding("knock/x.wav"), (), "scene0 takes the sound 'knock/x.wav', which is not there; give --sounds and"),
        (
            replace(sounding(), room=MeasuredRoom(("a.sofa#0",), 0.0)),
            (),
            "scene0 stands in a measured room that is not",
        ),
        (sounding(), ("--video",), "scene0 has no view, for it was drawn without --video; leave --video out"),
    ],
)
def test_plans_whose_parts_are_missing_are_refused(
    plan: ScenePlan, options: Sequence[str], message: str, tmp_path: Path, capsys
) -> None:
    plans = frozen(tmp_path / "plans.jsonl", plan)
    assert call("synth", "scenes", str(tmp_path / "data"), "--plans", str(plans), *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert call("synth", "scenes", str(tmp_path / "file" / "data"), "--clips", "1") == 2
    assert "cannot write here (Not a directory); choose another folder for OUT" in capsys.readouterr().err


def test_a_manifest_that_was_spoilt_is_named_and_can_be_overwritten(tmp_path: Path, alone, capsys) -> None:
    manifest = tmp_path / f"manifest-{SPLIT}.jsonl"
    for text in ("no manifest\n", "[]\n"):
        manifest.write_text(text)
        assert call("synth", "scenes", str(tmp_path), "--clips", "1") == 2
        assert "expected a manifest of seldfuse synth" in capsys.readouterr().err
    assert call("synth", "scenes", str(tmp_path), "--clips", "1", "--overwrite") == 0


def test_a_full_disk_stops_everything_and_leaves_no_half_clip(tmp_path: Path, alone, capsys, monkeypatch) -> None:
    def full(path: Path, *_: object) -> None:
        raise UsageError(f"writing failed (No space left on device): {path}")

    monkeypatch.setattr("seldfuse.synth.dataset.folder.write_wav", full)
    assert call("synth", "scenes", str(tmp_path / "data"), "--clips", "3") == 2
    assert "writing failed (No space left on device)" in capsys.readouterr().err
    assert lines(tmp_path / "data") == []
    assert list((tmp_path / "data").rglob("*.wav")) == []


def test_an_interruption_is_130_and_keeps_what_is_finished(tmp_path: Path, monkeypatch, capfd) -> None:
    def interrupted(orders: Sequence[ClipOrder], maker: SceneClipMaker, jobs: int) -> Iterator[workers.ClipOutcome]:
        yield maker.make(orders[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "run_workers", interrupted)
    assert call("synth", "scenes", str(tmp_path / "data"), "--clips", "3") == 130
    assert "stopped; the same command goes on from here" in capfd.readouterr().err
    assert [line["number"] for line in lines(tmp_path / "data")] == [0]


@dataclass(frozen=True)
class Deadly:
    """A sound that takes its process with it."""

    cls: int = 12
    source: str = ""
    group: str = "x"

    def read(self) -> BankSound:
        os._exit(1)

    def hash_content(self) -> str:
        return ""


def test_a_process_that_dies_is_an_error(tmp_path: Path) -> None:
    stage = SceneIngredients(SoundBank(DCASE2025, {"deadly": Deadly()}), SceneStatistics.load())
    orders = [ClipOrder(0, "a", sounding("deadly"))]
    with pytest.raises(SeldfuseError, match=r"a process that makes clips died.*type the same again, with fewer --jobs"):
        list(run_workers(orders, SceneClipMaker(DatasetSplit(tmp_path, SPLIT), stage, 0), jobs=1))
