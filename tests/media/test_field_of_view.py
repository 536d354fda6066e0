"""The field of view: what a file states by its focal length, else that of the challenge."""

from pathlib import Path

import av
import numpy as np
import pytest

from seldfuse.core.geometry import Camera
from seldfuse.media.inputs import describe_fields_of_view, find_clips
from seldfuse.media.picture import ShownPicture, probe_picture

APPLE = "com.apple.quicktime.camera.focal_length.35mm_equivalent"


def write_video(path: Path, **tags: str) -> Path:
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as file:
        for name, text in tags.items():
            file.metadata[name] = text
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_focal_length_of_24_mm_is_a_width_of_76_degrees(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"a{suffix}", **{APPLE: "24"})
    # 43.27 mm along the diagonal of 16 to 9 are 37.7 mm across.
    shown = probe_picture(path)
    assert shown is not None
    assert shown.fov_deg == pytest.approx(76.3, abs=0.2)
    (clip,) = find_clips([path])
    assert clip.camera.horizontal_fov_deg == pytest.approx(76.3, abs=0.2)
    assert find_clips([path], fov_deg=90.0)[0].camera == Camera(64, 36, 90.0)


@pytest.mark.parametrize("text", ["", "wide", "0", "1e9", "24 parsecs"])
def test_what_is_no_focal_length_is_passed_over(tmp_path: Path, text: str) -> None:
    path = write_video(tmp_path / "a.mp4", FocalLengthIn35mmFilm=text)
    assert probe_picture(path) == ShownPicture(64, 36, "")
    assert find_clips([path])[0].camera == Camera(64, 36)


def test_it_is_said_what_was_taken(tmp_path: Path) -> None:
    stated, silent = write_video(tmp_path / "a.mp4", **{APPLE: "24"}), write_video(tmp_path / "b.mp4")
    assert describe_fields_of_view(find_clips([silent])) == (
        "no file states its focal length: the field of view is taken for 100° as in the challenge; "
        "--fov DEG says what it is"
    )
    assert describe_fields_of_view(find_clips([stated, silent])) == (
        "the field of view of 1 is taken from the focal length that the file states, 76°; of 1 others for 100° "
        "as in the challenge; --fov DEG says what it is"
    )
    assert describe_fields_of_view([]) is None
