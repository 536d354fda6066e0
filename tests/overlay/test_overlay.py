"""Overlay videos, decoded again."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from worlds import call, noise, result_of, write_pcm

from seldfuse.core.detections import UNTRACKED, Detections
from seldfuse.core.events import Events
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.result import Result
from seldfuse.errors import MediaError, UsageError
from seldfuse.media.inputs import find_clips
from seldfuse.media.redraw import Planes, redraw_video
from seldfuse.overlay import drawing
from seldfuse.overlay.annotate import Annotator, ClipDetections
from seldfuse.overlay.patch import Patch, Placed, lay_over
from seldfuse.overlay.write import write_overlay

WIDTH, HEIGHT = 320, 180
TICKS = 90_000
GREY = 128


def film(
    path: Path,
    times: Sequence[int],
    rotation_deg: int = 0,
    sound_start: int = 0,
    seconds: float = 1.0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    corner: int = GREY,
) -> Path:
    """A grey video whose pictures are shown at these ticks, with sound that begins at a sample."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264" if "libx264" in av.codecs_available else "mpeg4", rate=25)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = video.time_base = Fraction(1, TICKS)
        if rotation_deg:
            video.set_display_rotation(rotation_deg)
        sound = file.add_stream("aac", rate=24_000, layout="stereo")
        samples = noise(seconds)
        for start in range(0, samples.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, start : start + 1024]), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 24_000, start + sound_start, Fraction(1, 24_000)
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
        for pts in times:
            picture = np.full((size[1], size[0], 3), GREY, np.uint8)
            picture[: size[1] // 3, : size[0] // 3] = corner
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, TICKS)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
    return path


def read_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as file:
        return [(one.pts * one.time_base, bytes(one)) for one in file.demux(audio=0) if one.size]


def read_pictures(path: Path) -> list[tuple[Fraction, np.ndarray]]:
    with av.open(str(path)) as file:
        return [(one.pts * one.time_base, one.to_ndarray(format="rgb24")) for one in file.decode(video=0)]


def found(path: Path, azimuth_deg: float = 20.0, frames: Sequence[int] = range(5), **about: Any) -> Result:
    """A door, on-screen."""
    table = pd.DataFrame({"frame": frames, "cls": 7, "azimuth_deg": azimuth_deg, "distance_m": 1.5, "onscreen": 1.0})
    (clip,) = find_clips([path])
    return replace(result_of(Events(table), **{"duration_s": 1.0, **about}), clip=clip)


def is_door(picture: np.ndarray) -> np.ndarray:
    """Where a picture has the colour of the first source: much more red than blue."""
    return picture[..., 0].astype(int) - picture[..., 2] > 60


@pytest.mark.parametrize("name", ["talk.mp4", "talk.mkv"])
def test_times_of_sound_and_pictures_are_kept_where_rates_vary_and_starts_differ(tmp_path: Path, name: str) -> None:
    times = [18_000, 21_600, 30_600, 31_500, 54_000, 81_000]
    source = film(tmp_path / name, times)
    write_overlay(found(source), tmp_path / "over.mp4", tmp_path)
    # Of MP4's own clock a picture may be a tick off, of Matroska's a millisecond, which is that of the source.
    expected, got = read_pictures(source), read_pictures(tmp_path / "over.mp4")
    assert len(got) == len(times)
    assert [float(time) for time, _ in got] == pytest.approx([float(time) for time, _ in expected], abs=1 / TICKS)
    expected_sound, sound = read_packets(source), read_packets(tmp_path / "over.mp4")
    assert [data for _, data in sound] == [data for _, data in expected_sound]
    times_s = [float(time) for time, _ in expected_sound]
    assert [float(time) for time, _ in sound] == pytest.approx(times_s, abs=1 / 24_000)


def test_sound_that_begins_late_still_does(tmp_path: Path) -> None:
    source = film(tmp_path / "late.mp4", [0, 45_000], sound_start=12_000)
    write_overlay(found(source), tmp_path / "over.mp4", tmp_path)
    assert [time for time, _ in read_packets(tmp_path / "over.mp4")] == [time for time, _ in read_packets(source)]
    assert read_packets(source)[1][0] > 0.4


def test_the_clock_of_a_transport_stream_begins_at_its_start(tmp_path: Path) -> None:
    source = film(tmp_path / "tape.ts", [900_000, 903_600, 907_200], sound_start=240_000)
    with av.open(str(source)) as file:
        start = Fraction(file.start_time, 1_000_000)
    assert start > 5
    write_overlay(found(source), tmp_path / "over.mp4", tmp_path)
    expected = [float(time - start) for time, _ in read_pictures(source)]
    assert [float(time) for time, _ in read_pictures(tmp_path / "over.mp4")] == pytest.approx(expected, abs=2 / TICKS)


@pytest.mark.parametrize("azimuth_deg", [35.0, -20.0])
def test_the_line_stands_at_the_azimuth_while_the_source_sounds(tmp_path: Path, azimuth_deg: float) -> None:
    source = film(tmp_path / "talk.mp4", range(0, TICKS, 3600))
    write_overlay(found(source, azimuth_deg), tmp_path / "over.mp4", tmp_path)
    pictures = read_pictures(tmp_path / "over.mp4")
    middle = slice(HEIGHT // 4, HEIGHT // 2)
    columns = [np.flatnonzero(is_door(picture[middle]).mean(axis=0) > 0.9) for _, picture in pictures]
    shown = [bool(len(one)) for one in columns]
    assert shown == [time < Fraction(1, 2) for time, _ in pictures]
    x_px = float(Camera(WIDTH, HEIGHT).x_from_azimuth(azimuth_deg))
    assert np.mean(columns[0]) == pytest.approx(x_px, abs=1.5)


@pytest.mark.parametrize("rotation_deg", [90, -90, 180])
def test_turned_pictures_are_drawn_upright(tmp_path: Path, rotation_deg: int) -> None:
    source = film(tmp_path / "phone.mp4", range(0, TICKS, 9000), rotation_deg)
    write_overlay(found(source, 35.0, range(10)), tmp_path / "over.mp4", tmp_path)
    with av.open(str(tmp_path / "over.mp4")) as file:
        picture = next(file.decode(video=0))
    assert picture.rotation == 0
    width, height = (WIDTH, HEIGHT) if rotation_deg == 180 else (HEIGHT, WIDTH)
    assert (picture.width, picture.height) == (width, height)
    lines = is_door(picture.to_ndarray(format="rgb24")[height // 4 : height // 2]).mean(axis=0)
    assert np.mean(np.flatnonzero(lines > 0.9)) == pytest.approx(Camera(width).x_from_azimuth(35.0), abs=1.5)


@pytest.mark.parametrize("rotation_deg", [90, -90, 180])
def test_boxes_are_where_detectors_that_look_at_the_same_file_saw_them(tmp_path: Path, rotation_deg: int) -> None:
    turned = film(tmp_path / "phone.mp4", [0, 3600], rotation_deg, corner=255)
    seen: list[Planes] = []
    redraw_video(turned, None, tmp_path / "out.mp4", lambda _, planes: seen.append(planes))
    (clip,) = find_clips([str(turned)])
    assert clip.video is not None
    looked_at = next(iter(clip.video.frames(10.0, 0.0, 0.1))).rgb.mean(axis=2)
    assert looked_at.shape == seen[0].luma.shape
    assert np.corrcoef(looked_at.ravel(), seen[0].luma.ravel())[0, 1] > 0.95
    width_px, height_px = seen[0].size_px
    rows = [(0.0, "cup", 0.9, width_px - 20.0, 0.0, float(width_px), 20.0, UNTRACKED)]
    detections = [ClipDetections(Detections.from_rows(rows), 2.0, width_px, height_px)]
    wide, _, high, *_ = Annotator(result_of(Events.empty()), seen[0].size_px, detections).list_drawings(0.0)
    assert (wide.x_px, wide.y_px) == (high.x_px, high.y_px) == (width_px - 20, 0)


def test_boxes_hold_until_the_detector_looks_again(tmp_path: Path) -> None:
    rows = [(time_s, "cup", 0.9, 40.0, 30.0, 80.0, 90.0, UNTRACKED) for time_s in (0.0, 1.0)]
    detections = [ClipDetections(Detections.from_rows(rows), 2.0, WIDTH, HEIGHT)]
    annotator = Annotator(result_of(Events.empty()), (WIDTH, HEIGHT), detections)
    nothing = len(Annotator(result_of(Events.empty()), (WIDTH, HEIGHT)).list_drawings(0.0))
    counts = [len(annotator.list_drawings(time_s)) - nothing for time_s in (0.0, 0.49, 0.5, 0.99, 1.0)]
    assert counts == [5, 5, 0, 0, 5]


def test_what_is_not_in_the_picture_is_pointed_at(tmp_path: Path) -> None:
    (clip,) = find_clips([film(tmp_path / "talk.mp4", [0])])
    for azimuth_deg, x_px in ((80.0, 0), (-80.0, WIDTH)):
        table = pd.DataFrame({"frame": [0], "cls": [7], "azimuth_deg": [azimuth_deg]})
        result = replace(result_of(Events(table)), clip=clip)
        arrow = Annotator(result, (WIDTH, HEIGHT)).list_drawings(0.0)[0]
        assert x_px in (arrow.x_px, arrow.x_px + arrow.patch.size_px[0])


def test_a_source_without_azimuth_and_hostile_names_are_drawn() -> None:
    labels = LabelSet("x", (Label("語\x00\n<b>", "a"), Label(" ", "b")))
    events = Events(pd.DataFrame({"frame": [0, 0], "cls": [0, 1]}), labels)
    assert Annotator(result_of(events), (WIDTH, HEIGHT)).list_drawings(0.0)


def test_long_clips_have_pages_and_many_sources_thin_rows() -> None:
    frames = np.repeat([0, 900], 13)
    table = pd.DataFrame({"frame": frames, "cls": np.tile(np.arange(13), 2), "azimuth_deg": 0.0})
    annotator = Annotator(result_of(Events(table), duration_s=100.0), (WIDTH, HEIGHT))
    first, second = (annotator.list_drawings(time_s)[-2].patch for time_s in (1.0, 91.0))
    assert first is not second
    assert first.size_px[1] <= HEIGHT / 3
    assert annotator.list_drawings(92.0)[-2].patch is second


def test_pixels_without_a_drawing_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    planes = Planes(*(rng.integers(0, 256, shape).astype(np.uint8) for shape in ((40, 60), (20, 30), (20, 30))))
    before = [plane.copy() for plane in (planes.luma, planes.blue, planes.red)]
    rgba = np.zeros((10, 10, 4), np.uint8)
    rgba[:, 4:] = (255, 255, 255, 255)
    # Beyond every edge, too.
    lay_over(planes, [Placed(Patch(rgba), x, y) for x, y in ((20, 10), (-6, -6), (56, 36), (100, 0))])
    assert (planes.luma[10:20, 24:30] == 235).all()
    assert (planes.blue[5:10, 12:15] == 128).all()
    untouched = np.ones((40, 60), dtype=bool)
    untouched[10:20, 24:30] = untouched[:4, :4] = untouched[36:, 56:] = False
    assert (planes.luma[untouched] == before[0][untouched]).all()
    assert (planes.luma[:, 20:24] == before[0][:, 20:24]).all()


def test_odd_sizes_become_even(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as file:
        video = file.add_stream("ffv1", rate=10)
        video.width, video.height, video.pix_fmt = 161, 91, "yuv444p"
        frame = av.VideoFrame.from_ndarray(np.full((91, 161, 3), GREY, np.uint8), format="rgb24")
        file.mux(video.encode(frame.reformat(format="yuv444p")))
        file.mux(video.encode(None))
    redraw_video(path, None, tmp_path / "even.mp4", lambda *_: None)
    ((_, picture),) = read_pictures(tmp_path / "even.mp4")
    assert picture.shape == (92, 162, 3)


def test_sound_of_a_file_of_its_own_is_copied(tmp_path: Path) -> None:
    """As in the challenge's data set: a WAV file and a video of the same name."""
    (tmp_path / "video_dev" / "test").mkdir(parents=True)
    (tmp_path / "stereo_dev" / "test").mkdir(parents=True)
    sound = write_pcm(tmp_path / "stereo_dev/test/a.wav", noise(1.0), "pcm_s16le")
    film(tmp_path / "video_dev/test/a.mp4", [0, 45_000])
    write_overlay(found(sound), tmp_path / "over.mp4", tmp_path)
    with av.open(str(tmp_path / "over.mp4")) as file:
        assert file.streams.audio[0].codec_context.name == "pcm_s16le"
    whole = b"".join(data for _, data in read_packets(sound))
    assert b"".join(data for _, data in read_packets(tmp_path / "over.mp4")) == whole


def test_sound_that_mp4_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = write_pcm(tmp_path / "a.wav", noise(1.0), "pcm_mulaw")
    with pytest.raises(MediaError, match=r"cannot hold sound coded as pcm_mulaw; convert it, with `ffmpeg -i a\.wav"):
        redraw_video(film(tmp_path / "a.mp4", [0]), path, tmp_path / "out.mp4", lambda *_: None)
    assert not (tmp_path / "out.mp4").exists()


def test_without_a_picture_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no picture, so there is nothing that an overlay could be drawn on"):
        write_overlay(found(write_pcm(tmp_path / "a.wav", noise(1.0))), tmp_path / "over.mp4", tmp_path)


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _: None)
    assert call("run", "@demo", "--overlay") == UsageError.exit_code
    assert 'pip install "seldfuse[overlay]"' in capsys.readouterr().err


def test_a_run_writes_overlays_where_there_are_pictures(tmp_path: Path, capsys: Any) -> None:
    sources = [film(tmp_path / "seen.mp4", range(0, TICKS, 9000)), write_pcm(tmp_path / "heard.wav", noise(1.0))]
    out = tmp_path / "out"
    arguments = ["run", *map(str, sources), "--backends", "baseline", "--overlay", "-o", str(out)]
    assert call(*arguments) == 0
    assert [path.name for path in out.glob("*.mp4")] == ["seen.overlay.mp4"]
    assert "no overlay was written: no picture" in capsys.readouterr().err
    assert call(*arguments) == 0
    assert "2 clips were there already" in capsys.readouterr().err
    (out / "seen.overlay.mp4").unlink()
    assert call(*arguments) == 0
    assert (out / "seen.overlay.mp4").is_file()
