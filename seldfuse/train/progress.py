"""Reports of a training while it goes on, and its log."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seldfuse.errors import UsageError
from seldfuse.metrics.scores import Scores
from seldfuse.storage.json_lines import format_json_line, read_json_lines
from seldfuse.storage.lock import lock_file, open_without_link

LOG = "log.jsonl"


@dataclass(frozen=True)
class StepReport:
    """Where the training stands; `scores` is there when it has just been validated.

    `elapsed_s` counts what went before an interruption, too. `waited` is the share of this stretch's time that was
    spent waiting for scenes.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    elapsed_s: float
    waited: float
    scores: Scores | None = None

    @property
    def left_s(self) -> float:
        """Seconds until the end at the pace so far."""
        return self.elapsed_s / self.step * (self.steps - self.step)

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "loss": round(self.loss, 6),
            "learning_rate": float(f"{self.learning_rate:.4g}"),
            "elapsed_s": round(self.elapsed_s, 1),
            "waited": round(self.waited, 3),
            "scores": round_scores(self.scores) if self.scores else None,
        }


class TrainingLog:
    """A JSON line for every step; TensorBoard's curves beside it where TensorBoard is installed.

    Lines after step `done` are those of a stretch that was lost, and are dropped. Without a folder nothing is written.
    Close it when done.
    """

    def __init__(self, folder: Path | None, done: int) -> None:
        self._file, self._board = None, None
        if folder is None:
            return
        path = folder / LOG
        try:
            self._lock = lock_file(path)
        except OSError as error:
            raise UsageError(f"cannot write here ({error.strerror}); choose another folder with -o: {path}") from error
        earlier = _read_until(path, done) if done and path.exists() else []
        self._file = open(path, "w", encoding="utf-8", errors="backslashreplace", opener=open_without_link)  # noqa: SIM115
        self._file.writelines(earlier)
        self._board = _board(folder, done)

    def write(self, progress: StepReport) -> None:
        if self._file is None:
            return
        line = progress.to_json()
        self._file.write(format_json_line(line))
        self._file.flush()
        if self._board is not None:
            curves = {"loss": progress.loss, "learning rate": progress.learning_rate, **(line["scores"] or {})}
            for name, value in curves.items():
                self._board.add_scalar(name, value, progress.step)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()


def round_scores(scores: Scores) -> dict[str, float]:
    """Round the scores that are numbers."""
    return {name: round(value, 4) for name, value in scores.to_dict().items()}


def _read_until(path: Path, done: int) -> list[str]:
    """Lines of steps up to `done`; a line that a kill cut short is none."""
    lines = read_json_lines(path, torn="skip")
    return [f"{line.text}\n" for line in lines if isinstance(step := line.value.get("step"), int) and step <= done]


def _board(folder: Path, done: int) -> Any:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)
