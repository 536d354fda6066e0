"""`seldfuse synth from-foa`: level differences, pictures and labels that say the same of where a source is."""

import hashlib
import json
import random
import struct
import wave
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from av.video.frame import VideoFrame
from scipy.io import wavfile
from worlds import call, save_random

from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import MediaError, UsageError
from seldfuse.media.encode import write_video, write_wav
from seldfuse.media.picture import FileFrames
from seldfuse.synth.dataset import workers
from seldfuse.synth.dataset.folder import PARTS
from seldfuse.synth.from_foa import cuts as cuts_module
from seldfuse.synth.from_foa import reel as reel_module
from seldfuse.synth.from_foa.cuts import FoaCut, cut_evenly, draw_cuts, queue_all, queue_counts
from seldfuse.synth.from_foa.labels import NoDistanceError, cut_events, read_labels
from seldfuse.synth.from_foa.recordings import FoaRecording, find_recordings
from seldfuse.synth.from_foa.reel import PICTURES, PanoramaReader
from seldfuse.synth.from_foa.sound import convert_to_stereo, read_foa
from seldfuse.synth.from_foa.view import PanoramaView, copy_band
from seldfuse.synth.from_foa.write import FoaClipMaker, group_by_recording
from seldfuse.synth.pictures.film import FPS

CAMERA = Camera()
MARKERS = {"red": (0, 25.0, -12.0), "green": (1, -70.0, 15.0), "blue": (2, 165.0, 5.0)}
"""Colour channel, azimuth and elevation in degrees."""

SPLITS = {"dev-train-sony": "fold3_room21_mix013", "dev-test-tau": "fold4_room2_mix001"}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips are made in this process, for others take seconds to start."""
    monkeypatch.setattr(workers, "run_workers", lambda orders, maker, _: (maker.make(order) for order in orders))


def plane_wave(
    azimuth_deg: float, elevation_deg: float, seconds: float = 6.0, level: float = 0.1, seed: int = 0
) -> np.ndarray:
    """W, Y, Z, X of noise from one direction (ACN, SN3D)."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    gains = (
        1.0,
        np.sin(azimuth) * np.cos(elevation),
        np.sin(elevation),
        np.cos(azimuth) * np.cos(elevation),
    )
    sound = np.random.default_rng(seed).uniform(-level, level, int(24_000 * seconds))
    return np.outer(gains, sound).astype(np.float32)


def rows_for(frames: int, *sources: tuple[int, float, float], distance_cm: int | None = 150) -> str:
    """A label file without a header: class, azimuth and elevation of sources that sound throughout."""
    end = "" if distance_cm is None else f",{distance_cm}"
    return "".join(
        f"{frame},{cls},{number},{azimuth_deg:.0f},{elevation_deg:.0f}{end}\n"
        for frame in range(frames)
        for number, (cls, azimuth_deg, elevation_deg) in enumerate(sources)
    )


def place(root: Path, split: str, name: str, foa: np.ndarray, labels: str) -> None:
    """A recording in the layout of STARSS23."""
    write_wav(root / "foa_dev" / split / f"{name}.wav", foa)
    path = root / "metadata_dev" / split / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(labels)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two short recordings of two splits, without videos."""
    for seed, (split, name) in enumerate(SPLITS.items()):
        place(tmp_path / "foa", split, name, plane_wave(30, 0, 6.0 + seed, seed=seed), rows_for(60, (0, 30, 0)))
    return tmp_path / "foa"


def make(source: Path, out: Path, *arguments: str) -> int:
    return call("synth", "from-foa", str(source), "-o", str(out), *arguments)


def contents(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def lines(out: Path, split: str) -> list[dict]:
    """The manifest's lines about clips."""
    return [json.loads(line) for line in (out / f"manifest-{split}.jsonl").read_text().splitlines()[1:]]


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, 2, 24_000, 120_000)
        return np.frombuffer(file.readframes(120_000), "<i2").reshape(-1, 2).T / 32768


# Sound


@pytest.mark.parametrize("angle_deg", [0, 45, 359])
@pytest.mark.parametrize(("azimuth_deg", "elevation_deg"), [(0, 0), (30, 0), (-90, 0), (150, 0), (-55, 20), (75, -60)])
def test_a_plane_wave_comes_out_with_the_levels_of_the_law(
    azimuth_deg: float, elevation_deg: float, angle_deg: int
) -> None:
    foa = plane_wave(azimuth_deg, elevation_deg, 0.1)
    left, right = convert_to_stereo(foa, angle_deg)
    side = np.sin(np.radians(azimuth_deg + angle_deg)) * np.cos(np.radians(elevation_deg))
    assert left == pytest.approx((1 + side) * foa[0], abs=1e-7)
    assert right == pytest.approx((1 - side) * foa[0], abs=1e-7)


def test_samples_are_read_from_anywhere_as_another_reader_reads_them(shared: Path) -> None:
    path = shared / "media" / "audio" / "starss23_foa_clip.wav"
    whole = wavfile.read(path)[1].T / np.float32(32768)
    for first, count in ((0, 120_000), (1, 7), (31_234, 48_000), (119_999, 1)):
        assert np.array_equal(read_foa(path, first, count), whole[:, first : first + count])


def test_sound_that_ends_early_or_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, plane_wave(0, 0, 1.0))
    with pytest.raises(MediaError, match=r"the sound ends at 1\.0 s, though its header promises 1\.5 s: .*a\.wav"):
        read_foa(path, 12_000, 24_000)
    wavfile.write(path, 24_000, np.full((24_000, 4), np.nan, np.float32))
    with pytest.raises(MediaError, match="the sound holds NaN or Inf"):
        read_foa(path, 0, 24_000)


# Labels


def seen_by_vectors(azimuth_deg: float, elevation_deg: float) -> bool:
    """Whether a direction is in the picture, by projecting it on the camera's axes."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    forward, left, up = np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)
    half = np.tan(np.radians(50))
    return bool(forward > 0 and abs(left) < half * forward and abs(up) < half * 360 / 640 * forward)


@pytest.mark.parametrize("angle_deg", [0, 1, 100, 270])
def test_labels_are_turned_folded_and_looked_at(angle_deg: int, tmp_path: Path) -> None:
    directions = [(azimuth, elevation) for azimuth in range(-180, 181, 7) for elevation in range(-88, 89, 11)]
    path = tmp_path / "a.csv"
    path.write_text("".join(f"7,3,{n},{a},{e},{100 + n}\n" for n, (a, e) in enumerate(directions)))
    table = cut_events(read_labels(path), 5, angle_deg).table
    assert (table["frame"] == 2).all()
    for row, (azimuth_deg, elevation_deg) in zip(table.itertuples(), directions, strict=True):
        turned = (azimuth_deg + angle_deg + 180) % 360 - 180
        folded = turned if abs(turned) <= 90 else np.sign(turned) * 180 - turned
        assert row.azimuth_deg == pytest.approx(folded)
        assert row.onscreen == seen_by_vectors(turned, elevation_deg), (turned, elevation_deg)
        assert row.distance_m == pytest.approx(1 + row.source / 100)


def test_a_clip_holds_the_fifty_frames_from_its_start_on(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(rows_for(200, (4, 10, 0)))
    assert cut_events(read_labels(path), 120, 0).table["frame"].tolist() == list(range(50))
    assert cut_events(read_labels(path), 190, 0).table["frame"].tolist() == list(range(10))
    assert len(cut_events(read_labels(path), 300, 0)) == 0


def test_real_labels_of_2022_are_read_where_a_distance_is_given(shared: Path) -> None:
    paths = sorted((shared / "data" / "starss22_metadata").rglob("*.csv"))
    rows = [read_labels(path, 2.0) for path in paths]
    assert (len(paths), sum(map(len, rows))) == (122, 223_763)
    assert all((table[:, 5] == 2.0).all() for table in rows)
    with pytest.raises(NoDistanceError, match=r"the labels have no distances, as those of 2022; .* --distance 2\.0"):
        read_labels(paths[0])


def test_labels_of_the_stereo_task_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("frame,class,source,azimuth,distance,onscreen\n3,1,0,20,100,0\n")
    with pytest.raises(UsageError, match=r"expected labels of a first-order recording .* got those of a stereo one"):
        read_labels(path)


# Cuts


def recording(name: str, frames: int, split: str = "dev-train-tau") -> FoaRecording:
    return FoaRecording(split, name, Path(f"{name}.wav"), Path(f"{name}.csv"), None, frames)


THREE = [recording("a", 600), recording("b", 100, "dev-test-sony"), recording("c", 50)]


def as_the_challenge_draws(recordings: Sequence[FoaRecording], count: int, seed: int) -> list[str]:
    """The names that its program's calls give; one that is there already does not count."""
    random.seed(seed)
    names: list[str] = []
    while len(names) < count:
        one = random.choices(recordings, weights=[recording.frames for recording in recordings])[0]
        start = random.randint(0, one.frames - 50)
        name = f"{one.name}_deg{random.randint(0, 359):03}_start{start:04}"
        if name not in names:
            names.append(name)
    return names


def test_cuts_are_drawn_as_the_challenge_draws_them() -> None:
    names = [cut.name for cut in islice(draw_cuts(THREE, 20250305), 2000)]
    assert names == as_the_challenge_draws(THREE, 2000, 20250305)
    assert sum(name.startswith("a_") for name in names) / 2000 == pytest.approx(600 / 750, abs=0.03)
    assert names[0].split("_")[1].startswith("deg")
    assert [cut.number for cut in islice(draw_cuts(THREE, 1), 3)] == [0, 1, 2]


def test_drawing_ends_when_there_are_no_others() -> None:
    cuts = list(draw_cuts([recording("c", 51)], 0))
    assert len({cut.name for cut in cuts}) == len(cuts) == 720


def test_a_number_for_each_split_takes_from_one_row() -> None:
    both = queue_counts(["dev-train=30", "dev-test-sony=5"], THREE, 1)
    cuts = [wish.take_cuts() for wish in both]
    assert [len(taken) for taken in cuts] == [30, 5]
    row = list(islice(draw_cuts(THREE, 1), 200))
    assert cuts[0] == [cut for cut in row if cut.recording.split == "dev-train-tau"][:30]
    assert cuts[1] == [cut for cut in row if cut.recording.split == "dev-test-sony"][:5]
    (all_together,) = queue_counts(["35"], THREE, 1)
    assert all_together.take_cuts() == row[:35]
    all_together.replace_last()
    assert all_together.take_cuts() == row[35:36]


def test_a_hop_cuts_everything() -> None:
    cuts = list(cut_evenly(THREE, 2.5, 0))
    assert [(cut.recording.name, cut.start_frame) for cut in cuts] == [
        *(("a", start) for start in range(0, 551, 25)),
        *(("b", start) for start in (0, 25, 50)),
        ("c", 0),
    ]
    assert len({cut.angle_deg for cut in cuts}) > 10
    assert len(queue_all(THREE, 2.5, 0).take_cuts()) == len(cuts)


def test_overlapping_cuts_go_to_one_process_in_the_order_of_time() -> None:
    groups = group_by_recording(list(islice(draw_cuts(THREE, 3), 100)))
    assert sum(map(len, groups)) == 100
    for group in groups:
        assert len(group) <= 12
        assert len({cut.recording for cut in group}) == 1
        assert [cut.start_frame for cut in group] == sorted(cut.start_frame for cut in group)


# Pictures


@pytest.fixture(scope="module")
def panorama() -> np.ndarray:
    """A grey equirectangular picture with a blurred spot of one colour in each marker's direction."""
    azimuth = np.radians(180 - (np.arange(1920) + 0.5) * 360 / 1920)
    elevation = np.radians(90 - (np.arange(960) + 0.5) * 180 / 960)[:, None]
    picture = np.full((960, 1920, 3), 60.0)
    for channel, azimuth_deg, elevation_deg in MARKERS.values():
        there, up = np.radians(azimuth_deg), np.radians(elevation_deg)
        near = np.sin(elevation) * np.sin(up) + np.cos(elevation) * np.cos(up) * np.cos(azimuth - there)
        spot = np.exp(-0.5 * (np.degrees(np.arccos(near.clip(-1, 1))) / 0.8) ** 2)
        picture[..., channel] += 190 * spot
    return picture.astype(np.uint8)


def offsets_px(rgb: np.ndarray, angle_deg: float) -> dict[str, float]:
    """How far each marker that is well in the picture lies from where the pinhole law puts it."""
    found = {}
    for name, (channel, azimuth_deg, elevation_deg) in MARKERS.items():
        turned = azimuth_deg + angle_deg
        x_px, y_px = float(CAMERA.x_from_azimuth(turned)), float(CAMERA.y_from_direction(turned, elevation_deg))
        if not (20 < x_px < 620 and 20 < y_px < 340):
            continue
        others = np.delete(rgb.astype(float), channel, axis=2).mean(axis=2)
        weight = (rgb[..., channel] - others - 25).clip(0)
        rows, columns = np.mgrid[:360, :640] + 0.5
        found[name] = float(
            np.hypot((weight * columns).sum() / weight.sum() - x_px, (weight * rows).sum() / weight.sum() - y_px)
        )
    return found


@pytest.mark.parametrize("angle_deg", [0, 1, 35, 100, 170, 215, 359])
def test_markers_lie_where_the_pinhole_law_puts_them(panorama: np.ndarray, angle_deg: int) -> None:
    band = copy_band(VideoFrame.from_ndarray(panorama, format="rgb24").reformat(format="yuv420p"))
    rgb = PanoramaView(1920, angle_deg).render(band).to_ndarray(format="rgb24")
    assert rgb.shape == (360, 640, 3)
    offsets = offsets_px(rgb, angle_deg)
    assert offsets
    assert max(offsets.values()) < 0.35, offsets


def test_the_view_is_what_a_plain_loop_sees() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 192), dtype=np.uint8)
    picture = VideoFrame.from_ndarray(np.concatenate([noise, np.full((48, 192), 128, np.uint8)]), format="yuv420p")
    seen = PanoramaView(192, 200).render(copy_band(picture)).to_ndarray()[:360]
    for row, column in ((0, 0), (0, 639), (359, 0), (180, 320), (77, 501), (300, 13)):
        azimuth_deg = CAMERA.azimuth_from_x(column + 0.5)
        elevation_deg = np.degrees(np.arctan((180 - row - 0.5) / CAMERA.focal_px * np.cos(np.radians(azimuth_deg))))
        x, y = (0.5 - (azimuth_deg - 200) / 360) * 192 - 0.5, (0.5 - elevation_deg / 180) * 96 - 0.5
        left, top = int(np.floor(x)), int(np.floor(y))
        pair = noise[top : top + 2].astype(float)
        across = pair[:, left % 192] * (left + 1 - x) + pair[:, (left + 1) % 192] * (x - left)
        assert seen[row, column] == pytest.approx(across[0] * (top + 1 - y) + across[1] * (y - top), abs=0.51)


def test_what_colours_mean_is_kept(tmp_path: Path, panorama: np.ndarray) -> None:
    hd = VideoFrame.from_ndarray(panorama, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
    )
    write_video(
        tmp_path / "a.mp4", [PanoramaView(1920, 0).render(copy_band(hd))] * 3, FPS, np.zeros((2, 2400), np.float32)
    )
    rgb = next(FileFrames(tmp_path / "a.mp4").frames()).rgb
    flat = VideoFrame.from_ndarray(panorama, format="rgb24").reformat(format="yuv420p")
    expected = PanoramaView(1920, 0).render(copy_band(flat)).to_ndarray(format="rgb24")
    assert np.abs(rgb.astype(int) - expected).mean() < 2


def counting_video(path: Path, pictures: int) -> Path:
    """A small panorama whose number can be read from it: one block of columns for each bit."""
    bits = (np.arange(pictures)[:, None] >> np.arange(8)) & 1
    frames = (np.repeat(np.broadcast_to(row[None, :, None], (64, 8, 3)), 16, axis=1) * 200 + 20 for row in bits)
    write_video(path, (frame.astype(np.uint8) for frame in frames), FPS, np.zeros((2, 2400), np.float32))
    return path


def numbers(reel: PanoramaReader, start_frame: int) -> list[int]:
    blocks = [band.luma[0, 10, 8::16] > 128 for band in reel.read_frames(start_frame)]
    return [int((bits << np.arange(8)).sum()) for bits in blocks]


def test_each_cut_gets_its_pictures_and_each_picture_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = counting_video(tmp_path / "a.mp4", 255)
    decoded = []
    monkeypatch.setattr(reel_module, "copy_band", lambda picture: (decoded.append(1), copy_band(picture))[1])
    reel = PanoramaReader(path)
    for start_frame in (3, 3, 10, 31):
        first = round(start_frame * 2.997002997)
        assert numbers(reel, start_frame) == list(range(first, first + PICTURES))
    assert len(decoded) == 93 - 9 + PICTURES
    assert numbers(PanoramaReader(path), 31) == list(range(93, 93 + PICTURES))
    with pytest.raises(MediaError, match=r"the video ends at 8\.5 s, before its header says: .*a\.mp4"):
        numbers(reel, 40)


# The whole


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shared: Path, panorama: np.ndarray) -> tuple[Path, Path]:
    """A real first-order clip of 5 s, twice over, with a made video and labels that say where its markers are."""
    root = tmp_path_factory.mktemp("made")
    foa = wavfile.read(shared / "media" / "audio" / "starss23_foa_clip.wav")[1].T / np.float32(32768)
    sources = [(cls, azimuth_deg, elevation_deg) for cls, azimuth_deg, elevation_deg in MARKERS.values()]
    for split, name in SPLITS.items():
        place(root / "foa", split, name, np.tile(foa, 2)[:, :145_000], rows_for(60, *sources))
        video = root / "foa" / "video_dev" / split / f"{name}.mp4"
        write_video(video, [panorama] * 182, FPS, np.zeros((2, 2400), np.float32))
    assert make(root / "foa", root / "data", "--clips", "dev-train=2", "--clips", "dev-test=2", "--jobs", "1") == 0
    return root / "foa", root / "data"


def clips_of(data: Path) -> Iterator[tuple[str, str, int, int]]:
    """Split, name, viewing angle and start frame of each clip."""
    for split in SPLITS:
        for line in lines(data, split):
            _, angle, start = line["name"].rsplit("_", 2)
            yield split, line["name"], int(angle.removeprefix("deg")), int(start.removeprefix("start"))


def test_the_layout_and_the_names_are_those_of_the_challenge(made: tuple[Path, Path]) -> None:
    clips = list(clips_of(made[1]))
    assert len(clips) == 4
    assert all(name.startswith(f"{SPLITS[split]}_deg") for split, name, _, _ in clips)
    expected = {f"manifest-{split}.jsonl" for split in SPLITS}
    for split, name, _, _ in clips:
        expected |= {f"{part}/{split}/{name}.{suffix}" for suffix, part in PARTS.items()}
    assert contents(made[1]).keys() == expected


def test_the_manifests_vouch_for_every_file(made: tuple[Path, Path]) -> None:
    found = contents(made[1])
    for split in SPLITS:
        recipe = json.loads((made[1] / f"manifest-{split}.jsonl").read_text().splitlines()[0])["recipe"]
        assert (recipe["made"], recipe["seed"]) == ("from-foa", 20250305)
        for line in lines(made[1], split):
            assert len(line["files"]) == 3
            for name, digest in line["files"].items():
                assert hashlib.sha256(found[name]).hexdigest() == digest


def test_the_sound_of_each_clip_is_that_of_the_rule(made: tuple[Path, Path], shared: Path) -> None:
    foa = wavfile.read(shared / "media" / "audio" / "starss23_foa_clip.wav")[1].T.astype(np.float64)
    w, y, _, x = np.tile(foa, 2)
    for split, name, angle_deg, start in clips_of(made[1]):
        turned = np.sin(np.radians(angle_deg)) * x + np.cos(np.radians(angle_deg)) * y
        part = slice(start * 2400, start * 2400 + 120_000)
        expected = np.stack([w + turned, w - turned])[:, part] / 32768
        assert np.abs(samples_of(made[1] / "stereo_dev" / split / f"{name}.wav") - expected).max() < 0.6 / 32768


def test_pictures_and_labels_of_each_clip_agree(made: tuple[Path, Path]) -> None:
    seen = 0
    for split, name, angle_deg, _ in clips_of(made[1]):
        pictures = list(FileFrames(made[1] / "video_dev" / split / f"{name}.mp4").frames(30_000 / 1001))
        assert (len(pictures), pictures[0].rgb.shape) == (150, (360, 640, 3))
        table = pd.read_csv(made[1] / "metadata_dev" / split / f"{name}.csv")
        assert list(table.columns) == ["frame", "class", "source", "azimuth", "distance", "onscreen"]
        assert (table.dtypes == np.int64).all()
        assert table.groupby("class").size().tolist() == [50, 50, 50]
        offsets = offsets_px(pictures[75].rgb, angle_deg)
        assert all(offset < 1.0 for offset in offsets.values()), (name, offsets)
        for marker, (cls, azimuth_deg, _) in MARKERS.items():
            rows = table[table["class"] == cls]
            assert (rows["distance"] == 150).all()
            assert rows["azimuth"].unique() == pytest.approx(
                np.degrees(np.arcsin(np.sin(np.radians(azimuth_deg + angle_deg)))), abs=0.51
            )
            if marker in offsets:
                assert (rows["onscreen"] == 1).all()
                seen += 1
        assert table["onscreen"].sum() >= 50 * len(offsets)
    assert seen > 0


def test_run_eval_and_train_take_the_folder_as_it_is(made: tuple[Path, Path], tmp_path: Path) -> None:
    _, data = made
    backend = f"sce@{save_random(tmp_path / 'sce', 'sce', DCASE2025)}"
    arguments = ("--split", "dev-test-tau", "--backends", backend, "--formats", "dcase", "-o", str(tmp_path / "out"))
    assert call("run", str(data), *arguments) == 0
    reference = data / "metadata_dev" / "dev-test-tau"
    assert call("eval", str(tmp_path / "out" / "dev-test-tau"), str(reference)) == 0
    assert call("eval", str(reference), str(reference)) == 0
    assert call("train", "sce", "--data", str(data), "--dry-run") == 0


def test_two_processes_make_the_same_bytes_as_one_and_a_stopped_run_goes_on_to_them(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, data = made
    out, train = tmp_path / "data", "dev-train-sony"
    assert make(source, out, "--clips", "dev-train=1", "--clips", "dev-test=2", "--jobs", "2") == 0
    manifest = out / f"manifest-{train}.jsonl"
    manifest.write_bytes(manifest.read_bytes() + (data / manifest.name).read_bytes()[-30:-1])
    (out / "video_dev" / train / ".half.part.mp4").write_bytes(b"half a fi")
    assert make(source, out, "--clips", "dev-train=2", "--clips", "dev-test=2", "--jobs", "2") == 0
    assert "there already: 3 clips; --overwrite makes all anew" in capsys.readouterr().err
    (out / "video_dev" / train / ".half.part.mp4").unlink()
    whole, found = contents(data), contents(out)
    assert found.keys() == whole.keys()
    assert {name for name in whole if found[name] != whole[name]} <= {manifest.name}
    assert sorted(lines(out, train), key=json.dumps) == sorted(lines(data, train), key=json.dumps)


def test_a_hop_makes_all_of_it(source: Path, tmp_path: Path, alone: None, capsys) -> None:
    assert make(source, tmp_path / "out", "--hop", "0.5", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["made"], document["clips"]) == (8, {"dev-test-tau": 5, "dev-train-sony": 3})
    assert document["without_video"] == 8
    starts = {line["name"][-4:] for line in lines(tmp_path / "out", "dev-train-sony")}
    assert starts == {"0000", "0005", "0010"}


def test_recordings_may_lie_side_by_side(tmp_path: Path, alone: None) -> None:
    folder = tmp_path / "my takes"
    write_wav(folder / "kitchen.wav", plane_wave(-40, 0, 5.0))
    (folder / "kitchen.csv").write_text(rows_for(50, (7, -40, 0)))
    (folder / "._kitchen.csv").write_bytes(b"\x00")
    assert make(folder, tmp_path / "out", "--clips", "2") == 0
    assert len(list((tmp_path / "out" / "stereo_dev" / "my-takes").glob("kitchen_deg*_start0000.wav"))) == 2


def test_the_raw_microphones_of_the_same_recordings_are_no_others(source: Path) -> None:
    mic = source / "mic_dev" / "dev-train-sony" / f"{SPLITS['dev-train-sony']}.wav"
    write_wav(mic, plane_wave(0, 0))
    found = find_recordings(source, True, None)
    assert [(one.split, one.name, one.frames) for one in found] == [
        ("dev-test-tau", "fold4_room2_mix001", 70),
        ("dev-train-sony", "fold3_room21_mix013", 60),
    ]
    assert mic not in {one.sound for one in found}


def test_a_cut_that_is_too_loud_is_replaced_by_the_next_one(tmp_path: Path, alone: None, capsys) -> None:
    foa = plane_wave(90, 0, 7.0, level=0.4)
    foa[:, :30_000] *= 1.4
    place(tmp_path / "foa", "dev-train", "loud", foa, rows_for(70, (0, 90, 0)))
    assert make(tmp_path / "foa", tmp_path / "out", "--clips", "12", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["made"], document["clips"]) == (12, {"dev-train": 12})
    assert document["too_loud"] > 0
    whole = wavfile.read(tmp_path / "foa" / "foa_dev" / "dev-train" / "loud.wav")[1].T / np.float32(32768)
    kept = [
        cut.name
        for cut in islice(draw_cuts(find_recordings(tmp_path / "foa", False, None), 20250305), 60)
        if np.abs(convert_to_stereo(whole[:, cut.start_frame * 2400 :][:, :120_000], cut.angle_deg)).max() <= 0.9999
    ]
    assert {line["name"] for line in lines(tmp_path / "out", "dev-train")} == set(kept[:12])
    assert make(tmp_path / "foa", tmp_path / "out", "--clips", "12", "--json") == 0
    assert json.loads(capsys.readouterr().out)["made"] == 0


def test_fewer_clips_than_wished_for_are_told(
    tmp_path: Path, alone: None, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(cuts_module, "ANGLES", 4)
    place(tmp_path / "foa", "dev-train", "short", plane_wave(0, 0, 5.0), rows_for(50, (0, 0, 0)))
    assert make(tmp_path / "foa", tmp_path / "out", "--clips", "5", "--no-video") == 0
    assert "1 clip fewer than wished for, for the recordings hold no others" in capsys.readouterr().err


# What goes wrong


def spoilt(source: Path) -> dict[str, Callable[[Path], None]]:
    """Ways to spoil one recording by what is said of it."""
    sound = Path("foa_dev/dev-train-sony") / f"{SPLITS['dev-train-sony']}.wav"
    table = Path("metadata_dev/dev-train-sony") / f"{SPLITS['dev-train-sony']}.csv"
    return {
        "expected first-order Ambisonics, 4 channels (W, Y, Z, X), got 2": lambda root: write_wav(
            root / sound, plane_wave(0, 0)[:2]
        ),
        "expected a sample rate of 24000 Hz, got 48000 Hz; convert it first": lambda root: write_wav(
            root / sound, plane_wave(0, 0), 48_000
        ),
        "expected at least 5 s of sound and picture, got 4.0 s": lambda root: write_wav(
            root / sound, plane_wave(0, 0, 4.0)
        ),
        "this is no sound or video that FFmpeg reads": lambda root: (root / sound).write_bytes(b"no sound"),
        "expected 0 to 12 (dcase2025) for class, got 13 in line 2": lambda root: (root / table).write_text(
            "0,1,0,0,0,1\n0,13,0,0,0,1\n"
        ),
        "they have no label files: dev-train-sony/fold3_room21_mix013": lambda root: (root / table).unlink(),
    }


@pytest.mark.parametrize("problem", spoilt(Path()))
def test_what_is_broken_is_named_and_the_rest_goes_on(
    problem: str, source: Path, tmp_path: Path, alone: None, capsys
) -> None:
    spoilt(source)[problem](source)
    assert make(source, tmp_path / "out", "--clips", "2") == 0
    said = capsys.readouterr().err
    assert "passed over" in said
    assert problem in said
    assert "there are 2 in dev-test-tau" in said
    if "no label files" not in problem:
        assert make(source, tmp_path / "other", "--clips", "2", "--fail-fast") in (2, 4)
        assert problem in capsys.readouterr().err


def test_a_video_that_is_no_panorama_leaves_sound_alone(source: Path, tmp_path: Path, alone: None, capsys) -> None:
    flat = source / "video_dev" / "dev-test-tau" / f"{SPLITS['dev-test-tau']}.mp4"
    write_video(flat, [np.zeros((90, 160, 3), np.uint8)] * 10, FPS, np.zeros((2, 2400), np.float32))
    (source / "video_dev" / "dev-train-sony").mkdir()
    (source / "video_dev" / "dev-train-sony" / f"{SPLITS['dev-train-sony']}.mp4").write_bytes(b"no video")
    assert make(source, tmp_path / "out", "--clips", "4") == 0
    said = capsys.readouterr().err
    assert "expected an equirectangular video such as 1920×960, twice as wide as high, got 160×90" in said
    assert "this is no sound or video that FFmpeg reads" in said
    assert "2 of them have no video; their clips are sound alone" in said
    assert "without a video: 4 clips" in said
    assert not (tmp_path / "out" / "video_dev").exists()


def test_a_sound_that_was_cut_off_fails_the_clips_behind_its_end(
    source: Path, tmp_path: Path, alone: None, capsys
) -> None:
    path = source / "foa_dev" / "dev-test-tau" / f"{SPLITS['dev-test-tau']}.wav"
    whole = path.read_bytes()
    assert struct.unpack("<I", whole[40:44])[0] == len(whole) - 44
    recordings = find_recordings(source, False, None)
    path.write_bytes(whole[: 44 + 8 * 24_000 * 6])
    cuts = [FoaCut(number, recordings[0], 0, start) for number, start in enumerate((0, 10, 20))]
    outcomes = FoaClipMaker(tmp_path / "out").make(cuts)
    assert [outcome.line is not None for outcome in outcomes] == [True, True, False]
    assert "the sound ends at 6.0 s" in str(outcomes[2].error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected either the number of clips, --clips 30000, or --hop 5, which cuts everything"),
        (("--clips", "2", "--hop", "1"), "expected either the number of clips"),
        (("--clips", "many"), "--clips expects a number such as 30000, or SPLIT=NUMBER, got 'many'"),
        (("--clips", "0"), "--clips expects a number such as 30000"),
        (("--clips", "eval=3"), "no split is called eval; there are dev-test-tau, dev-train-sony"),
        (("--clips", "dev=3", "--clips", "dev-test=3"), "another --clips speaks of dev-test-tau already"),
        (("--hop", "0.25"), "--hop expects seconds in steps of 0.1, such as 2.5, got 0.25"),
        (("--hop", "0"), "--hop expects seconds in steps of 0.1"),
        (("--clips", "2", "--distance", "0"), "--distance expects metres, more than 0, got 0.0"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: Sequence[str], message: str, source: Path, tmp_path: Path, capsys
) -> None:
    assert make(source, tmp_path / "out", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_folders_without_recordings_are_refused(tmp_path: Path, capsys) -> None:
    assert make(tmp_path / "gone", tmp_path / "out", "--clips", "1") == 2
    assert "expected a folder of first-order recordings; give a folder that holds foa_dev/" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert make(tmp_path / "empty", tmp_path / "out", "--clips", "1") == 2
    assert "found 0 WAV files, 0 CSV files and no such name" in capsys.readouterr().err


def test_the_only_recording_s_fault_is_the_command_s(tmp_path: Path, capsys) -> None:
    place(tmp_path / "foa", "dev-train", "a", plane_wave(0, 0)[:3], rows_for(60, (0, 0, 0)))
    assert make(tmp_path / "foa", tmp_path / "out", "--clips", "1") == 4
    assert "error: expected first-order Ambisonics, 4 channels" in capsys.readouterr().err


def test_labels_without_distances_need_one(tmp_path: Path, alone: None, capsys) -> None:
    place(tmp_path / "foa", "dev-train", "a", plane_wave(0, 0), rows_for(60, (0, 0, 0), distance_cm=None))
    assert make(tmp_path / "foa", tmp_path / "out", "--clips", "1") == 2
    assert "the labels have no distances, as those of 2022" in capsys.readouterr().err
    assert make(tmp_path / "foa", tmp_path / "out", "--clips", "1", "--distance", "1.8") == 0
    (table,) = (pd.read_csv(path) for path in (tmp_path / "out").rglob("*.csv"))
    assert (table["distance"] == 180).all()


def test_the_data_set_does_not_go_among_the_recordings(source: Path, capsys) -> None:
    for out in (source, source / "stereo"):
        assert make(source, out, "--clips", "1") == 2
        assert "the data set cannot lie among the recordings; choose another folder with -o" in capsys.readouterr().err


def test_other_data_sets_stay(source: Path, tmp_path: Path, alone: None, capsys) -> None:
    out = tmp_path / "out"
    assert make(source, out, "--clips", "2") == 0
    before = contents(out)
    assert make(source, out, "--clips", "2", "--seed", "1") == 2
    assert "another recipe made what is here (different: seed); choose another folder" in capsys.readouterr().err
    write_wav(source / "foa_dev" / "dev-test-tau" / f"{SPLITS['dev-test-tau']}.wav", plane_wave(30, 0, 8.0))
    assert make(source, out, "--clips", "2") == 2
    assert "(different: recordings)" in capsys.readouterr().err
    assert contents(out) == before
    assert make(source, out, "--clips", "2", "--seed", "1", "--overwrite") == 0
    assert sum(len(lines(out, split)) for split in SPLITS) == 2
    mine = tmp_path / "mine" / "stereo_dev" / "dev-test-tau" / "mine.wav"
    write_wav(mine, np.zeros((2, 10), np.float32))
    assert make(source, tmp_path / "mine", "--clips", "2") == 2
    assert "holds files that seldfuse synth did not make; choose another split, or another folder for OUT" in (
        capsys.readouterr().err
    )


def test_an_interruption_is_130_and_what_is_finished_stays(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    def interrupted(errands: Sequence[list[FoaCut]], maker: FoaClipMaker, _: int) -> Iterator[list]:
        yield maker.make(errands[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "run_workers", interrupted)
    assert make(source, tmp_path / "out", "--clips", "dev-train=2", "--clips", "dev-test=2") == 130
    assert "stopped; the same command goes on from here" in capfd.readouterr().err
    assert [len(lines(tmp_path / "out", split)) for split in sorted(SPLITS)] == [2, 0]


def test_scenes_are_still_made_by_the_command_alone(tmp_path: Path, capsys) -> None:
    assert call("synth", "scenes", str(tmp_path / "data"), "--clips", "0") == 2
    assert "Invalid value for '--clips'" in capsys.readouterr().err
    assert call("synth", "from-foa", "--help") == 0
    assert "Usage: seldfuse synth from-foa [OPTIONS]" in capsys.readouterr().out
    assert call("synth", "scenes", "--help") == 0
    assert "`seldfuse synth from-foa` makes one of recordings instead" in " ".join(capsys.readouterr().out.split())


def test_a_short_run_of_the_speed_measures_what_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.speed import foa as speed_foa

    asked = []

    def run(recordings: Path, out: Path, options: Sequence[str]) -> speed_foa.Spent:
        asked.append((recordings.name, *options))
        assert len(find_recordings(recordings, True, None)) == 1
        return speed_foa.Spent(2.0, 3.0) if options == ("--clips", "2") else speed_foa.Spent(6.0, 9.0)

    monkeypatch.setattr(speed_foa, "panoramas", lambda count: [np.zeros((64, 128, 3), np.uint8)] * count)
    monkeypatch.setattr(speed_foa, "run", run)
    result = json.loads(json.dumps(speed_foa.measure(6, 15, tmp_path)))
    assert asked == [
        ("sounds", "--clips", "2"),
        ("videos", "--clips", "2"),
        ("sounds", "--clips", "6"),
        ("videos", "--hop", "5.0"),
        ("videos", "--clips", "12"),
    ]
    assert result["cases"]["sound alone"]["times_real_time"] == pytest.approx(4 * 5 / 4)
    assert result["cases"]["sound alone"]["times_real_time_by_cpu"] == pytest.approx(2 * 4 * 5 / 6)
    assert speed_foa.tables(result).renderables
