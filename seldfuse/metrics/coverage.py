"""Over which classes the mean of a score goes, and which are absent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from seldfuse.metrics.matches import Mode
from seldfuse.storage.text import name_some

NAMED = 5
"""Classes that a sentence names before it counts the rest."""


@dataclass(frozen=True)
class ClassCoverage:
    """The classes that the reference has or the system says; the others are absent.

    In strict counting the mean over classes leaves the absent ones out, in official counting they weigh as zeros.
    """

    present: Bool[np.ndarray, "cls"]
    mode: Mode

    @property
    def absent(self) -> tuple[int, ...]:
        """List the ids of the classes that are absent."""
        return tuple(np.flatnonzero(~self.present).tolist())

    def describe_short(self) -> str:
        """Describe in a few words how many classes there are, such as `over 3 of 13 classes`."""
        return f"over {int(self.present.sum())} of {len(self.present)} classes"

    def describe(self, names: Sequence[str]) -> str:
        """Describe in one sentence over which classes a macro mean goes, and which of them are absent."""
        absent = [names[cls] for cls in self.absent]
        if not absent:
            return f"means are over all {len(names)} classes"
        listed = name_some(absent, NAMED)
        if self.mode == "strict":
            return (
                f"means are {self.describe_short()}: those that the reference has or the prediction says; "
                f"absent: {listed}"
            )
        return (
            f"F scores are means over all {len(names)} classes, as the challenge counts; {len(absent)} are absent and "
            f"weigh as 0 ({listed}): --mode strict leaves them out"
        )
