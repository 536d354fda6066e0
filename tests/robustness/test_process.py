"""A process of the command line among others: its streams, signals, and others that write into the same folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seldfuse.errors import UsageError
from seldfuse.interruption import handle_signals, is_interrupted, was_interrupted
from seldfuse.storage.atomic import remove_left_drafts, stage_files, write_atomically
from seldfuse.storage.lock import lock_file

LONGEST_S = 120


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def plugins(environment: dict[str, str], **streams: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seldfuse", "plugins"]
    return subprocess.run(
        command, env=environment, stderr=subprocess.PIPE, text=True, timeout=LONGEST_S, check=False, **streams
    )


def test_a_closed_stdout_is_no_traceback(environment: dict[str, str]) -> None:
    done = plugins(environment, preexec_fn=lambda: os.close(1))
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_stdout_is_a_sentence(environment: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = plugins(environment, stdout=full)
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: the results could not be printed (No space left on device); what was to be written is written\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_with_one_line(environment: dict[str, str], number: int) -> None:
    code = (
        "import sys, time; from seldfuse.cli import app, main; sys.argv = ['seldfuse', 'plugins']\n"
        "def wait(*_): print('ready', file=sys.stderr, flush=True); time.sleep(60)\n"
        "app._run = wait; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    said = process.communicate(timeout=LONGEST_S)[1]
    assert (process.returncode, said) == (128 + number, "note: stopped\n")


def test_a_plugin_s_own_interrupt_is_told_from_the_user_s() -> None:
    with handle_signals(own_process=False):
        assert not was_interrupted(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(signal.SIGINT)
        assert is_interrupted()
        assert was_interrupted(caught.value)
    assert was_interrupted(KeyboardInterrupt())


@pytest.fixture
def holder(tmp_path: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a file."""
    code = (
        "import sys; from pathlib import Path; from seldfuse.storage.lock import lock_file\n"
        "held = lock_file(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "m")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_two_processes_do_not_write_one_manifest(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"another run, process {holder.pid}, writes here"):
        lock_file(tmp_path / "m")
    holder.kill()
    holder.wait()
    first = lock_file(tmp_path / "m")
    assert lock_file(tmp_path / "m") is first


def test_drafts_have_names_of_their_own_and_those_of_dead_processes_go(tmp_path: Path) -> None:
    with write_atomically(tmp_path / "a.txt") as one, write_atomically(tmp_path / "a.txt") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
        left = tmp_path / one.name.replace(str(os.getpid()), "999999999")
        left.write_text("half")
        assert remove_left_drafts(tmp_path) == 1
        assert not left.exists()
    assert (tmp_path / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_files_of_a_stage_come_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")

    def fail(drafts: list[Path]) -> None:
        drafts[0].write_text("new")
        drafts[0].with_name(f".{drafts[0].name}.part").write_text("half")
        raise UsageError(f"no more: {drafts[1]}")

    paths = [tmp_path / "a.csv", tmp_path / "a.json"]
    with pytest.raises(UsageError, match=f"^no more: {tmp_path}/a.json$"), stage_files(paths) as drafts:
        fail(drafts)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"
    with stage_files([tmp_path / "sub" / "a.csv"]) as (draft,):
        draft.write_text("new")
        draft.with_suffix(".png").write_text("beside it")
    assert {path.name: path.read_text() for path in (tmp_path / "sub").iterdir()} == {
        "a.csv": "new",
        "a.png": "beside it",
    }
