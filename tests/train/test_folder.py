"""Training data from folders: pairing, windows, labels, order."""

import shutil
import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from worlds import noise

from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.events import Events
from seldfuse.core.grid import WINDOW_SAMPLES
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import MediaError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.features.stack import stack_features
from seldfuse.formats import dcase
from seldfuse.media.encode import write_video, write_wav
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data import file_windows as windows_module
from seldfuse.train.data.file_windows import FileWindow, WindowReader, cut_files, decode_samples, read_pcm_wav
from seldfuse.train.data.folder import FolderSource, FolderValidation, shuffle_epoch
from seldfuse.train.data.labelled_files import LabelledFile, find_labelled_files, split_by_fold
from seldfuse.train.data.source import ProcessShare, SceneSource
from seldfuse.train.data.window_tokens import WindowTokens

CPU = torch.device("cpu")
NO_ENCODERS = WindowTokens([])
ALONE = ProcessShare()
FEATURES = ("logmel", "intensity")
HEADER = "frame,class,source,azimuth,distance,onscreen"
ONE = "0,1,0,30,200,1"


def put(sound: Path, lines: Iterable[str] = (ONE,), seconds: float = 5.0, labels: Path | None = None) -> None:
    """A sound of noise, and its label file, beside it where no other place is named."""
    labels = labels or sound.with_suffix(".csv")
    for path in (sound, labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(sound, noise(seconds, seed=len(sound.name) + sum(map(ord, sound.stem))))
    write_lines(labels, lines)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join([HEADER, *lines]) + "\n")


def put_official(root: Path, split: str, clip: str, lines: Iterable[str] = (ONE,), seconds: float = 5.0) -> None:
    put(root / "stereo_dev" / split / f"{clip}.wav", lines, seconds, root / "metadata_dev" / split / f"{clip}.csv")


def found(folder: Path) -> list[LabelledFile]:
    """Pairs of a folder in which nothing is amiss but what is hidden."""
    problems: list[str] = []
    pairs = find_labelled_files(folder, DCASE2025, problems)
    assert [problem for problem in problems if "hidden" not in problem] == []
    return pairs


def scenes(pairs: list[LabelledFile], share: ProcessShare = ALONE, codec: float = 0.0, seed: int = 7) -> FolderSource:
    return FolderSource(pairs, DCASE2025, FEATURES, seed, share, {"codec": codec}, CPU, NO_ENCODERS)


def rows_of(batch: TrainingBatch, scene: int) -> list[tuple[int, int, int, int, float, float]]:
    """Frame, class, track, azimuth, distance and on-screen of what sounds in one scene of a batch."""
    truth = batch.target
    azimuth = azimuth_from_direction(truth.direction)
    return [
        (
            *cell,
            round(azimuth[scene, *cell].item()),
            round(truth.distance[scene, *cell].item(), 3),
            truth.onscreen[scene, *cell].item(),
        )
        for cell in truth.activity[scene].nonzero().tolist()
    ]


def same(left: TrainingBatch, right: TrainingBatch) -> bool:
    pairs = zip(left.target.tensors().values(), right.target.tensors().values(), strict=True)
    return torch.equal(left.features, right.features) and all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledFile]:
    """Seven clips side by side, each telling its number by an azimuth of its own."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(7):
        put(folder / f"clip{number}.wav", [f"{number},2,0,{10 * number},150,0"])
    return found(folder)


def numbers(batch: TrainingBatch) -> list[int]:
    """Which of `clips` the scenes of a batch are."""
    return [rows_of(batch, scene)[0][3] // 10 for scene in range(len(batch))]


# Pairs


def test_the_layout_of_the_challenge_pairs_by_split_and_name(tmp_path: Path) -> None:
    put_official(tmp_path, "dev-train-tau", "fold3_room5_mix001_deg000_start0000")
    put_official(tmp_path, "dev-test-sony", "fold4_room23_mix002_deg010_start0050")
    put_official(tmp_path, "dev-train-synth", "fold1_room001_mix000_deg000_start0000")
    video = tmp_path / "video_dev" / "dev-test-sony" / "fold4_room23_mix002_deg010_start0050.mp4"
    video.parent.mkdir(parents=True)
    video.touch()

    pairs = found(tmp_path)

    assert [(pair.split, pair.fold, pair.of_challenge) for pair in pairs] == [
        ("dev-test-sony", 4, True),
        ("dev-train-synth", 1, True),
        ("dev-train-tau", 3, True),
    ]
    assert all(pair.sound.stem == pair.labels.stem and pair.sound.suffix == ".wav" for pair in pairs)
    assert pairs[0].name == "dev-test-sony/fold4_room23_mix002_deg010_start0050"


def test_the_data_set_may_lie_deeper_and_behind_a_link(tmp_path: Path) -> None:
    put_official(tmp_path / "disk", "dev-train-tau", "fold3_room5_mix001_deg000_start0000")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "DCASE2025_SELD_dataset").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "circle").symlink_to(tmp_path / "home")

    (pair,) = found(tmp_path / "home")

    assert pair.name == "DCASE2025_SELD_dataset/dev-train-tau/fold3_room5_mix001_deg000_start0000"
    assert pair.of_challenge


def test_files_of_one_name_side_by_side_are_pairs(tmp_path: Path) -> None:
    put(tmp_path / "take.one.WAV")
    put(tmp_path / "kitchen" / "take.one.wav")
    put(tmp_path / "kitchen" / ".hidden.wav")
    (tmp_path / "kitchen" / "take.one.mp4").touch()

    assert [(pair.name, pair.split, pair.fold, pair.of_challenge) for pair in found(tmp_path)] == [
        ("kitchen/take.one", "kitchen", None, False),
        ("take.one", "", None, False),
    ]


def test_strays_do_not_shift_the_others(tmp_path: Path) -> None:
    for number in range(5):
        put(tmp_path / f"clip{number}.wav", [f"0,1,0,{number},100,0"])
    (tmp_path / "clip1.csv").unlink()
    (tmp_path / "clip3.wav").unlink()
    for number in range(5, 9):
        (tmp_path / f"clip{number}.ogg").touch()
    write_wav(tmp_path / "clip4.aiff.wav", noise(1.0))
    (tmp_path / "clip2.flac").touch()
    problems: list[str] = []

    pairs = find_labelled_files(tmp_path, DCASE2025, problems)

    assert [(pair.sound.name, pair.labels.name) for pair in pairs] == [
        (f"clip{number}.wav", f"clip{number}.csv") for number in (0, 2, 4)
    ]
    assert problems == [
        f"passed over 6 sounds (clip1, clip4.aiff, clip5, …) without a label file of the same name: {tmp_path}",
        f"passed over 1 label file (clip3) without a sound of the same name: {tmp_path}",
        f"took one sound each, WAV first, where a name has several: clip2: {tmp_path}",
    ]


def test_folds_say_which_pairs_train_and_splits_where_there_are_none(tmp_path: Path) -> None:
    for name in ("fold1_a", "fold2_b", "fold3_c", "fold4_d", "fold5_e"):
        put_official(tmp_path, "dev-train-tau", name)
    put_official(tmp_path, "dev-test-tau", "x")
    put_official(tmp_path, "dev-train-sony", "y")

    def names(*folds: tuple[int, ...]) -> list[list[str]]:
        return [[pair.sound.stem for pair in part] for part in split_by_fold(found(tmp_path), *folds)]

    assert names() == [["y", "fold1_a", "fold2_b", "fold3_c"], ["x", "fold4_d"]]
    assert names((5,), (1, 2)) == [["y", "fold5_e"], ["x", "fold1_a", "fold2_b"]]
    train = [pair for pair in found(tmp_path) if "train" in pair.split]
    assert split_by_fold(train, validate_folds=())[1] == []


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "labels").mkdir()
    write_lines(tmp_path / "labels" / "a.csv", [ONE])
    give = (
        "give a folder that holds stereo_dev/<split>/<clip>.wav and metadata_dev/<split>/<clip>.csv, or one in which "
        "each sound has a CSV file of the same name beside it"
    )
    for name, text in (
        ("nowhere", "expected a folder of sounds and label files, there is none"),
        ("file", "expected a folder of sounds and label files, got a file"),
        ("empty", "expected sounds, found none and 0 label files"),
        ("labels", "expected sounds, found none and 1 label file (a)"),
    ):
        with pytest.raises(UsageError) as error:
            find_labelled_files(tmp_path / name, DCASE2025, [])
        assert str(error.value) == f"{text}; {give}: {tmp_path / name}"


def test_sounds_without_labels_are_told_with_examples(tmp_path: Path) -> None:
    for number in range(4):
        put(tmp_path / f"clip{number}.wav", labels=tmp_path / f"labels{number}.csv")
    with pytest.raises(UsageError) as error:
        find_labelled_files(tmp_path, DCASE2025, [])
    assert str(error.value).startswith(
        "expected a label file for each sound, found 4 sounds (clip0, clip1, clip2, …) and 4 label files (labels0, "
        "labels1, labels2, …), but no name that both have; give a folder that holds "
    )


def test_label_files_without_any_event_are_told(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"{number}.wav", [])
    with pytest.raises(UsageError) as error:
        find_labelled_files(tmp_path, DCASE2025, [])
    assert str(error.value) == (
        "expected labelled events, found no event in any of 3 label files; a label file holds one line for each source "
        f"and frame of 100 ms, frame,class,source,azimuth,distance,onscreen: {tmp_path}"
    )
    write_lines(tmp_path / "1.csv", [ONE])
    assert len(found(tmp_path)) == 3


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["0,13,0,30,200,1"], "expected 0 to 12 (dcase2025) for class, got 13 in line 2"),
        (["0,1,0,left,200,1"], "expected a number for azimuth, got 'left' in line 2"),
    ],
)
def test_mislabelled_files_are_told_at_once(tmp_path: Path, lines: list[str], text: str) -> None:
    put(tmp_path / "a.wav", lines)
    with pytest.raises(UsageError) as error:
        find_labelled_files(tmp_path, DCASE2025, [])
    assert str(error.value) == f"{text}: {tmp_path / 'a.csv'}"


def test_a_label_file_of_another_format_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "a.csv").write_text("onset,offset,event\n0,1,bell\n")
    with pytest.raises(UsageError) as error:
        find_labelled_files(tmp_path, DCASE2025, [])
    assert str(error.value) == (
        f"expected the header {HEADER}, or the names of other columns with frame, class and azimuth, "
        f"got 'onset,offset,event': {tmp_path / 'a.csv'}"
    )


def test_labels_without_distances_are_told(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "a.csv").write_text("0,1,0,30,-10\n")
    with pytest.raises(UsageError) as error:
        found(tmp_path)
    assert str(error.value) == (
        "expected the distance of every event, which networks learn, but the file has none; add a column, with the "
        f"header {HEADER}: {tmp_path / 'a.csv'}"
    )


def test_a_distance_of_zero_is_the_median_of_the_others_or_told(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", ["0,1,0,30,0,1", "1,1,0,30,100,1", "2,1,0,30,300,1"])
    problems: list[str] = []
    (pair,) = find_labelled_files(tmp_path, DCASE2025, problems)
    assert problems == [
        "a distance of 0 in 1 of 3 lines, first in line 2, was taken for the median of the others, 2.00 m: "
        f"{tmp_path / 'a.csv'}"
    ]
    assert rows_of(scenes([pair]).draw(1), 0)[0][4] == 2.0
    put(tmp_path / "a.wav", ["0,1,0,30,0,1", "1,1,0,30,0,1", "2,1,0,30,300,1"])
    with pytest.raises(UsageError, match=r"got 0 in 2 of 3, first in line 2; .*a\.csv"):
        find_labelled_files(tmp_path, DCASE2025, [])


# Windows


def test_a_plain_file_is_read_quickly_to_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, noise(7.3))
    assert np.array_equal(read_pcm_wav(path, 0, 10**6), decode_samples(path))
    assert np.array_equal(read_pcm_wav(path, 5000, 100_000), decode_samples(path, start=5000, count=100_000))
    assert read_pcm_wav(path, 10**6, 100).shape == decode_samples(path, start=10**6, count=100).shape == (2, 0)


@pytest.mark.parametrize(("channels", "rate_hz", "width"), [(1, 24_000, 2), (2, 48_000, 2), (2, 24_000, 3)])
def test_other_files_are_left_to_the_decoder(tmp_path: Path, channels: int, rate_hz: int, width: int) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(bytes(channels * width * rate_hz))
    assert read_pcm_wav(tmp_path / "a.wav", 0, 100) is None


def test_a_file_that_ends_within_a_sample_is_read_to_its_last_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, noise(1.0))
    path.write_bytes(path.read_bytes()[:-41])
    assert np.array_equal(read_pcm_wav(path, 0, 10**6), decode_samples(path))


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [(0.4, [0]), (5.0, [0]), (5.9, [0]), (6.0, [0, 50]), (10.0, [0, 50]), (12.5, [0, 50, 100])],
)
def test_a_recording_becomes_windows_of_five_seconds(tmp_path: Path, seconds: float, starts: list[int]) -> None:
    put(tmp_path / "a.wav", seconds=seconds)
    windows = cut_files(found(tmp_path))
    assert [window.start_frame for window in windows] == starts
    assert {window.recording_frames for window in windows} == {round(seconds * 10)}


def test_lengths_are_those_of_headers_in_other_files_too(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "a.wav").unlink()
    picture = np.zeros((64, 64, 3), np.uint8)
    write_video(tmp_path / "a.mp4", [picture] * 70, 10, noise(7.0))
    assert [window.start_frame for window in cut_files(found(tmp_path))] == [0, 50]


def test_clips_of_the_challenge_are_not_opened_beforehand(tmp_path: Path) -> None:
    put_official(tmp_path, "dev-train-tau", "fold3_a")
    pairs = found(tmp_path)
    pairs[0].sound.unlink()
    assert cut_files(pairs) == [FileWindow(pairs[0], 0, 50)]


def test_a_long_recording_is_cut_with_its_labels(tmp_path: Path) -> None:
    lines = ["3,1,0,30,200,1", "49,2,0,-40,100,0", "50,2,0,-41,100,0", "109,5,0,10,300,1"]
    put(tmp_path / "a.wav", lines, seconds=12.0)
    samples = decode_samples(tmp_path / "a.wav")
    validation = FolderValidation(found(tmp_path), DCASE2025, FEATURES, CPU, 3, NO_ENCODERS)

    (batch,) = validation.batches()

    assert rows_of(batch, 0) == [(3, 1, 0, 30, 2.0, 1.0), (49, 2, 0, -40, 1.0, 0.0)]
    assert rows_of(batch, 1) == [(0, 2, 0, -41, 1.0, 0.0)]
    assert rows_of(batch, 2) == [(9, 5, 0, 10, 3.0, 1.0)]
    assert [events.table["frame"].tolist() for events in validation.references] == [[3, 49], [0], [9]]
    assert validation.references[1].table["azimuth_deg"].tolist() == [-41.0]
    padded = np.pad(samples, ((0, 0), (0, 3 * WINDOW_SAMPLES - samples.shape[1])))
    audio = torch.from_numpy(padded.reshape(2, 3, WINDOW_SAMPLES).swapaxes(0, 1).copy())
    assert torch.equal(batch.features, stack_features(make_batch(audio), FEATURES))
    assert validation.problems == []


def test_recordings_that_must_be_decoded_are_kept_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = noise(48.0)[:, : 2 * 12 * 24_000]  # 12 s at 48 kHz
    put(tmp_path / "a.wav", seconds=1.0)
    write_wav(tmp_path / "a.wav", sound, 48_000)
    windows = cut_files(found(tmp_path))
    whole = decode_samples(tmp_path / "a.wav")
    asked: list[int | None] = []

    def count(path: Path, note: object, start: int = 0, count: int | None = None) -> np.ndarray:
        asked.append(count)
        return decode_samples(path, start=start, count=count)

    monkeypatch.setattr(windows_module, "decode_samples", count)
    for room, expected in ((10**9, [None]), (1000, [WINDOW_SAMPLES] * 3)):
        monkeypatch.setattr(windows_module, "KEPT_SAMPLES", room)
        asked.clear()
        recordings = WindowReader()
        read = np.concatenate([recordings.read(window).samples for window in windows], axis=1)
        assert np.array_equal(read[:, : whole.shape[1]], whole)
        assert not read[:, whole.shape[1] :].any()
        assert asked == expected


def test_a_short_clip_is_filled_with_silence(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", ["3,1,0,30,200,1", "15,1,0,30,200,1", "16,1,0,30,200,1"], seconds=1.53)
    source = scenes(found(tmp_path))
    batch = source.draw(1)
    audio = torch.zeros(1, 2, WINDOW_SAMPLES)
    audio[0, :, : round(1.53 * 24_000)] = torch.from_numpy(decode_samples(tmp_path / "a.wav"))
    assert torch.equal(batch.features, stack_features(make_batch(audio), FEATURES))
    assert [row[0] for row in rows_of(batch, 0)] == [3, 15]
    assert source.problems == [
        "the sound has 16 frames of 100 ms, the labels have some from frame 16 on, which were left out: "
        f"{tmp_path / 'a.csv'}"
    ]


def test_a_truncated_clip_loses_the_labels_behind_its_end(tmp_path: Path) -> None:
    put_official(tmp_path, "dev-train-tau", "fold3_a", ["3,1,0,30,200,1", "45,1,0,30,200,1"], seconds=2.0)
    source = scenes(found(tmp_path))
    assert [row[0] for row in rows_of(source.draw(1), 0)] == [3]
    assert source.problems == [
        "expected 5.0 s of sound, but it ends at 2.0 s; the rest became silence: "
        f"{tmp_path / 'stereo_dev/dev-train-tau/fold3_a.wav'}"
    ]


def test_a_clip_of_the_challenge_that_is_longer_is_told(tmp_path: Path) -> None:
    put_official(tmp_path, "dev-train-tau", "fold3_a", seconds=6.0)
    with pytest.raises(MediaError) as error:
        scenes(found(tmp_path)).draw(1)
    assert str(error.value) == (
        "expected 5 s, which every clip in stereo_dev lasts, but the sound goes on; cut it up, or put sounds and CSV "
        "files side by side into one folder, where they may be of any length: "
        f"{tmp_path / 'stereo_dev/dev-train-tau/fold3_a.wav'}"
    )


def test_files_that_cannot_be_heard_are_told(tmp_path: Path) -> None:
    for name in ("mono", "damaged", "missing"):
        put_official(tmp_path / name, "dev-train-tau", "fold3_a")
    path = "stereo_dev/dev-train-tau/fold3_a.wav"
    pairs = {name: found(tmp_path / name) for name in ("mono", "damaged", "missing")}
    write_wav(tmp_path / "mono" / path, noise(5.0)[:1])
    (tmp_path / "damaged" / path).write_bytes(b"RIFF and nothing else")
    (tmp_path / "missing" / path).unlink()
    for name, text in (
        ("mono", "one channel cannot be localised"),
        ("damaged", "this is no sound or video that FFmpeg reads, or its header is damaged"),
        ("missing", "no such file"),
    ):
        with pytest.raises(MediaError) as error:
            scenes(pairs[name]).draw(1)
        assert str(error.value).startswith(text)
        assert str(error.value).endswith(str(tmp_path / name / path))


# Labels


def test_sources_of_a_class_fill_the_tracks_in_order(tmp_path: Path) -> None:
    lines = ["7,4,9,90,100,0", "7,4,2,20,110,1", "7,4,5,50,120,0", "7,4,3,30,130,1", "7,6,8,-10,140,1", "6,4,9,91,90,0"]
    put(tmp_path / "a.wav", lines)
    pairs = found(tmp_path)
    validation = FolderValidation(pairs, DCASE2025, FEATURES, CPU, 1, NO_ENCODERS)
    expected = [
        (6, 4, 0, 89, 0.9, 0.0),
        (7, 4, 0, 20, 1.1, 1.0),
        (7, 4, 1, 30, 1.3, 1.0),
        (7, 4, 2, 50, 1.2, 0.0),
        (7, 6, 0, -10, 1.4, 1.0),
    ]
    assert rows_of(scenes(pairs).draw(1), 0) == expected
    assert rows_of(next(validation.batches()), 0) == expected
    assert len(validation.references[0]) == 6


def test_every_source_number_may_be_zero(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", ["7,4,0,20,110,1", "7,4,0,-50,120,0"])
    assert [row[2:4] for row in rows_of(scenes(found(tmp_path)).draw(1), 0)] == [(0, 20), (1, -50)]


def test_labels_without_on_screen_are_off_screen(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "a.csv").write_text("frame,class,source,azimuth,distance\n0,1,0,30,200\n")
    batch = scenes(found(tmp_path)).draw(1)
    assert rows_of(batch, 0) == [(0, 1, 0, 30, 2.0, 0.0)]
    assert all(tensor.isfinite().all() for tensor in batch.target.tensors().values())


def test_what_is_written_as_events_is_the_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(50), 2),
            "cls": np.tile([3, 8], 50),
            "source": np.tile([0, 1], 50),
            "azimuth_deg": rng.integers(-90, 91, 100).astype(float),
            "distance_m": rng.integers(0, 500, 100) / 100,
            "onscreen": rng.integers(0, 2, 100).astype(float),
        }
    )
    put(tmp_path / "a.wav")
    dcase.write_events(Events(table), tmp_path / "a.csv")
    validation = FolderValidation(found(tmp_path), DCASE2025, FEATURES, CPU, 1, NO_ENCODERS)
    pd.testing.assert_frame_equal(validation.references[0].table, Events(table).table)
    (batch,) = validation.batches()
    expected = [
        (row.frame, row.cls, 0, round(row.azimuth_deg), row.distance_m, row.onscreen) for row in table.itertuples()
    ]
    assert rows_of(batch, 0) == expected


# Order


def test_an_epoch_holds_every_window_once_in_an_order_of_its_own(clips: list[LabelledFile]) -> None:
    source = scenes(clips)
    assert isinstance(source, SceneSource)
    assert len(source) == 7
    drawn = [numbers(source.draw(7)) for _ in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in drawn)
    assert drawn == [shuffle_epoch(7, 7, epoch).tolist() for epoch in range(3)]
    assert len({tuple(epoch) for epoch in drawn}) > 1
    assert numbers(scenes(clips, seed=8).draw(7)) != drawn[0]
    source.close()


def test_draws_of_any_size_follow_one_another(clips: list[LabelledFile]) -> None:
    source = scenes(clips)
    drawn = [number for count in (3, 2, 5, 4) for number in numbers(source.draw(count))]
    assert drawn == numbers(scenes(clips).draw(14))


def test_the_shares_of_a_step_are_one_process_s_step_of_double_size(clips: list[LabelledFile]) -> None:
    whole, first, second = scenes(clips), scenes(clips, ProcessShare(0, 2)), scenes(clips, ProcessShare(1, 2))
    for count in (3, 3, 2, 4):
        step = whole.draw(2 * count)
        assert same(step, TrainingBatch.concat([first.draw(count), second.draw(count)]))


def test_to_seek_is_as_good_as_to_have_drawn(clips: list[LabelledFile]) -> None:
    drawn, sought = scenes(clips, ProcessShare(1, 2)), scenes(clips, ProcessShare(1, 2))
    for _ in range(3):
        drawn.draw(3)
    sought.draw(2)
    sought.seek(9)
    assert same(drawn.draw(3), sought.draw(3))


def test_the_next_scenes_are_read_ahead(clips: list[LabelledFile], tmp_path: Path) -> None:
    for pair in clips:
        shutil.copy(pair.sound, tmp_path)
        shutil.copy(pair.labels, tmp_path)
    source, expected = scenes(found(tmp_path)), scenes(clips)
    source.draw(3)
    for scene in source._ahead.values():
        scene.result()
    shutil.rmtree(tmp_path)
    expected.draw(3)
    assert same(source.draw(3), expected.draw(3))


def test_features_are_those_of_the_sound(clips: list[LabelledFile]) -> None:
    batch = scenes(clips).draw(2)
    audio = np.stack([decode_samples(clips[number].sound) for number in numbers(batch)])
    assert batch.names == FEATURES
    assert torch.equal(batch.features, stack_features(make_batch(torch.from_numpy(audio)), FEATURES))
    assert batch.features.shape == (2, 3, 250, 64)
    assert batch.target.activity.shape == (2, 50, 13, 3)


def test_what_the_codec_does_depends_on_the_position_alone(clips: list[LabelledFile]) -> None:
    whole, plain = scenes(clips, codec=1.0).draw(14), scenes(clips).draw(14)
    shares = [scenes(clips, ProcessShare(rank, 2), codec=1.0).draw(7) for rank in range(2)]
    assert same(whole, TrainingBatch.concat(shares))
    assert numbers(whole) == numbers(plain)
    assert not any(torch.equal(*pair) for pair in zip(whole.features, plain.features, strict=True))
    again = [scene for scene, number in enumerate(numbers(whole)) if number == 3]
    assert not torch.equal(*whole.features[again])


def test_without_pairs_there_is_nothing_to_train_on() -> None:
    with pytest.raises(UsageError) as error:
        scenes([])
    assert str(error.value) == (
        "expected sounds with labels to train on, got none; choose other folds, or other folders"
    )


# Validation


def test_validation_reads_all_windows_in_order_each_time(clips: list[LabelledFile]) -> None:
    validation = FolderValidation(clips, DCASE2025, FEATURES, CPU, 3, NO_ENCODERS)
    for _ in range(2):
        batches = list(validation.batches())
        assert [len(batch) for batch in batches] == [3, 3, 1]
        assert [number for batch in batches for number in numbers(batch)] == list(range(7))
    assert [events.table["frame"].tolist() for events in validation.references] == [[number] for number in range(7)]


def test_validation_may_be_left_early_and_may_be_empty(clips: list[LabelledFile]) -> None:
    batches = FolderValidation(clips, DCASE2025, FEATURES, CPU, 2, NO_ENCODERS).batches()
    next(batches)
    batches.close()
    nothing = FolderValidation([], DCASE2025, FEATURES, CPU, 2, NO_ENCODERS)
    assert (nothing.references, list(nothing.batches())) == ([], [])


def test_references_leave_out_what_is_behind_the_end(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", ["2,1,0,30,200,1", "80,1,0,30,200,1"], seconds=7.0)
    validation = FolderValidation(found(tmp_path), DCASE2025, FEATURES, CPU, 4, NO_ENCODERS)
    assert [len(events) for events in validation.references] == [1, 0]
    assert len(validation.problems) == 1
