"""A real Ray on this machine: what is lost is done again, and what ends its process is named."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_jobs import SpellJob
from worlds import call, noise, save_random

from seldfuse.core.labels import DCASE2025
from seldfuse.errors import MediaError, UsageError
from seldfuse.executors import ray_executor
from seldfuse.executors.ray_executor import RayExecutor
from seldfuse.media.encode import write_wav

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray; type: pip install 'seldfuse[cluster]'"
)
# Ray leaves sockets and files to the end of the process.
quietly = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    with ray_executor.open_ray(use_gpus=False) as opened:
        yield opened


def test_without_ray_the_error_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest))
    assert call("run", "@demo", "--executor", "ray", "-o", str(tmp_path)) == 2
    assert capsys.readouterr().err.endswith("not installed; type: pip install 'seldfuse[cluster]'\n")


@needs_ray
@quietly
def test_chunks_are_done_and_a_process_loads_its_job_once(executor: RayExecutor, tmp_path: Path) -> None:
    words = [[f"{letter}{number}" for number in range(5)] for letter in "abcdefgh"]
    done = sorted(word for chunk in executor.run(SpellJob(tmp_path), words) for word in chunk)
    assert done == sorted(word.upper() for chunk in words for word in chunk)
    assert len(list(tmp_path.glob("loaded-*"))) <= executor._count_processes() + 1
    assert {path.read_text() for path in tmp_path.glob("[a-h]?")} == {"x"}


@needs_ray
@quietly
def test_what_was_lost_once_is_done_again_whole(executor: RayExecutor, tmp_path: Path) -> None:
    done = list(executor.run(SpellJob(tmp_path), [["a", "once", "b"]]))
    assert done == [["A", "ONCE", "B"]]


@needs_ray
@quietly
def test_an_item_that_ends_its_process_is_named_and_the_others_are_done(executor: RayExecutor, tmp_path: Path) -> None:
    done = sorted(word for chunk in executor.run(SpellJob(tmp_path), [["a", "bad", "b"], ["c"]]) for word in chunk)
    assert done == ["A", "B", "C", "bad: the process that read it ended 2 times (a crash, or no memory left)"]
    # Twice in company, twice alone.
    assert (tmp_path / "bad").read_text() == "xxxx"


@needs_ray
@quietly
def test_an_error_of_the_job_ends_it_as_here(executor: RayExecutor, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^this word is not spelled$"):
        list(executor.run(SpellJob(tmp_path), [["refused"]]))


@needs_ray
@quietly
def test_a_cluster_without_gpus_is_told() -> None:
    with pytest.raises(UsageError, match="has no GPU; choose another --device"):
        RayExecutor(use_gpus=True)


@needs_ray
@quietly
def test_a_run_writes_the_bytes_of_a_run_here(executor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_random(Path("ck"), "sce", DCASE2025)
    Path("eager.toml").write_text("[decode]\nthreshold = 0.05\n")
    for number in range(4):
        write_wav(Path("in", f"{number}.wav"), noise(5.0, number))
    Path("in/cut.wav").write_text("no sound")
    command = ["run", "in", "--backends", "sce@ck", "--fusion", "eager.toml", "--device", "cpu", "-o"]
    assert call(*command, "here") == call(*command, "there", "--executor", "ray") == 1
    for path in sorted(Path("here").glob("*.csv")) + sorted(Path("here").glob("*.json")):
        assert path.read_bytes() == Path("there", path.name).read_bytes()
    assert len(list(Path("there").glob("*.csv"))) == 4
