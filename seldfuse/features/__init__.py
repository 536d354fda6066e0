"""Features on the device, each computed once per batch and shared by every backend that asks for it."""

from seldfuse.features.batch import ClipBatch

__all__ = ["ClipBatch"]
