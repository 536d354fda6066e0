"""Files that are written can be read back, and what cannot be written is refused."""

import wave
from fractions import Fraction

import numpy as np
import pytest

from seldfuse.media.container import probe
from seldfuse.media.encode import write_video, write_wav
from seldfuse.media.picture import FileFrames
from seldfuse.media.sound import FileAudio

RNG = np.random.default_rng(0)


def read(path) -> np.ndarray:
    return np.concatenate(list(FileAudio(path).blocks()), axis=1)


def test_a_wav_comes_back_bit_by_bit(tmp_path):
    samples = (RNG.integers(-32768, 32768, (2, 5000)) / 32768).astype(np.float32)
    write_wav(tmp_path / "new" / "a.wav", samples)
    assert np.array_equal(read(tmp_path / "new" / "a.wav"), samples)
    with wave.open(str(tmp_path / "new" / "a.wav")) as file:
        assert file.getparams()[:4] == (2, 2, 24000, 5000)


def test_full_scale_is_no_clipping(tmp_path):
    write_wav(tmp_path / "a.wav", np.array([[1.0, -1.0], [0.0, 0.5]], np.float32))
    assert read(tmp_path / "a.wav").tolist() == [[32767 / 32768, -1.0], [0.0, 0.5]]


@pytest.mark.parametrize("value", [1.01, -1.01, np.nan, np.inf])
def test_what_would_clip_is_refused(tmp_path, value):
    samples = np.array([[0.0, value], [0.0, 0.0]], np.float32)
    for write in (lambda path: write_wav(path, samples), lambda path: write_video(path, PICTURES, 10, samples)):
        with pytest.raises(ValueError, match=r"samples must lie in \[−1, 1\], but their peak is .*; scale them down"):
            write(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


PICTURES = [np.full((48, 64, 3), level, np.uint8) for level in range(0, 250, 5)]


@pytest.mark.parametrize("fps", [10, 29.97, Fraction(30000, 1001)])
def test_a_video_comes_back_in_time(tmp_path, fps):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 24000).astype(np.float32)
    samples = np.stack([tone, 0.1 * tone])
    samples[:, :12000] = 0
    write_video(tmp_path / "a.mp4", iter(PICTURES), fps, samples)

    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height, info.channels, info.sample_rate_hz) == (64, 48, 2, 24000)
    assert info.fps == pytest.approx(float(fps), rel=1e-4)
    got = read(tmp_path / "a.mp4")
    assert got.shape == samples.shape
    assert np.argmax(np.abs(got[0]) > 0.1) == pytest.approx(12000, abs=24)
    # The level difference is what directions are made of.
    left, right = got[:, 15000:45000].std(axis=1)
    assert 20 * np.log10(left / right) == pytest.approx(20, abs=0.3)
    levels = [float(frame.rgb.mean()) for frame in FileFrames(tmp_path / "a.mp4").frames(float(fps))]
    assert levels == pytest.approx(list(range(0, 250, 5)), abs=3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_can_be_longer_or_shorter_than_its_sound(tmp_path):
    write_video(tmp_path / "a.mp4", PICTURES, 10, np.zeros((2, 2400), np.float32))
    assert read(tmp_path / "a.mp4").shape[1] == 2400
    assert len(list(FileFrames(tmp_path / "a.mp4").frames())) == 50
    write_video(tmp_path / "a.mp4", PICTURES[:2], 10, np.zeros((2, 48000), np.float32))
    assert read(tmp_path / "a.mp4").shape[1] == 48000
    assert len(list(FileFrames(tmp_path / "a.mp4").frames())) == 2


def test_impossible_videos_are_refused(tmp_path):
    quiet = np.zeros((2, 2400), np.float32)
    with pytest.raises(ValueError, match="a video needs at least one frame, got none"):
        write_video(tmp_path / "a.mp4", [], 10, quiet)
    with pytest.raises(ValueError, match="width and height must be even, got 63×48"):
        write_video(tmp_path / "a.mp4", [np.zeros((48, 63, 3), np.uint8)], 10, quiet)
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_repeat_are_shown_as_long(tmp_path):
    levels = [10, 10, 10, 200, 200, 10, 200]
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in levels]
    write_video(tmp_path / "a.mp4", pictures, 10, np.zeros((2, 2400), np.float32))
    shown = list(FileFrames(tmp_path / "a.mp4").frames())
    assert [frame.time_s for frame in shown] == pytest.approx(np.arange(7) / 10)
    assert [float(frame.rgb.mean()) for frame in shown] == pytest.approx(levels, abs=3)


def test_a_video_is_the_same_every_time(tmp_path):
    pictures = [RNG.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(20)]
    samples = RNG.uniform(-0.5, 0.5, (2, 48_000)).astype(np.float32)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, pictures, 10, samples)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
