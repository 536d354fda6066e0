"""Files, folders, patterns and the challenge's data set become clips with names that outputs can mirror."""

from pathlib import Path

import numpy as np
import pytest

import seldfuse
from seldfuse.core.geometry import Camera
from seldfuse.errors import MediaError, UsageError
from seldfuse.media.encode import write_video, write_wav
from seldfuse.media.inputs import find_clips
from seldfuse.media.picture import FileFrames
from seldfuse.media.sound import FileAudio

QUIET = np.zeros((2, 2400), np.float32)


def wav(path: Path) -> Path:
    write_wav(path, QUIET)
    return path


def video(path: Path, width: int = 64, height: int = 48) -> Path:
    write_video(path, [np.zeros((height, width, 3), np.uint8)] * 2, 10, QUIET)
    return path


@pytest.fixture
def data_set(tmp_path) -> Path:
    """Two development splits and the evaluation split; in one of them the second clip lacks its video."""
    root = tmp_path / "DCASE2025"
    for split, stems in {"dev-train-tau": ["b", "a"], "dev-test-sony": ["x", "y", "z"]}.items():
        for stem in stems:
            wav(root / "stereo_dev" / split / f"{stem}.wav")
            if stem != "y":
                video(root / "video_dev" / split / f"{stem}.mp4", 32, 18)
    video(root / "video_dev" / "dev-test-sony" / "other.mp4")
    wav(root / "stereo_eval" / "eval" / "sample1.wav")
    (root / "metadata_dev" / "dev-test-sony").mkdir(parents=True)
    return root


def names(clips) -> list[str]:
    return [clip.name for clip in clips]


def refusal(*inputs, split=None) -> str:
    with pytest.raises(UsageError) as caught:
        find_clips(inputs, split)
    return str(caught.value)


def test_a_file_is_named_by_its_stem(tmp_path):
    path = wav(tmp_path / "deep" / "take.1.wav")
    (clip,) = find_clips([str(path)])
    assert (clip.name, clip.path, clip.video, clip.camera) == ("take.1", path, None, Camera())
    assert clip.audio == FileAudio(path)


def test_a_video_brings_its_pictures_and_their_size(tmp_path):
    path = video(tmp_path / "a.mp4")
    (clip,) = find_clips([path])
    assert clip.video == FileFrames(path)
    assert clip.camera == Camera(64, 48, 100.0)


def test_a_folder_gives_all_media_below_it_in_order(tmp_path):
    for name in ("b.wav", "a/2.WAV", "a/1.wav", ".hidden.wav", ".git/x.wav", "a/._1.wav"):
        wav(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no sound")
    (tmp_path / "folder.wav").mkdir()
    assert names(find_clips([tmp_path])) == ["a/1", "a/2", "b"]


def test_a_folder_called_by_a_dot_keeps_its_files(tmp_path, monkeypatch):
    wav(tmp_path / "a.wav")
    monkeypatch.chdir(tmp_path)
    assert names(find_clips(["."])) == ["a"]


def test_a_pattern_is_expanded_and_named_from_its_fixed_part(tmp_path, monkeypatch):
    for name in ("one/a.wav", "one/b.wav", "two/a.wav", "two/deep/c.wav", "two/notes.csv"):
        wav(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert names(find_clips(["one/*.wav"])) == ["a", "b"]
    assert names(find_clips(["*/a.*"])) == ["one/a", "two/a"]
    assert names(find_clips([str(tmp_path / "two" / "**" / "*")])) == ["a", "deep/c"]


def test_a_file_that_looks_like_a_pattern_is_a_file(tmp_path):
    wav(tmp_path / "a.wav")
    assert names(find_clips([wav(tmp_path / "[a].wav")])) == ["[a]"]


def test_the_data_set_pairs_sound_and_picture_by_name(data_set):
    clips = {clip.name: clip for clip in find_clips([data_set])}
    assert list(clips) == [
        *("dev-test-sony/x", "dev-test-sony/y", "dev-test-sony/z"),
        *("dev-train-tau/a", "dev-train-tau/b", "eval/sample1"),
    ]
    for stem in "xz":
        clip = clips[f"dev-test-sony/{stem}"]
        assert clip.audio == FileAudio(data_set / "stereo_dev" / "dev-test-sony" / f"{stem}.wav")
        assert clip.video == FileFrames(data_set / "video_dev" / "dev-test-sony" / f"{stem}.mp4")
        assert clip.camera == Camera(32, 18)
    assert clips["dev-test-sony/y"].video is None
    assert clips["eval/sample1"].video is None


def test_one_split_of_the_data_set(data_set):
    assert names(find_clips([data_set], split="dev-train-tau")) == ["dev-train-tau/a", "dev-train-tau/b"]


def test_a_part_of_the_data_set_still_finds_its_pictures(data_set, monkeypatch):
    monkeypatch.chdir(data_set / "stereo_dev")
    for given in ("dev-test-sony", "dev-test-sony/*.wav"):
        assert [clip.video is not None for clip in find_clips([given])] == [True, False, True]
    (clip,) = find_clips(["dev-test-sony/x.wav"])
    assert clip.video == FileFrames(data_set / "video_dev" / "dev-test-sony" / "x.mp4")


def test_only_one_picture_of_a_folder_of_the_data_set_is_opened(data_set, monkeypatch):
    opened = []
    probe = seldfuse.media.inputs.probe_picture
    monkeypatch.setattr("seldfuse.media.inputs.probe_picture", lambda path: opened.append(path) or probe(path))
    find_clips([data_set])
    assert [path.name for path in opened] == ["x.mp4", "a.mp4"]


def test_a_broken_video_does_not_stop_the_others(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    wav(tmp_path / "b.wav")
    broken, _ = find_clips([tmp_path])
    assert broken.video is None
    with pytest.raises(MediaError, match="this is no sound or video that FFmpeg reads"):
        list(broken.audio.blocks())


def test_two_inputs_of_one_name_are_refused(tmp_path):
    first, second = (wav(tmp_path / name) for name in ("one/a.wav", "two/a.wav"))
    assert refusal(first, second) == (
        f"two inputs would be written as 'a'; rename one, or run them apart: {first}, {second}"
    )


def test_files_of_one_stem_keep_their_suffixes_apart(tmp_path):
    wav(tmp_path / "in" / "a.wav")
    video(tmp_path / "in" / "a.mp4")
    wav(tmp_path / "in" / "b.WAV")
    assert [clip.name for clip in find_clips([tmp_path])] == ["in/a.mp4", "in/a.wav", "in/b"]


def test_links_to_folders_are_followed_and_circles_end(tmp_path):
    wav(tmp_path / "in" / "a.wav")
    wav(tmp_path / "store" / "deep" / "b.wav")
    wav(tmp_path / "in" / ".ipynb_checkpoints" / "a.wav")
    (tmp_path / "in" / "linked").symlink_to("../store")
    (tmp_path / "in" / "circle").symlink_to("..")
    notes: list[str] = []
    clips = find_clips([tmp_path / "in"], note=notes.append)
    assert [clip.name for clip in clips] == ["a", "linked/deep/b"]
    assert notes == [f"passed over 1 hidden folder (.ipynb_checkpoints): {tmp_path / 'in'}"]
    assert [clip.name for clip in find_clips([tmp_path / "in" / "**" / "*.wav"])] == ["a", "linked/deep/b"]


def test_what_matches_nothing_is_refused(tmp_path, data_set):
    (tmp_path / "empty").mkdir()
    assert refusal() == "expected at least one file, folder or pattern, got none"
    assert refusal(tmp_path / "*.flac") == f"no sound or video file matches this pattern: {tmp_path / '*.flac'}"
    text = refusal(tmp_path / "empty")
    assert text.startswith("no sound or video file (.3gp, .aac, ")
    assert text.endswith(f" is in this folder: {tmp_path / 'empty'}")
    (data_set / "stereo_eval" / "eval" / "sample1.wav").unlink()
    assert refusal(data_set, split="eval") == f"no WAV file is in eval: {data_set}"


def test_a_split_that_is_not_there_is_refused(tmp_path, data_set):
    assert refusal(data_set, split="dev-test-tau") == (
        f"no split is called dev-test-tau; there are dev-test-sony, dev-train-tau, eval: {data_set}"
    )
    path = wav(tmp_path / "plain" / "a.wav")
    for given in (path, path.parent):
        assert refusal(given, split="eval") == (
            f"--split eval needs a folder that holds stereo_dev or stereo_eval, got {given}"
        )


def test_a_missing_file_is_bad_media_and_names_its_neighbour(tmp_path):
    wav(tmp_path / "kitchen.wav")
    with pytest.raises(MediaError) as caught:
        find_clips([tmp_path / "kitchn.wav"])
    assert str(caught.value) == f"no such file; did you mean kitchen.wav?: {tmp_path / 'kitchn.wav'}"


def test_the_demo_is_the_bundled_clip(tmp_path, monkeypatch):
    monkeypatch.setattr(seldfuse, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(MediaError, match="this installation lacks the demo clip; install seldfuse anew"):
        find_clips(["@demo"])
    path = video(tmp_path / "_demo" / "demo.mp4")
    (clip,) = find_clips(["@demo"])
    assert (clip.name, clip.path, clip.video) == ("demo", path, FileFrames(path))
