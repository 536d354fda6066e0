"""Bombs: small files that would take all memory, read by a process that has little."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

MOST_BYTES = 3_000_000_000
LONGEST_S = 120

READ = """
import sys
from pathlib import Path
from seldfuse.errors import SeldfuseError
path = Path(sys.argv[1])
try:
    exec(sys.argv[2])
except SeldfuseError as error:
    sys.exit(f"refused: {str(error)[:300]}")
"""


def read(path: Path, code: str) -> str:
    """Read a file in a process of its own that has little memory; return what it says."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), code],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES)),
    )
    assert "Traceback" not in done.stderr, done.stderr[-1500:]
    return done.stderr


def large_pictures(path: Path, side: int = 9000) -> None:
    """A video with a picture of one color, packed well."""
    with av.open(str(path), "w", format="mov") as file:
        video = file.add_stream("png", rate=2)
        video.width = video.height = side
        video.pix_fmt = "gray"
        frame = av.VideoFrame.from_ndarray(np.zeros((side, side), np.uint8), format="gray")
        frame.pts, frame.time_base = 0, Fraction(1, 2)
        file.mux(video.encode(frame))
        file.mux(video.encode(None))


BOMBS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a key of thousands of parts": (
        "f.toml",
        lambda path: path.write_text(".".join("a" * 30_000) + " = 1\n"),
        "from seldfuse.fusion.settings import FusionSettings; FusionSettings.resolve(path)",
    ),
    "pictures of 81 megapixels": (
        "big.mov",
        large_pictures,
        "from seldfuse.media.picture import FileFrames; [*FileFrames(path).frames()]",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_little_memory(name: str, tmp_path: Path) -> None:
    file, make, code = BOMBS[name]
    make(tmp_path / file)
    assert "refused: " in read(tmp_path / file, code)
