"""A batch continues where it stopped: the finished is skipped, the changed is redone, and a kill spoils nothing.

The test with ten kills takes ten to thirty seconds.
"""

import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import THREE, call, noise, run_window_by_window, save_random, write_pcm

import seldfuse
from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.errors import UsageError
from seldfuse.formats import json as json_format
from seldfuse.media.encode import write_wav
from seldfuse.run_manifest import RunManifest, read_finished_clips


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random(tmp_path_factory.mktemp("model") / "sce", "sce", THREE)


class Batch:
    """A folder of short clips, a model, settings, and a run of them."""

    def __init__(self, folder: Path, model: Path, capsys: Any) -> None:
        self.inputs, self.out, self.settings = folder / "in", folder / "out", folder / "eager.toml"
        self.model = shutil.copytree(model, folder / "sce")
        self.settings.write_text("[decode]\nthreshold = 0.05\n")
        self.capsys = capsys
        for seed, name in enumerate(("a", "b", "deep/c")):
            write_wav(self.inputs / f"{name}.wav", noise(0.5, seed))

    @property
    def arguments(self) -> tuple[str, ...]:
        backend = f"sce@{self.model}"
        return ("run", str(self.inputs), "--backends", backend, "--fusion", str(self.settings), "-o", str(self.out))

    def run(self, *options: str, code: int = 0) -> dict[str, list[str]]:
        """Names of clips that were heard, skipped and failed."""
        self.capsys.readouterr()
        assert call(*self.arguments, *options, "--json") == code
        document = json.loads(self.capsys.readouterr().out)
        groups = {"heard": "results", "skipped": "skipped", "failed": "failures"}
        return {group: [clip["name"] for clip in document[key]] for group, key in groups.items()}

    def results(self) -> dict[str, bytes]:
        """Every file of the output folder, hidden ones too, but for the manifest."""
        paths = sorted(path for path in self.out.rglob("*") if path.is_file() and path.name != "manifest.jsonl")
        return {path.relative_to(self.out).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def batch(tmp_path: Path, model: Path, capsys) -> Batch:
    return Batch(tmp_path, model, capsys)


ALL = ["a", "b", "deep/c"]


def test_finished_clips_are_skipped_and_overwrite_redoes_them(batch: Batch) -> None:
    assert batch.run() == {"heard": ALL, "skipped": [], "failed": []}
    before = batch.results()
    written = {path: path.stat().st_mtime_ns for path in batch.out.rglob("*")}
    assert batch.run() == {"heard": [], "skipped": ALL, "failed": []}
    assert {path: path.stat().st_mtime_ns for path in batch.out.rglob("*")} == written
    assert batch.run("--overwrite") == {"heard": ALL, "skipped": [], "failed": []}
    assert batch.results() == before
    assert batch.run() == {"heard": [], "skipped": ALL, "failed": []}


def test_the_summary_says_how_many_were_skipped(batch: Batch) -> None:
    batch.run()
    (batch.out / "a.json").unlink()
    assert call(*batch.arguments) == 0
    said = batch.capsys.readouterr().err
    assert "note: 1 clip, " in said
    assert "note: 2 clips were there already; --overwrite redoes them\n" in said


def test_json_tells_the_files_of_skipped_clips(batch: Batch) -> None:
    batch.run()
    assert call(*batch.arguments, "--json") == 0
    document = json.loads(batch.capsys.readouterr().out)
    assert document["results"] == []
    assert document["skipped"][0] == {"name": "a", "files": [str(batch.out / "a.csv"), str(batch.out / "a.json")]}


def other_weights(batch: Batch) -> None:
    save_random(batch.model, "sce", THREE, seed=7)


def other_settings(batch: Batch) -> None:
    batch.settings.write_text("[decode]\nthreshold = 0.06\n")


def other_version(_: Batch) -> None:
    seldfuse.__version__ = "99.0"


@pytest.mark.parametrize(
    "options",
    [("--formats", "json"), ("--channels", "1,0"), ("--assume-mono",), ("--save-posteriors",), ("--fusion", "mean")],
)
def test_other_options_redo_everything_once(batch: Batch, options: tuple[str, ...]) -> None:
    batch.run()
    assert batch.run(*options)["heard"] == ALL
    assert batch.run(*options)["skipped"] == ALL


@pytest.mark.parametrize("change", [other_weights, other_settings, other_version])
def test_other_weights_settings_or_versions_redo_everything_once(
    batch: Batch, change: Callable[[Batch], None], monkeypatch
) -> None:
    monkeypatch.setattr(seldfuse, "__version__", seldfuse.__version__)
    batch.run()
    change(batch)
    assert batch.run()["heard"] == ALL
    assert batch.run()["skipped"] == ALL


def test_a_clip_is_redone_when_its_sound_changes_or_a_file_of_it_is_gone(batch: Batch) -> None:
    batch.run()
    path = batch.inputs / "a.wav"
    data = bytearray(path.read_bytes())
    data[-1] ^= 64
    path.write_bytes(data)
    (batch.out / "deep" / "c.csv").unlink()
    assert batch.run() == {"heard": ["a", "deep/c"], "skipped": ["b"], "failed": []}
    (batch.inputs / "b.wav").touch()
    assert batch.run()["skipped"] == ALL


def test_saved_posteriors_count_among_the_files(batch: Batch) -> None:
    batch.run("--save-posteriors")
    assert batch.run("--save-posteriors")["skipped"] == ALL
    next(batch.out.rglob("b.safetensors")).unlink()
    assert batch.run("--save-posteriors") == {"heard": ["b"], "skipped": ["a", "deep/c"], "failed": []}


def test_a_clip_that_failed_is_tried_again_and_counts_against_the_finished_ones(batch: Batch) -> None:
    good = (batch.inputs / "b.wav").read_bytes()
    (batch.inputs / "b.wav").write_text("no sound")
    assert batch.run(code=1) == {"heard": ["a", "deep/c"], "skipped": [], "failed": ["b"]}
    assert batch.run(code=1) == {"heard": [], "skipped": ["a", "deep/c"], "failed": ["b"]}
    (batch.inputs / "b.wav").write_bytes(good)
    assert batch.run() == {"heard": ["b"], "skipped": ["a", "deep/c"], "failed": []}


def test_a_clip_without_one_of_its_formats_is_not_finished(batch: Batch) -> None:
    write_pcm(batch.inputs / "b.wav", noise(0.5)[:1])
    assert batch.run("--assume-mono", code=2)["heard"] == ALL
    assert batch.run("--assume-mono", code=2) == {"heard": ["b"], "skipped": ["a", "deep/c"], "failed": []}


def test_files_of_two_recipes_are_not_taken_for_one(batch: Batch, monkeypatch) -> None:
    """The second run rewrites the CSV files and then fails, so that the first run's lines are no longer true."""
    batch.run()
    first = batch.results()
    other_settings(batch)
    with monkeypatch.context() as patch:
        patch.setattr(json_format, "write_result", lambda *_: (_ for _ in ()).throw(UsageError("no")))
        assert batch.run(code=2)["failed"] == ALL
    batch.settings.write_text("[decode]\nthreshold = 0.05\n")
    assert batch.run()["heard"] == ALL
    assert batch.results() == first


@pytest.mark.parametrize("kept", [1, 10, 0.5, -2, -1])
def test_a_torn_last_line_costs_one_clip(batch: Batch, kept: float) -> None:
    batch.run()
    manifest = batch.out / "manifest.jsonl"
    *lines, last = manifest.read_bytes().splitlines(keepends=True)
    assert json.loads(last)["clip"] == "deep/c"
    torn = last[: int(len(last) * kept)] if isinstance(kept, float) else last[:kept]
    manifest.write_bytes(b"".join([*lines, torn]))
    # Without its line feed alone, a line is whole.
    missing = [] if kept == -1 else ["deep/c"]
    assert batch.run()["heard"] == missing
    assert batch.run()["skipped"] == ALL


@pytest.mark.parametrize("junk", [b"\xff\xfe\n", b"[1, 2]\n", b'"clip"\n', b"\n\n", b"{}\n"])
def test_lines_that_say_nothing_are_passed_over(batch: Batch, junk: bytes) -> None:
    batch.run()
    manifest = batch.out / "manifest.jsonl"
    manifest.write_bytes(junk + manifest.read_bytes() + junk)
    assert batch.run()["skipped"] == ALL


def test_a_manifest_that_does_not_fit_fails_the_clip_and_stays_readable(batch: Batch) -> None:
    batch.run()
    manifest = batch.out / "manifest.jsonl"
    write_wav(batch.inputs / "e.wav", np.zeros((2, 2400), np.float32))
    manifest.write_bytes(manifest.read_bytes() + b" " * 4000 + b"\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (manifest.stat().st_size + 40, before[1]))
    try:
        found = batch.run(code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found == {"heard": [], "skipped": ALL, "failed": ["e"]}
    assert batch.run() == {"heard": ["e"], "skipped": ALL, "failed": []}
    assert batch.run()["skipped"] == [*ALL, "e"]


def test_the_manifest_only_grows_at_its_end(tmp_path: Path) -> None:
    """Fourteen thousand clips must not rewrite the file fourteen thousand times."""
    sound = tmp_path / "a.wav"
    sound.write_bytes(b"sound")
    manifest = RunManifest(tmp_path / "out", {"seldfuse": "1"})
    path, sizes = tmp_path / "out" / "manifest.jsonl", []
    inode = path.stat().st_ino
    for number in range(100):
        clip = Clip(f"{number:03}", ArrayAudio(noise(0.01)), path=sound)
        assert manifest.find_finished(clip) == []
        manifest.begin(clip.name)
        (tmp_path / "out" / clip.name).touch()
        manifest.finish(clip.name, [tmp_path / "out" / clip.name])
        sizes.append(path.stat().st_size)
    assert path.stat().st_ino == inode
    assert set(np.diff(sizes)) == {sizes[1] - sizes[0]}
    again = RunManifest(tmp_path / "out", {"seldfuse": "1"})
    assert again.find_finished(clip) == [tmp_path / "out" / "099"]
    assert path.stat().st_size == sizes[-1]


def test_a_manifest_that_cannot_be_read_is_a_usage_error(batch: Batch) -> None:
    (batch.out / "manifest.jsonl").mkdir(parents=True)
    with pytest.raises(UsageError, match="choose another folder with -o"):
        RunManifest(batch.out, {})


def test_what_a_killed_writer_left_is_no_result_and_goes_away(batch: Batch) -> None:
    batch.run("--save-posteriors")
    posteriors = next(batch.out.rglob("a.safetensors")).parent
    whole = batch.results()
    (batch.out / "manifest.jsonl").unlink()
    for draft in (batch.out / ".a.part.csv", batch.out / ".a.part.json", posteriors / ".a.part.safetensors"):
        draft.write_bytes(b"half a fi")
    assert call("fuse", str(posteriors), "-o", str(batch.out.parent / "fused"), "--fusion", "mean") == 0
    assert sorted(path.name for path in (batch.out.parent / "fused").glob("*.json")) == ["a.json", "b.json"]
    batch.run("--save-posteriors")
    assert batch.results().keys() == whole.keys()
    assert [batch.results()[name] for name in ("a.csv", "a.json")] == [whole[name] for name in ("a.csv", "a.json")]


def test_a_run_killed_at_any_moment_leaves_whole_files_and_continues_to_the_same_result(batch: Batch) -> None:
    for seed in range(3, 12):
        write_wav(batch.inputs / f"{seed:02}.wav", noise(1.0, seed))
    # A server that has everything imported forks the runs, so that they begin at once.
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["worlds", "seldfuse.pipeline", "seldfuse.formats.dcase", "seldfuse_sed_sce.infer"])

    def run(kill_after_s: float | None = None) -> tuple[int | None, float]:
        process = server.Process(target=run_window_by_window, args=((*batch.arguments, "--json"),))
        process.start()
        started = time.perf_counter()
        process.join(kill_after_s)
        process.kill()
        process.join()
        return process.exitcode, time.perf_counter() - started

    run()
    shutil.rmtree(batch.out)
    code, duration_s = run()
    reference = batch.results()
    assert (code, len(reference)) == (0, 24)

    rng, exit_codes = random.Random(0), []
    for _ in range(5):
        shutil.rmtree(batch.out)
        # The second kill hits a run that continues.
        for _ in range(2):
            exit_codes.append(run(duration_s * rng.uniform(0.2, 1.0))[0])
            visible = {name: data for name, data in batch.results().items() if not Path(name).name.startswith(".")}
            assert visible.items() <= reference.items()
        assert run()[0] == 0
        assert batch.results() == reference
    assert -9 in exit_codes


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_shards_share_the_clips_and_the_whole_command_merges_what_they_wrote(batch: Batch) -> None:
    batch.run()
    whole = batch.results()
    shutil.rmtree(batch.out)
    assert batch.run("--shard", "1/2")["heard"] == ["a", "deep/c"]
    assert batch.run("--shard", "2/2")["heard"] == ["b"]
    assert sorted(path.name for path in batch.out.glob("*.jsonl")) == ["manifest-1-of-2.jsonl", "manifest-2-of-2.jsonl"]
    # One that runs twice finds its clips finished, whatever the parts are.
    assert batch.run("--shard", "2/2")["skipped"] == ["b"]
    assert batch.run("--shard", "1/3")["skipped"] == ["a"]
    assert list(read_finished_clips(batch.out)) == ["a", "deep/c", "b"]
    assert batch.run() == {"heard": [], "skipped": ALL, "failed": []}
    assert [path.name for path in batch.out.glob("*.jsonl")] == ["manifest.jsonl"]
    assert [line["clip"] for line in read_manifest(batch.out) if "clip" in line] == ["a", "deep/c", "b"]
    assert batch.results() == whole


def test_what_a_dead_shard_left_undone_is_done_by_the_next(batch: Batch) -> None:
    batch.run("--shard", "1/2")
    manifest = batch.out / "manifest-1-of-2.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-30])
    assert batch.run("--shard", "1/2")["heard"] == ["deep/c"]
    assert batch.run() == {"heard": ["b"], "skipped": ["a", "deep/c"], "failed": []}


def test_the_newest_line_of_all_manifests_counts(batch: Batch) -> None:
    batch.run()
    assert batch.run("--shard", "1/3", "--fusion", "mean")["heard"] == ["a"]
    assert batch.run("--shard", "1/2") == {"heard": ["a"], "skipped": ["deep/c"], "failed": []}
    assert batch.run("--shard", "1/3", "--fusion", "mean")["heard"] == ["a"]
    assert batch.run() == {"heard": ["a"], "skipped": ["b", "deep/c"], "failed": []}


def test_a_shard_that_is_at_work_is_left_alone(batch: Batch) -> None:
    batch.out.mkdir()
    code = """
from seldfuse.run_manifest import *
manifest = RunManifest(Path("out"), {}, Shard(1, 2))
print(1, flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=batch.out.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        assert process.stdout.readline() == b"1\n"
        for options in ((), ("--shard", "1/2")):
            assert call(*batch.arguments, *options) == 2
            assert "writes here; wait for it" in batch.capsys.readouterr().err
        assert batch.run("--shard", "2/2")["heard"] == ["b"]
        process.communicate(b"\n")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "1/2/3", "-1/2"])
def test_a_shard_that_is_none_is_told(batch: Batch, text: str) -> None:
    assert call(*batch.arguments, "--shard", text) == 2
    assert f"such as 1/8 … 8/8, got {text!r}" in batch.capsys.readouterr().err


def test_pages_are_made_of_all_shards(batch: Batch) -> None:
    assert call(*batch.arguments, "--shard", "1/2", "--report") == 2
    assert "type it without --shard then" in batch.capsys.readouterr().err
