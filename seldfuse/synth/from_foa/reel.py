"""The pictures of one panoramic video, for cuts that overlap."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from av.video.frame import VideoFrame

from seldfuse.core.grid import FRAMES_PER_S, WINDOW_S
from seldfuse.errors import MediaError
from seldfuse.media.picture import decode_shown
from seldfuse.synth.from_foa.view import PanoramaBand, copy_band
from seldfuse.synth.pictures.film import FPS

PICTURES = round(WINDOW_S * FPS)

NEAR = 60
"""To decode so many pictures that nobody wants is as quick as seeking."""


class PanoramaReader:
    """Hands out the pictures of cuts, which must come in the order of time, and decodes each picture once.

    The n-th picture is the one that is shown at n / 29.97 seconds. Those that the next cuts may need too are stored: at
    most those of one cut, 150 MB where the panorama is 1920×960.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._coming: Iterator[tuple[float, VideoFrame]] = iter(())
        # The number of the picture that comes next; those that are held are the ones before it.
        self._next = -NEAR - 1
        self._held: deque[PanoramaBand] = deque(maxlen=PICTURES)

    def read_frames(self, start_frame: int) -> Iterator[PanoramaBand]:
        """Read the pictures of five seconds from a frame of 100 ms on, the first one nearest to its beginning.

        Raises MediaError where the video cannot be read or ends before.
        """
        first = round(start_frame * FPS / FRAMES_PER_S)
        if first > self._next + NEAR:
            self._next, self._coming = first, decode_shown(self._path, float(FPS), float(first / FPS))
            self._held.clear()
        while self._next < first:
            self._decode()
        for number in range(first, first + PICTURES):
            if number == self._next:
                self._held.append(copy_band(self._decode()))
            yield self._held[number - self._next]

    def _decode(self) -> VideoFrame:
        found = next(self._coming, None)
        if found is None:
            raise MediaError(f"the video ends at {float(self._next / FPS):.1f} s, before its header says: {self._path}")
        self._next += 1
        return found[1]
