"""Pictures that do not move, read from files."""

from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame

from seldfuse.errors import MediaError
from seldfuse.limits import LARGEST_PICTURE_PX
from seldfuse.media.container import open_alone

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def read_still(path: Path) -> VideoFrame:
    """Read the picture of a file in any format. Raises MediaError."""
    try:
        with open_alone(path) as file:
            _check_size(file, path)
            return next(file.decode(video=0))
    except (FFmpegError, OSError, IndexError, StopIteration) as error:
        raise MediaError(f"expected a picture that FFmpeg reads ({error}): {path}") from error


def check_still(path: Path) -> None:
    """Check a picture by its header alone: panoramas are large. Raises MediaError."""
    try:
        with open_alone(path) as file:
            _check_size(file, path)
    except (FFmpegError, OSError) as error:
        raise MediaError(f"expected a picture that FFmpeg reads ({error}): {path}") from error


def _check_size(file: InputContainer, path: Path) -> None:
    stream = next(iter(file.streams.video), None)
    if stream is None or min(stream.width, stream.height) < 1:
        raise MediaError(f"expected a picture that FFmpeg reads (its size is not known): {path}")
    if stream.width * stream.height > LARGEST_PICTURE_PX:
        raise MediaError(
            f"the picture has {stream.width} × {stream.height} pixels, more than {LARGEST_PICTURE_PX:,}: {path}"
        )
