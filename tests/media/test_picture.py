"""The picture at a time is the last one whose timestamp is not later, whatever the frame rate."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seldfuse.errors import MediaError
from seldfuse.media.container import probe
from seldfuse.media.encode import write_wav
from seldfuse.media.picture import FileFrames
from seldfuse.media.sound import FileAudio


def write(path: Path, times_s: list[float], codec: str = "libx264") -> Path:
    """A video whose pictures are of one grey each, five levels brighter from one to the next (from 0 anew at 250)."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 12000)
        stream.options = {"qp": "10", "g": "25"} if codec == "libx264" else {}
        for number, time_s in enumerate(times_s):
            picture = np.full((48, 64, 3), 5 * (number % 50), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time_s * 12000), Fraction(1, 12000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def numbers(frames) -> list[int]:
    """Which picture each frame shows, modulo 50."""
    return [round(float(frame.rgb.mean()) / 5) for frame in frames]


def wanted(times_s: list[float], asked_s: np.ndarray) -> list[int]:
    """The slow way: look through all timestamps for each time."""
    return [max([k for k, time_s in enumerate(times_s) if time_s <= t + 1e-4], default=0) % 50 for t in asked_s]


REGULAR = {fps: [k / fps for k in range(round(4 * fps))] for fps in (5, 12.5, 30, 60)}
IRREGULAR = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.4, 24)).tolist()


@pytest.mark.parametrize("times_s", [*REGULAR.values(), [0.0, *IRREGULAR]], ids=["5", "12.5", "30", "60", "variable"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("start_s", [0.0, 2.45])
def test_the_last_picture_that_is_not_later_is_shown(tmp_path, name, times_s, start_s):
    frames = list(FileFrames(write(tmp_path / name, times_s)).frames(10.0, start_s, end_s=3.75))
    asked_s = np.arange(start_s, 3.75 - 1e-9, 0.1)
    assert [frame.time_s for frame in frames] == pytest.approx(asked_s)
    assert numbers(frames) == wanted(times_s, asked_s)
    assert all(frame.rgb.shape == (48, 64, 3) and frame.rgb.dtype == np.uint8 for frame in frames)


def test_a_clip_of_the_challenge_has_one_picture_for_each_label_frame(tmp_path):
    path = write(tmp_path / "a.mp4", [k * 1001 / 30000 for k in range(150)])
    assert len(list(FileFrames(path).frames(10.0, end_s=5.0))) == 50


def test_without_an_end_the_video_is_shown_to_its_last_moment(tmp_path):
    frames = list(FileFrames(write(tmp_path / "a.mp4", REGULAR[5])).frames(10.0))
    assert len(frames) == 40
    assert numbers(frames)[-2:] == [19, 19]


def test_a_picture_shown_twice_is_one_array(tmp_path):
    frames = list(FileFrames(write(tmp_path / "a.mp4", REGULAR[5])).frames(10.0, end_s=0.4))
    assert frames[0].rgb is frames[1].rgb
    assert frames[1].rgb is not frames[2].rgb


def test_before_the_first_picture_the_first_is_shown(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        sound = file.add_stream("pcm_s16le", rate=24000, layout="stereo")
        video = file.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 96000), np.int16), format="s16", layout="stereo")
        quiet.sample_rate, quiet.pts, quiet.time_base = 24000, 0, Fraction(1, 24000)
        file.mux(sound.encode(quiet))
        for number in range(10):
            picture = np.full((48, 64, 3), 5 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number + 7, Fraction(1, 10)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
    frames = list(FileFrames(path).frames(10.0, end_s=1.0))
    assert numbers(frames) == [0] * 8 + [1, 2]
    assert sum(block.shape[1] for block in FileAudio(path).blocks()) == 48000


def test_a_far_start_is_sought_and_not_decoded_up_to(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", [k / 10 for k in range(300)])
    decoded = []
    seen = av.video.frame.VideoFrame
    monkeypatch.setattr("seldfuse.media.picture.decode_stream", counting(decoded))
    assert numbers(FileFrames(path).frames(10.0, 28.0, 28.3)) == [30, 31, 32]
    assert 0 < len(decoded) < 60
    assert all(isinstance(frame, seen) for frame in decoded)


def counting(seen: list):
    from seldfuse.media.container import decode_stream

    def count(*args, **kwargs):
        for frame in decode_stream(*args, **kwargs):
            seen.append(frame)
            yield frame

    return count


def test_a_start_behind_the_end_shows_nothing(tmp_path):
    assert list(FileFrames(write(tmp_path / "a.mp4", REGULAR[5])).frames(10.0, 60.0)) == []


def test_a_video_cut_off_on_its_way_shows_what_is_there(tmp_path):
    path = write(tmp_path / "a.mkv", REGULAR[60])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = list(FileFrames(path).frames(10.0))
    assert 5 < len(frames) < 35
    assert numbers(frames) == wanted(REGULAR[60], np.array([frame.time_s for frame in frames]))


def test_sound_alone_has_no_pictures(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros((2, 2400), np.float32))
    with pytest.raises(MediaError) as caught:
        list(FileFrames(path).frames())
    assert str(caught.value) == f"expected a file with a picture, found no video stream in it: {path}"


def test_a_header_tells_what_a_file_holds(tmp_path):
    info = probe(write(tmp_path / "a.mp4", REGULAR[30]))
    assert (info.has_video, info.width, info.height, info.channels, info.sample_rate_hz) == (True, 64, 48, None, None)
    assert info.fps == pytest.approx(30)
    assert info.duration_s == pytest.approx(4.0)

    write_wav(tmp_path / "a.wav", np.zeros((2, 8000), np.float32), 16000)
    info = probe(tmp_path / "a.wav")
    assert (info.has_video, info.width, info.height, info.fps) == (False, None, None, None)
    assert (info.channels, info.sample_rate_hz, info.duration_s) == (2, 16000, 0.5)


def test_cover_art_is_no_video(tmp_path):
    with av.open(str(tmp_path / "cover.jpg"), "w", format="mjpeg") as file:
        stream = file.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    cover = (tmp_path / "cover.jpg").read_bytes()

    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libmp3lame", rate=24000, layout="stereo")
        quiet = av.AudioFrame.from_ndarray(np.zeros((2, 24000), np.float32), format="fltp", layout="stereo")
        quiet.sample_rate, quiet.pts, quiet.time_base = 24000, 0, Fraction(1, 24000)
        for frame in av.AudioResampler("fltp", "stereo", 24000, stream.frame_size or 576).resample(quiet):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    # An ID3v2.3 tag with one attached picture, before the sound.
    body = b"\0image/jpeg\0\3\0" + cover
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + size + frame + path.read_bytes())

    with av.open(str(path)) as file:
        assert len(file.streams.video) == 1
    assert not probe(path).has_video
    assert sum(block.shape[1] for block in FileAudio(path).blocks()) == pytest.approx(24000, abs=1200)
    with pytest.raises(MediaError, match="found no video stream"):
        next(FileFrames(path).frames())
