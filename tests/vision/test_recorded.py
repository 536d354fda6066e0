"""Detections that were recorded before, at the times at which somebody asks for them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.detections import UNTRACKED, Detections
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.media.picture import FileFrames
from seldfuse.vision.recorded import read_recorded

SILENCE = ArrayAudio(np.zeros((2, 2400), dtype=np.float32))


def frames(*times_s: float) -> list[Frame]:
    return [Frame(time_s, np.zeros((9, 16, 3), dtype=np.uint8)) for time_s in times_s]


def seen(times_s: Sequence[float], phrase: str = "person") -> Detections:
    """One thing each time; its left edge tells which."""
    return Detections.from_rows([(time_s, phrase, 0.9, time_s, 0.0, 9.0, 9.0, 3) for time_s in times_s])


def clip_in(folder: Path, name: str = "talk") -> Clip:
    return Clip(name, SILENCE, path=folder / "talk.wav")


def lefts(found: Detections) -> list[tuple[float, float]]:
    return list(zip(found.table["time_s"], found.table["left_px"], strict=True))


def test_a_frame_gets_the_rows_that_are_nearest_within_half_a_step(tmp_path: Path) -> None:
    seen([0.0, 0.5, 1.0, 4.0]).save(tmp_path / "talk.detections.parquet")
    found = read_recorded(clip_in(tmp_path), frames(0.1, 0.24, 0.26, 1.2, 1.3, 3.9))
    assert lefts(found) == [(0.1, 0.0), (0.24, 0.0), (0.26, 0.5), (1.2, 1.0), (3.9, 4.0)]
    assert (found.table["track"] == UNTRACKED).all()


def test_all_rows_of_a_time_come_in_their_order_with_their_keypoints(tmp_path: Path) -> None:
    points = np.arange(3 * 17 * 3, dtype=float).reshape(3, 17, 3)
    rows = [(0.0, "person", 0.9, left_px, 0.0, 9.0, 9.0, 0) for left_px in (5.0, 2.0)]
    Detections.from_rows([*rows, (1.0, "person", 0.9, 7.0, 0.0, 9.0, 9.0, 0)], list(points)).save(
        tmp_path / "talk.detections.parquet"
    )
    found = read_recorded(clip_in(tmp_path), frames(0.0, 0.2, 1.0))
    assert lefts(found) == [(0.0, 5.0), (0.0, 2.0), (0.2, 5.0), (0.2, 2.0), (1.0, 7.0)]
    np.testing.assert_array_equal(found.keypoints, points[[0, 1, 0, 1, 2]])


def test_only_things_of_some_phrases(tmp_path: Path) -> None:
    Detections.concat([seen([0.0]), seen([0.0], "bell")]).save(tmp_path / "talk.detections.parquet")
    assert read_recorded(clip_in(tmp_path), frames(0.0), ("bell",)).table["phrase"].tolist() == ["bell"]
    assert len(read_recorded(clip_in(tmp_path), frames(0.0), ("door",))) == 0


def test_a_single_look_stands_for_a_tenth_of_a_second(tmp_path: Path) -> None:
    seen([1.0]).save(tmp_path / "talk.detections.parquet")
    assert lefts(read_recorded(clip_in(tmp_path), frames(0.94, 0.96, 1.04, 1.06))) == [(0.96, 1.0), (1.04, 1.0)]


def test_nothing_asked_and_nothing_seen(tmp_path: Path) -> None:
    path = tmp_path / "talk.detections.parquet"
    seen([1.0]).save(path)
    assert len(read_recorded(clip_in(tmp_path), [])) == 0
    seen([]).table.to_parquet(path)
    assert len(read_recorded(clip_in(tmp_path), frames(1.0))) == 0


def test_the_file_is_beside_the_video_or_the_sound_or_in_a_folder_under_the_clip_s_name(tmp_path: Path) -> None:
    for folder, time_s in (("wav", 1.0), ("video", 2.0), ("out/dev", 3.0)):
        (tmp_path / folder).mkdir(parents=True)
        seen([time_s]).save(tmp_path / folder / "talk.detections.parquet")
    heard = clip_in(tmp_path / "wav", "dev/talk")
    watched = Clip("dev/talk", SILENCE, FileFrames(tmp_path / "video" / "talk.mp4"), path=tmp_path / "wav" / "talk.wav")
    asked = frames(1.0, 2.0, 3.0)
    assert lefts(read_recorded(heard, asked)) == [(1.0, 1.0)]
    assert lefts(read_recorded(watched, asked)) == [(2.0, 2.0)]
    assert lefts(read_recorded(watched, asked, folder=tmp_path / "out")) == [(3.0, 3.0)]


def test_a_recording_that_is_missing_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as error:
        read_recorded(clip_in(tmp_path), frames(0.0))
    assert str(error.value) == (
        f"there are no recorded detections of talk; expected {tmp_path / 'talk.detections.parquet'}"
    )
    with pytest.raises(CheckpointError, match=f"expected {tmp_path}/seen/talk.detections.parquet"):
        read_recorded(clip_in(tmp_path), frames(0.0), folder=tmp_path / "seen")
    with pytest.raises(CheckpointError, match="a clip that is no file has none beside it"):
        read_recorded(Clip("talk", SILENCE), frames(0.0))


def test_rows_without_a_time_are_refused(tmp_path: Path) -> None:
    seen([1.0, np.nan]).save(tmp_path / "talk.detections.parquet")
    with pytest.raises(UsageError, match=r"expected a time in every row .*: .*talk\.detections\.parquet"):
        read_recorded(clip_in(tmp_path), frames(1.0))


def test_boxes_that_end_at_an_edge_only_as_corner_and_size_are_told(tmp_path: Path) -> None:
    """A person on the left whom the lower edge cuts: right is beyond left even where it is the width."""
    path = tmp_path / "talk.detections.parquet"
    left_px = np.linspace(1.0, 4.0, 30)
    corners = [(n / 30, "person", 0.9, left, 3.0 + left / 9, left + 6.0, 9.0, 3) for n, left in enumerate(left_px)]
    Detections.from_rows(corners).save(path)
    assert len(read_recorded(clip_in(tmp_path), frames(0.5, 1.0))) == 2
    sizes = [(*row[:5], 6.0, 9.0 - row[4], 3) for row in corners]
    Detections.from_rows(sizes).save(path)
    with pytest.raises(CheckpointError, match="exactly if they are corner and size"):
        read_recorded(clip_in(tmp_path), frames(0.5, 1.0))
