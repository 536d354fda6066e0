"""Isolated sounds: collections on disk, and models that need none."""
