"""Pictures are seen as players show them, whatever the container stores."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seldfuse.media.inputs import find_clips
from seldfuse.media.picture import FileFrames, probe_picture

ONE, WHOLE = 1 << 16, 1 << 30
HEIGHT, WIDTH = 48, 96


@pytest.fixture
def shown() -> np.ndarray:
    """A picture of four colors, of which each corner is told from the others."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = [200, 30, 30]
    picture[: HEIGHT // 2, WIDTH // 2 :] = [30, 200, 30]
    picture[HEIGHT // 2 :, : WIDTH // 2] = [30, 30, 200]
    return picture


def write(path: Path, stored: np.ndarray, matrix: tuple[int, ...] = (), aspect: tuple[int, int] | None = None) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"qp": "4", "preset": "ultrafast"})
        stream.height, stream.width = stored.shape[:2]
        stream.pix_fmt = "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(stored), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    if matrix:
        data = bytearray(path.read_bytes())
        at = data.find(b"tkhd") + 44
        a, b, c, d = matrix
        data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, WHOLE)
        path.write_bytes(data)
    return path


def check_shown(path: Path, shown: np.ndarray) -> None:
    (frame,) = FileFrames(path).frames(1.0, 0.0, 0.1)
    assert frame.rgb.shape == shown.shape
    assert np.abs(frame.rgb.astype(int) - shown.astype(int)).mean() < 12
    (clip,) = find_clips([path])
    assert (clip.camera.width_px, clip.camera.height_px) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("turn", "matrix"),
    [
        (lambda picture: picture[::-1, ::-1], (-ONE, 0, 0, -ONE)),
        (lambda picture: np.rot90(picture), (0, ONE, -ONE, 0)),
        (lambda picture: np.rot90(picture, -1), (0, -ONE, ONE, 0)),
        (lambda picture: picture[:, ::-1], (-ONE, 0, 0, ONE)),
        (lambda picture: picture[::-1], (ONE, 0, 0, -ONE)),
        (lambda picture: picture.transpose(1, 0, 2), (0, ONE, ONE, 0)),
    ],
    ids=["180", "90", "270", "mirrored", "flipped", "transposed"],
)
def test_the_display_matrix_turns_and_mirrors(tmp_path: Path, shown: np.ndarray, turn, matrix) -> None:
    path = write(tmp_path / "a.mp4", turn(shown), matrix)
    check_shown(path, shown)
    found = probe_picture(path)
    assert found is not None
    assert found.presentation


@pytest.mark.parametrize(("stored", "aspect"), [((HEIGHT // 2, WIDTH), (1, 2)), ((HEIGHT, WIDTH // 2), (2, 1))])
def test_pixels_are_made_square(tmp_path: Path, shown: np.ndarray, stored: tuple[int, int], aspect) -> None:
    squeezed = shown[:: HEIGHT // stored[0], :: WIDTH // stored[1]]
    check_shown(write(tmp_path / "a.mp4", squeezed, aspect=aspect), shown)


def test_other_pictures_are_as_they_are_stored(tmp_path: Path, shown: np.ndarray) -> None:
    path = write(tmp_path / "a.mp4", shown)
    check_shown(path, shown)
    assert probe_picture(path) == (WIDTH, HEIGHT, "", None)
