"""How long each stage took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class RunStats:
    """Seconds by stage, added up while a run goes on; whoever shows progress reads them.

    `audio_s` is how much sound has been decoded, `clips` how many clips are done, `frames_detected` in how many
    pictures each detector searched.
    """

    stage_s: dict[str, float] = field(default_factory=dict)
    audio_s: float = 0.0
    clips: int = 0
    frames_detected: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the seconds of a `with` block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stage_s[name] = self.stage_s.get(name, 0.0) + time.perf_counter() - started

    def compute_real_time_factor(self, name: str) -> float:
        """Compute the seconds of sound per second of the stage."""
        return self.audio_s / max(self.stage_s[name], 1e-9)

    def add(self, other: "RunStats") -> None:
        """Add what another process counted."""
        for name, seconds in other.stage_s.items():
            self.stage_s[name] = self.stage_s.get(name, 0.0) + seconds
        for name, pictures in other.frames_detected.items():
            self.frames_detected[name] = self.frames_detected.get(name, 0) + pictures
        self.audio_s += other.audio_s
        self.clips += other.clips
