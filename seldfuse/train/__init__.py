"""Training: one loop that every backend's task plugs into."""

from seldfuse.train.task import TrainingTask

__all__ = ["TrainingTask"]
