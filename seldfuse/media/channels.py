"""Which channels of a file are left and right, and what becomes of files that have other than two."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seldfuse.errors import MediaError, UsageError

FRONT = ("FL", "FR")
"""What FFmpeg calls front left and front right."""


@dataclass(frozen=True)
class ChannelSelection:
    """Two channels of a file. `pair` names left and right, counted from 0, where there are more than two
    or the two are the wrong way round. With `assume_mono` a single channel is taken too, as one channel. `stream` is
    the number of the audio stream that is heard, counted from 0, where the file has several.
    """

    pair: tuple[int, int] | None = None
    assume_mono: bool = False
    stream: int | None = None

    @classmethod
    def read(cls, pair: str | None, assume_mono: bool = False, stream: int | None = None) -> "ChannelSelection":
        """Parse the text of `--channels`, such as `0,1`. Raises UsageError."""
        if pair is None:
            return cls(None, assume_mono, stream)
        found = re.fullmatch(r"\s*(\d{1,4})\s*,\s*(\d{1,4})\s*", pair)
        left, right = (int(found[1]), int(found[2])) if found else (0, 0)
        if left == right:
            raise UsageError(
                "--channels expects the numbers of two different channels, left and right, counted from 0, "
                f"such as 0,1; got {pair!r}"
            )
        return cls((left, right), assume_mono, stream)

    def to_json(self) -> dict[str, Any]:
        """Describe the selection; a stream only where one is named, for older descriptions have none."""
        return {name: value for name, value in asdict(self).items() if name != "stream" or value is not None}

    def select_from(self, there: int, names: Sequence[str] = ()) -> tuple[int, ...]:
        """Select the channels to take from a file that has `there` of them: left and right, or the only one.

        `names` are those that the file gives its channels, such as FL and FR of surround sound. Four channels are as
        often Ambisonics, whatever their format calls them. Raises MediaError, whose text has no path yet.
        """
        if there == 1 and self.assume_mono:
            return (0,)
        if there == 1:
            raise MediaError(
                "one channel cannot be localised, for a direction comes from what differs between two; give a stereo "
                "recording, or type --assume-mono to learn only which classes sound"
            )
        if self.pair is None and there > 2 and set(FRONT) <= set(names) and (there != 4 or "LFE" in names):
            return names.index(FRONT[0]), names.index(FRONT[1])
        if self.pair is None and there > 2:
            raise MediaError(
                f"expected stereo, got {there} channels; say which two are left and right, counted from 0: "
                "--channels 0,1"
            )
        left, right = self.pair or (0, 1)
        if max(left, right) >= there:
            raise MediaError(
                f"--channels {left},{right} asks for channel {max(left, right)}, but there are {there}; "
                f"name two of 0 to {there - 1}"
            )
        return left, right
