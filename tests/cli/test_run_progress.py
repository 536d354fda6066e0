"""How far a run, a data set and a training are, on a terminal and in a log."""

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from seldfuse.cli import console
from seldfuse.cli.clip_counter import ClipCounter
from seldfuse.cli.commands.train import _StepPrinter
from seldfuse.cli.run_progress import RunProgress
from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import MediaError
from seldfuse.train.progress import StepReport


def make_clips(number: int, seconds: int = 10) -> list[Clip]:
    return [Clip(str(one), ArrayAudio(np.zeros((2, 24_000 * seconds), np.float32))) for one in range(number)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the seconds since the test began."""
    now = [0.0]
    for function in ("perf_counter", "monotonic"):
        monkeypatch.setattr(time, function, lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


def test_clips_percent_speed_and_time_left(clock: Callable[[float], None]) -> None:
    progress = RunProgress(make_clips(41), stats := RunStats())
    assert progress.to_line() == "0/41 clips, 0 %"
    progress.skipped, stats.clips, stats.audio_s = 1, 10, 100.0
    clock(4.0)
    assert progress.to_line() == "10/40 clips, 25 %, 25 × real time, 12 s left"
    clock(400.0)
    assert progress.to_line() == "10/40 clips, 25 %, 0 × real time, 20 min left"
    stats.stage_s["decoding"] = 2.0
    screen = Console(width=100, file=io.StringIO())
    screen.print(progress.to_table())
    shown = screen.file.getvalue()
    assert "10/40 clips, 25 %" in shown
    assert "decoding  2.0 s  50 × real time" in shown


def test_of_a_single_clip_it_is_the_sound_that_counts(clock: Callable[[float], None]) -> None:
    progress = RunProgress(make_clips(1), stats := RunStats())
    stats.audio_s = 5.0
    clock(1.0)
    assert progress.to_line() == "0/1 clip, 50 %, 5 × real time, 1 s left"


def test_a_counter_of_a_data_set_says_the_same(clock: Callable[[float], None]) -> None:
    counter = ClipCounter(10, fail_fast=False)
    assert counter.to_line() == "0/10 clips"
    counter.made = 4
    counter.failures.append(("a", MediaError("cut short")))
    clock(10.0)
    assert counter.to_line() == "5/10 clips, 50 %, 2 × real time, 10 s left"


def test_a_log_gets_a_line_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "LOG_INTERVAL_S", 0.01)
    monkeypatch.setattr("seldfuse.cli.console.print_note", lambda line: lines.append(line))
    lines: list[str] = []
    with console.show_progress(lambda: "a bar", lambda: "3/40 clips"):
        deadline = time.monotonic() + 10
        while len(lines) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert lines[:2] == ["3/40 clips", "3/40 clips"]
    shown = len(lines)
    time.sleep(0.05)
    assert len(lines) == shown


def test_a_training_prints_its_first_step_its_last_and_one_in_ten_seconds(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    report = _StepPrinter()
    for step in range(1, 31):
        clock(step)
        report(StepReport(step, 30, 0.5, 1e-3, float(step), 0.0))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"note: step {step}/30" for step in (1, 11, 21, 30)]
    assert lines[1] == "note: step 11/30, 37%, loss 0.5000, 0:00:19 left, 0% of the time waiting for scenes"
