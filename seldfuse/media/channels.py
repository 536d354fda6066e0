"""Which channels of a file are left and right, and what becomes of files that have other than two."""

import re
from dataclasses import dataclass

from seldfuse.errors import MediaError, UsageError


@dataclass(frozen=True)
class ChannelSelection:
    """Two channels of a file. `pair` names left and right, counted from 0, where there are more than two
    or the two are the wrong way round. With `assume_mono` a single channel is taken too, as one channel.
    """

    pair: tuple[int, int] | None = None
    assume_mono: bool = False

    @classmethod
    def read(cls, pair: str | None, assume_mono: bool = False) -> "ChannelSelection":
        """Parse the text of `--channels`, such as `0,1`. Raises UsageError."""
        if pair is None:
            return cls(None, assume_mono)
        found = re.fullmatch(r"\s*(\d{1,4})\s*,\s*(\d{1,4})\s*", pair)
        left, right = (int(found[1]), int(found[2])) if found else (0, 0)
        if left == right:
            raise UsageError(
                "--channels expects the numbers of two different channels, left and right, counted from 0, "
                f"such as 0,1; got {pair!r}"
            )
        return cls((left, right), assume_mono)

    def select_from(self, there: int) -> tuple[int, ...]:
        """Select the channels to take from a file that has `there` of them: left and right, or the only one.

        Raises MediaError, whose text has no path yet.
        """
        if there == 1 and self.assume_mono:
            return (0,)
        if there == 1:
            raise MediaError(
                "one channel cannot be localised, for a direction comes from what differs between two; give a stereo "
                "recording, or type --assume-mono to learn only which classes sound"
            )
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
