"""Inputs and disks that bite: the right exit code, a message that helps, nothing half-written, the others finished."""

import errno
import json
import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from worlds import THREE, call, noise, save_random, write_pcm

import seldfuse
from seldfuse.errors import MediaError, UsageError
from seldfuse.inference import loaded_ensembles
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.encode import write_video, write_wav
from seldfuse.media.inputs import find_clips
from seldfuse.media.sound import FileAudio
from seldfuse.media.windows import cut_windows


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options by which a tiny untrained model hears something nearly everywhere."""
    root = tmp_path_factory.mktemp("sce")
    (root / "eager.toml").write_text("[decode]\nthreshold = 0.05\n")
    return ("--backends", f"sce@{save_random(root / 'sce', 'sce', THREE)}", "--fusion", str(root / "eager.toml"))


@dataclass
class Run:
    """What `seldfuse run … --json` left behind."""

    code: int
    document: dict[str, Any]
    said: str
    files: list[str]

    @property
    def heard(self) -> dict[str, dict[str, Any]]:
        return {result["name"]: result for result in self.document["results"]}

    @property
    def failed(self) -> dict[str, str]:
        return {failure["name"]: failure["error"] for failure in self.document["failures"]}


@pytest.fixture
def run(common: tuple[str, ...], tmp_path: Path, capsys) -> Callable[..., Run]:
    def run(*arguments: str | Path) -> Run:
        capsys.readouterr()
        code = call("run", *map(str, arguments), *common, "-o", str(tmp_path / "out"), "--json", "--frames")
        shown = capsys.readouterr()
        document = json.loads(shown.out) if shown.out else {}
        return Run(code, document, shown.err, files_below(tmp_path / "out"))

    return run


def files_below(folder: Path) -> list[str]:
    """All files, hidden ones too, but for the manifest."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in found if name != "manifest.jsonl")


def film(path: Path, picture_ms: list[int], sound_ms: int | None = 0) -> Path:
    """Pictures at the given times and a second of noise that begins at `sound_ms`; without sound where None."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        if sound_ms is not None:
            sound = file.add_stream("pcm_s16le", rate=24_000, layout="stereo")
            packed = (noise(1.0).T.ravel()[None] * 32767).astype(np.int16)
            whole = av.AudioFrame.from_ndarray(packed, format="s16", layout="stereo")
            whole.sample_rate, whole.pts, whole.time_base = 24_000, sound_ms * 24, Fraction(1, 24_000)
            file.mux(sound.encode(whole))
        for time_ms in picture_ms:
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = time_ms, Fraction(1, 1000)
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
    return path


def cut_off(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def with_header(path: Path, at: int, value: int, size: int) -> Path:
    """A good WAV file of which one number of the header is another one."""
    write_wav(path, noise(0.5))
    data = bytearray(path.read_bytes())
    data[at : at + size] = value.to_bytes(size, "little")
    path.write_bytes(data)
    return path


def spoilt(value: float) -> np.ndarray:
    samples = noise(1.0)
    samples[1, 6000] = value
    return samples


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no-sound.mkv": (lambda path: film(path, [0, 40], None), "expected a file with sound, found no audio stream in it"),
    "mono.wav": (
        lambda path: write_pcm(path, noise(0.5)[:1]),
        "one channel cannot be localised, for a direction comes from what differs between two; give a stereo "
        "recording, or type --assume-mono to learn only which classes sound",
    ),
    "four.wav": (
        lambda path: write_pcm(path, noise(0.5)[[0, 1, 0, 1]]),
        "expected stereo, got 4 channels; say which two are left and right, counted from 0: --channels 0,1",
    ),
    "empty.wav": (lambda path: path.touch(), "the file is empty"),
    "header-only.wav": (lambda path: write_wav(path, noise(0.0)), "the sound holds no samples, or none that can be"),
    "text.wav": (lambda path: path.write_text("hello world\n" * 50), "this is no sound or video that FFmpeg reads"),
    "cut-in-the-header.mp4": (
        lambda path: (write_video(path, [np.zeros((32, 32, 3), np.uint8)], 10, noise(0.5)), cut_off(path, 0.05)),
        "this is no sound or video that FFmpeg reads, or its header is damaged",
    ),
    "nan.wav": (
        lambda path: write_pcm(path, spoilt(np.nan)),
        "the sound holds NaN or Inf, first at 0.250 s; export it anew",
    ),
    "inf.wav": (lambda path: write_pcm(path, spoilt(-np.inf)), "the sound holds NaN or Inf, first at 0.250 s"),
    "rate.wav": (
        lambda path: with_header(path, 24, 3, 4),
        "expected a sample rate of 1000 to 1000000 Hz, got 3 Hz; the header is damaged, so export the sound anew",
    ),
    "wide.wav": (
        lambda path: write_pcm(path, noise(0.5), "pcm_s64le"),
        "expected samples of at most 32 bits, or floats",
    ),
    "unknown-codec.wav": (lambda path: with_header(path, 20, 0x7A21, 2), "found one of an unknown codec in it"),
}


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    (tmp_path / "bad").mkdir()
    for name, (make, _) in BAD.items():
        make(tmp_path / "bad" / name)
    return tmp_path / "bad"


def test_bad_files_are_reported_one_by_one_and_the_good_one_is_finished(run, bad: Path) -> None:
    write_wav(bad / "good.wav", noise(0.5))
    result = run(bad)
    assert result.code == 1
    assert list(result.heard) == ["good"]
    assert result.files == ["good.csv", "good.json"]
    for name, (_, message) in BAD.items():
        error = result.failed[Path(name).stem]
        assert error.startswith(message) or message in error
        assert error.endswith(f": {bad / name}")
        assert error in result.said


def test_where_all_files_are_bad_the_code_is_that_of_bad_media(run, bad: Path) -> None:
    assert run(bad).code == 4
    assert run(bad / "nan.wav").code == 4
    assert run(bad, "--fail-fast").code == 4


GOOD: dict[str, tuple[Callable[[Path], object], float, str]] = {
    "silence.wav": (lambda path: write_wav(path, np.zeros((2, 48_000), np.float32)), 2.0, "the sound is silent"),
    "ten-milliseconds.wav": (lambda path: write_wav(path, noise(0.01)), 0.01, ""),
    "one-sample.wav": (lambda path: write_wav(path, noise(0.01)[:, :1]), 0.0, ""),
    "variable-frame-rate.mkv": (lambda path: film(path, [0, 10, 25, 400, 410, 900]), 1.0, ""),
    "late-sound.mkv": (lambda path: film(path, [0, 500, 1000, 1500], 800), 1.8, ""),
    "late-picture.mkv": (lambda path: film(path, [700, 800, 900]), 1.0, ""),
    "cut.wav": (
        lambda path: (write_wav(path, noise(2.0)), cut_off(path, 0.5)),
        1.0,
        "the sound ends at 1.0 s, but the file promises 2.0 s; was it cut off?",
    ),
    "latin-1.wav": (lambda path: write_with_title(path, "Küche".encode("latin-1")), 0.5, ""),
}


def write_with_title(path: Path, title: bytes) -> None:
    write_wav(path, noise(0.5))
    title += b"\0" * (len(title) % 2)
    tag = b"INFOINAM" + len(title).to_bytes(4, "little") + title
    whole = path.read_bytes() + b"LIST" + len(tag).to_bytes(4, "little") + tag
    path.write_bytes(whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:])


def test_odd_files_are_heard_and_what_is_odd_is_said(run, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    for name, (make, _, _) in GOOD.items():
        make(tmp_path / "odd" / name)
    result = run(tmp_path / "odd")
    assert result.code == 0
    for name, (_, duration_s, note) in GOOD.items():
        document = result.heard[Path(name).stem]
        assert document["duration_s"] == pytest.approx(duration_s, abs=0.002)
        frames = [row[0] for row in document["frames"]["rows"]]
        assert all(frame < max(1, round(duration_s * 10)) for frame in frames)
        assert [text[: len(note)] for text in document["notes"]] == [note] * bool(note), name
    assert result.heard["ten-milliseconds"]["frames"]["rows"] != []


def test_silence_is_a_result_without_events_whatever_the_model_makes_of_zeros(run, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros((2, 24_000), np.float32))
    result = run(tmp_path / "a.wav")
    assert (result.code, result.heard["a"]["events"]) == (0, [])
    assert (tmp_path / "out" / "a.csv").read_text() == "frame,class,source,azimuth,distance,onscreen\n"


def test_a_recording_that_is_silent_for_a_while_is_not_silent(run, tmp_path: Path) -> None:
    samples = noise(2.0)
    samples[:, :24_000] = 0
    write_wav(tmp_path / "a.wav", samples)
    assert run(tmp_path / "a.wav").heard["a"]["events"] != []


def test_mono_that_is_allowed_gives_classes_and_no_directions(run, tmp_path: Path) -> None:
    write_pcm(tmp_path / "a.wav", noise(1.0)[:1])
    result = run(tmp_path / "a.wav", "--assume-mono", "--formats", "json")
    assert (result.code, result.files) == (0, ["a.json"])
    document = json.loads((tmp_path / "out" / "a.json").read_text())
    assert document["events"] != []
    for event in document["events"]:
        assert event["score"] > 0
        assert (event["azimuth_deg"], event["distance_m"], event["onscreen"]) == (None, None, None)
    assert document["notes"] == ["a mono recording has no directions: the result is which classes sound"]


def test_mono_is_heard_as_the_same_sound_on_both_channels(common, tmp_path: Path) -> None:
    backends, fusion = common[1], common[3]
    write_pcm(tmp_path / "mono.wav", noise(1.0)[:1])
    write_pcm(tmp_path / "twice.wav", noise(1.0)[[0, 0]])
    mono, twice = seldfuse.run(
        [tmp_path / "mono.wav", tmp_path / "twice.wav"],
        backends,
        fusion=fusion,
        channels=ChannelSelection(assume_mono=True),
    )
    assert mono.posterior.provides == ("activity",)
    assert twice.posterior.provides[:3] == ("activity", "direction", "distance")
    assert mono.posterior.activity.equal(twice.posterior.activity)


def test_a_dcase_file_of_mono_is_refused_and_the_stereo_beside_it_gets_one(run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_pcm(tmp_path / "in" / "mono.wav", noise(1.0)[:1])
    write_wav(tmp_path / "in" / "stereo.wav", noise(1.0))
    result = run(tmp_path / "in", "--assume-mono")
    sentence = (
        "the format dcase was not written for 1 clip (mono): it needs the direction of every event, which is unknown "
        "there, as in a mono recording; leave it out with --formats json"
    )
    assert (result.code, result.document["refused"]) == (2, [sentence])
    assert sentence in result.said
    assert result.files == ["mono.json", "stereo.csv", "stereo.json"]
    alone = run(tmp_path / "in" / "mono.wav", "--assume-mono", "--formats", "dcase", "--overwrite")
    assert (alone.code, alone.failed) == (2, {"mono": sentence})


def test_channels_are_taken_by_number(common, tmp_path: Path) -> None:
    backends, fusion = common[1], common[3]
    four = noise(1.0)[[0, 0, 1, 0]] * np.array([[0], [0.5], [1], [1]], np.float32)
    write_pcm(tmp_path / "four.wav", four)
    write_pcm(tmp_path / "two.wav", four[[2, 1]])
    (taken,) = seldfuse.run(tmp_path / "four.wav", backends, fusion=fusion, channels=ChannelSelection((2, 1)))
    (given,) = seldfuse.run(tmp_path / "two.wav", backends, fusion=fusion)
    (swapped,) = seldfuse.run(tmp_path / "two.wav", backends, fusion=fusion, channels=ChannelSelection((1, 0)))
    pd.testing.assert_frame_equal(taken.events.table, given.events.table)
    assert not given.posterior.activity.equal(swapped.posterior.activity)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ("0,7", "--channels 0,7 asks for channel 7, but there are 4; name two of 0 to 3"),
        ("4,1", "--channels 4,1 asks for channel 4, but there are 4; name two of 0 to 3"),
    ],
)
def test_channels_that_are_not_there_are_bad_media_that_says_how_many_are(
    run, tmp_path: Path, channels: str, message: str
) -> None:
    path = write_pcm(tmp_path / "four.wav", noise(0.5)[[0, 1, 0, 1]])
    result = run(path, "--channels", channels)
    assert (result.code, result.failed) == (4, {"four": f"{message}: {path}"})
    assert run(path, "--channels", "3,0").code == 0


@pytest.mark.parametrize("text", ["0", "0,0", "left,right", "0,1,2", "-1,0", "", "1.0,2"])
def test_channels_are_two_different_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="expects the numbers of two different channels, left and right") as caught:
        ChannelSelection.read(text)
    assert str(caught.value).endswith(f"such as 0,1; got {text!r}")


def test_a_missing_file_among_others_fails_alone(run, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(0.5))
    result = run(tmp_path / "b.wav", tmp_path / "a.wav", "c" * 300)
    assert result.code == 1
    assert result.failed["b"] == f"no such file; did you mean a.wav?: {tmp_path / 'b.wav'}"
    assert "File name too long" in result.failed["c" * 300]
    assert list(result.heard) == ["a"]


def test_a_file_that_vanishes_after_the_listing_fails_alone(run, tmp_path: Path, monkeypatch) -> None:
    for name in ("a", "b", "c"):
        write_wav(tmp_path / "in" / f"{name}.wav", noise(0.5))
    open_ears = loaded_ensembles.load_backends
    monkeypatch.setattr(
        loaded_ensembles, "load_backends", lambda *_: ((tmp_path / "in" / "b.wav").unlink(), open_ears(*_))[1]
    )
    result = run(tmp_path / "in")
    assert (result.code, list(result.heard)) == (1, ["a", "c"])
    assert result.failed == {"b": f"no such file; did you mean c.wav?: {tmp_path / 'in' / 'b.wav'}"}
    assert result.files == ["a.csv", "a.json", "c.csv", "c.json"]


@pytest.mark.parametrize(("vanishes", "fails"), [("b", True), ("a", False)])
def test_a_file_that_vanishes_during_the_batch_fails_alone_if_it_has_not_been_opened(
    run, tmp_path: Path, monkeypatch, vanishes: str, fails: bool
) -> None:
    for name in ("a", "b", "c"):
        write_wav(tmp_path / "in" / f"{name}.wav", noise(0.5))
    blocks = FileAudio.blocks

    def vanishing(audio: FileAudio, on_warning: Callable[[str], None]) -> Iterator[np.ndarray]:
        for block in blocks(audio, on_warning):
            (tmp_path / "in" / f"{vanishes}.wav").unlink(missing_ok=True)
            yield block

    monkeypatch.setattr(FileAudio, "blocks", vanishing)
    result = run(tmp_path / "in")
    assert result.code == int(fails)
    assert list(result.failed) == ["b"] * fails
    assert list(result.heard) == [name for name in "abc" if name not in result.failed]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with no_longer_than(20):
        result = run(tmp_path / "a.wav")
    message = f"expected a sound or video file, got a pipe or a device: {tmp_path / 'a.wav'}"
    assert (result.code, result.failed) == (4, {"a": message})


def test_an_output_folder_that_is_none_is_refused_before_anything_is_heard(run, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(0.5))
    (tmp_path / "out").write_text("mine")
    result = run(tmp_path / "a.wav")
    assert result.code == 2
    assert "cannot write here (Not a directory); choose another folder with -o" in result.said
    assert (tmp_path / "out").read_text() == "mine"


def test_a_sub_folder_that_cannot_be_written_fails_its_clips_alone(run, tmp_path: Path) -> None:
    for name in ("deep/a", "b"):
        write_wav(tmp_path / "in" / f"{name}.wav", noise(0.5))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").write_text("mine")
    result = run(tmp_path / "in")
    assert (result.code, list(result.heard), list(result.failed)) == (1, ["b"], ["deep/a"])
    assert result.failed["deep/a"].startswith("cannot write here (")
    assert result.files == ["b.csv", "b.json", "deep"]
    assert run(tmp_path / "in", "--fail-fast").code == 2


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk on which files can grow to `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_files_that_do_not_fit_fail_their_clip_and_leave_nothing_half_written(run, tmp_path: Path) -> None:
    write_wav(tmp_path / "in" / "loud.wav", noise(5.0))
    write_wav(tmp_path / "in" / "quiet.wav", np.zeros((2, 24_000), np.float32))
    with largest_file(4096):
        result = run(tmp_path / "in", "--save-posteriors")
    assert (result.code, list(result.heard)) == (1, ["quiet"])
    assert result.failed["loud"].startswith("writing failed (File too large): ")
    assert "loud.json" not in result.files
    assert not [name for name in result.files if ".draft-" in name]
    assert run(tmp_path / "in", "--save-posteriors").code == 0


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_full_disk_is_named(run, tmp_path: Path, suffix: str, monkeypatch) -> None:
    write_wav(tmp_path / "in" / "a.wav", noise(0.5))
    write_wav(tmp_path / "in" / "b.wav", noise(0.5))
    replace = Path.replace

    def full(path: Path, target: Path) -> Path:
        if target.name.endswith(f"-a{suffix}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    result = run(tmp_path / "in")
    assert (result.code, list(result.heard)) == (1, ["b"])
    assert result.failed == {"a": f"writing failed (No space left on device): {tmp_path / 'out' / 'a'}{suffix}"}
    assert not [name for name in result.files if name.startswith("a.") or ".draft-" in name]


def test_a_posterior_that_does_not_fit_is_no_traceback(run, tmp_path: Path, monkeypatch) -> None:
    write_wav(tmp_path / "a.wav", noise(0.5))

    def full(path: Path, data: bytes) -> None:
        if data:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = run(tmp_path / "a.wav", "--save-posteriors", "--formats", "json")
    assert result.code == 2
    assert result.failed["a"].startswith("writing failed (No space left on device): ")


def test_a_format_whose_plugin_fails_fails_its_clips_alone(run, tmp_path: Path, monkeypatch) -> None:
    from seldfuse.formats import dcase

    def fail(result: Any, path: Path) -> None:
        if result.name == "a":
            raise KeyError("no")

        path.touch()

    monkeypatch.setattr(dcase, "write_result", fail)
    for name in ("a", "b"):
        write_wav(tmp_path / "in" / f"{name}.wav", noise(0.5))
    result = run(tmp_path / "in")
    assert (result.code, list(result.heard)) == (1, ["b"])
    assert result.failed == {"a": "the format dcase failed (KeyError: 'no'); leave it out of --formats"}


def test_a_format_that_writes_no_file_is_said_to_have_failed(run, tmp_path: Path, monkeypatch) -> None:
    from seldfuse.formats import dcase

    monkeypatch.setattr(dcase, "write_result", lambda _result, _path: None)
    write_wav(tmp_path / "a.wav", noise(0.5))
    assert run(tmp_path / "a.wav").failed["a"].startswith("the format dcase left no file; leave it out of --formats: ")


# --- damage of every kind -------------------------------------------------------------------------------------------


def damaged(data: bytes, seed: int) -> bytes:
    """One to five places cut, flipped or doubled; half of them in the header, and the end cut off now and then."""
    rng, spoilt = random.Random(seed), bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(min(len(spoilt), 200) if rng.random() < 0.5 else len(spoilt))
        length = rng.choice((1, 2, 4, 16, 200))
        kind = rng.choice(("cut", "flipped", "doubled"))
        if kind == "cut":
            del spoilt[at : at + length]
        elif kind == "flipped":
            spoilt[at : at + length] = bytes(byte ^ rng.randrange(1, 256) for byte in spoilt[at : at + length])
        else:
            spoilt[at:at] = spoilt[at : at + length]
    return bytes(spoilt[: rng.randrange(len(spoilt))] if rng.random() < 0.1 else spoilt)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    pictures = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    write_wav(folder / "a.wav", noise(0.4))
    write_video(folder / "a.mp4", pictures, 10, noise(0.4))
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"a file took more than {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("suffix", [".wav", ".mp4"])
def test_250_damaged_files_are_sound_or_a_message(whole: dict[str, bytes], suffix: str, tmp_path: Path) -> None:
    outcomes = {"heard": 0, "refused": 0}
    path = tmp_path / f"a{suffix}"
    for seed in range(250):
        path.write_bytes(damaged(whole[suffix], seed))
        with no_longer_than(10):
            try:
                (clip,) = find_clips([path])
                for cut in cut_windows(clip.audio.blocks(lambda _: None)):
                    assert np.isfinite(cut.samples).all()
                outcomes["heard"] += 1
            except MediaError:
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 25


def test_damaged_files_go_through_the_whole_run(run, whole: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(1000, 1010):
        for suffix, data in whole.items():
            (tmp_path / "in" / f"{suffix[1:]}{seed}{suffix}").write_bytes(damaged(data, seed))
    with no_longer_than(60):
        result = run(tmp_path / "in")
    assert result.code == 1
    assert len(result.heard) + len(result.failed) == 20
    assert len(result.files) == 2 * len(result.heard)
