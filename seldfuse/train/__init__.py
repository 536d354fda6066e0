"""Training: one loop that every backend's task plugs into."""

from seldfuse.train.task import Task

__all__ = ["Task"]
