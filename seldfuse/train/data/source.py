"""What every place that scenes come from can do."""

from typing import NamedTuple, Protocol, runtime_checkable

from seldfuse.train.batch import TrainingBatch


class ProcessShare(NamedTuple):
    """This process among those that train together: each takes its own part of every step's scenes."""

    rank: int = 0
    processes: int = 1


@runtime_checkable
class SceneSource(Protocol):
    """Scenes without end. What comes depends on the seed and on how much was drawn before, on nothing else."""

    def draw(self, count: int) -> TrainingBatch:
        """Draw the next `count` scenes of this process."""
        ...

    def seek(self, drawn: int) -> None:
        """Go on as if this process had drawn so many scenes: a training that was stopped continues."""
        ...

    def close(self) -> None:
        """Stop what works in the background."""
        ...
