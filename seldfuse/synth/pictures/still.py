"""Pictures that do not move, read from files."""

from pathlib import Path

import av
from av.error import FFmpegError
from av.video.frame import VideoFrame

from seldfuse.errors import MediaError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def read_still(path: Path) -> VideoFrame:
    """Read the picture of a file in any format. Raises MediaError."""
    try:
        with av.open(str(path)) as file:
            return next(file.decode(video=0))
    except (FFmpegError, OSError, IndexError, StopIteration) as error:
        raise MediaError(f"expected a picture that FFmpeg reads ({error}): {path}") from error
